"""Terminal: what goes to it, and how; plain text wherever it is none. Rich is imported when something is drawn."""

from __future__ import annotations

import io
import json
import os
import sys
import unicodedata
import warnings
from typing import IO, TYPE_CHECKING, Any, TextIO

import click

from impasto.errors import OutputError

if TYPE_CHECKING:
    from rich.console import Console

__all__ = [
    "amount",
    "console",
    "emit",
    "error",
    "failure",
    "finish",
    "is_terminal",
    "note",
    "prepare",
    "printable",
    "receive",
    "send",
]


def prepare() -> None:
    """Let standard output escape what its encoding has no letters for, and warn as the command warns elsewhere."""
    warnings.showwarning = _warned
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="backslashreplace")


def _warned(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    if category is UserWarning:  # for users, to whom a place in the code says nothing
        note(f"warning: {printable(' '.join(str(message).split()))}")
    else:
        print(warnings.formatwarning(message, category, filename, lineno, line), file=file or sys.stderr, end="")


def finish() -> None:
    """Drop what standard output refused: Python would try to write it once more at the end, and complain."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


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
    click.echo(f"{word} {printable(' '.join(message.split()))}", err=True)


def note(message: str) -> None:
    """One line on standard error that is not an error."""
    click.echo(message, err=True)


def emit(value: Any, *, indent: int | None = None) -> None:
    """A JSON value on standard output, escaped to ASCII so that every pipe can carry it."""
    click.echo(json.dumps(value, indent=indent, allow_nan=False))


def failure(error: BaseException) -> str:
    """What is said of an error that nobody foresaw."""
    said, kind = " ".join(str(error).split()), type(error).__name__
    if isinstance(error, (MemoryError, OSError, RuntimeError)):  # of the machine and the runtime, which say it in words
        return f"it failed: {said or kind}"
    return f"it failed: {kind}{said and ': ' + said}"


def printable(text: str) -> str:
    """``text`` with its control characters and lone surrogates escaped: a terminal would act on them."""
    return "".join(ascii(c)[1:-1] if unicodedata.category(c) in ("Cc", "Cs") else c for c in text)


def receive() -> IO[bytes]:
    """Standard input. Raises :class:`click.UsageError` where nothing can come from it."""
    if sys.stdin is None:
        raise click.UsageError("- is standard input, but it is closed")
    if is_terminal("stdin"):
        raise click.UsageError("- is standard input, but nothing is piped into it")
    return sys.stdin.buffer


def send(data: bytes) -> None:
    """Bytes to standard output. Raises :class:`OutputError`."""
    if sys.stdout is None:
        raise OutputError("standard output is closed; give a file with -o FILE")
    try:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(f"standard output cannot be written: {error.strerror}") from error


def amount(count: int, noun: str) -> str:
    """``1 picture``, ``2 pictures``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
