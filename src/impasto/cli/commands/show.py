"""``impasto show``."""

from __future__ import annotations

import json
from typing import Any

import click

from impasto.cli.ui import terminal

__all__ = ["show"]


@click.command(short_help="Show the settings a picture was made with.")
@click.argument("file", metavar="FILE")
@click.option("--json", "as_json", is_flag=True, help="As JSON; null where the picture holds none.")
def show(file: str, as_json: bool) -> None:
    """Show the settings stored in FILE, a picture that Impasto made.

    \b
    impasto show harbour.monet.jpg
    impasto show harbour.monet.jpg --json

    Exit status: 0 they are shown, 1 there are none.
    """
    from impasto.picture.provenance import read_settings

    settings = read_settings(terminal.receive() if file == "-" else file)
    if as_json:
        terminal.emit(settings, indent=2)
    elif settings is None:
        terminal.error(f"{file} holds no settings: Impasto did not make it, or another program removed them")
    else:
        rows = {terminal.printable(name): terminal.printable(_text(value)) for name, value in settings.items()}
        width = max(map(len, rows), default=0)
        for name, text in rows.items():
            click.echo(f"{click.style(name.ljust(width), dim=True)}  {text}")
    if settings is None:
        raise click.exceptions.Exit(1)


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{_text(key)}: {_nested_text(part)}" for key, part in value.items())
    if isinstance(value, list):
        return ", ".join(map(_nested_text, value))
    return value if isinstance(value, str) else json.dumps(value)


def _nested_text(value: Any) -> str:
    """In parentheses what has commas of its own."""
    return f"({_text(value)})" if isinstance(value, (dict, list)) else _text(value)
