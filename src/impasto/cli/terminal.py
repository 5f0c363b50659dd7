"""Terminal: what goes to it, and how; plain text wherever it is none. Rich is imported when something is drawn."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["amount", "console", "emit", "error", "is_terminal", "note", "receive", "send"]


def is_terminal(stream: str) -> bool:
    """Whether ``"stdin"``, ``"stdout"`` or ``"stderr"`` is a terminal."""
    found = getattr(sys, stream)
    return found is not None and bool(found.isatty())


def console(stream: str = "stdout") -> Console:
    """A rich console on ``"stdout"`` or ``"stderr"`` that takes text as it is: no markup, no guessed colours."""
    from rich.console import Console

    return Console(file=getattr(sys, stream), markup=False, highlight=False, emoji=False)


def error(message: str) -> None:
    """One line on standard error; its first word red on a terminal."""
    word = "error:" if os.environ.get("NO_COLOR") else click.style("error:", fg="red", bold=True)
    click.echo(f"{word} {' '.join(message.split())}", err=True)


def note(message: str) -> None:
    """One line on standard error that is no error."""
    click.echo(message, err=True)


def emit(value: Any, *, indent: int | None = None) -> None:
    """A JSON value on standard output, escaped to ASCII so that every pipe can carry it."""
    click.echo(json.dumps(value, indent=indent, allow_nan=False))


def receive() -> bytes:
    """Everything on standard input."""
    return sys.stdin.buffer.read()


def send(data: bytes) -> None:
    """Bytes to standard output."""
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def amount(count: int, noun: str) -> str:
    """``1 picture``, ``2 pictures``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
