"""``impasto styles`` and what is under it: the gallery."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from impasto.cli.ui import terminal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.text import Text

    from impasto.styles import Gallery, StyleCard

__all__ = ["styles"]


@click.group(invoke_without_command=True, short_help="List, add, export and import styles.")
@click.option("--json", "as_json", is_flag=True, help="List them as JSON.")
@click.pass_context
def styles(ctx: click.Context, as_json: bool) -> None:
    """List the styles of the gallery, boldest first, or change it.

    A style goes by its name, and by others in English, Portuguese and Chinese: `show` tells them.

    \b
    impasto styles
    impasto styles show "noite estrelada"
    impasto styles add harbour monet1.jpg monet2.jpg --artist "Claude Monet"
    impasto styles export harbour -o harbour.style
    impasto styles import harbour.style
    """
    if ctx.invoked_subcommand is not None:
        return
    from impasto.styles import Gallery

    gallery = Gallery()
    cards = list(gallery)
    if as_json:
        terminal.emit([_facts(card, gallery) for card in cards], indent=2)
    elif terminal.is_terminal("stdout"):
        _draw(cards)
    else:
        for card in cards:
            click.echo("\t".join([card.name, card.title, card.artist, card.date, " ".join(card.palette)]))
    for problem in gallery.problems():
        terminal.note(f"warning: {problem}")


@styles.command(short_help="Make a style of pictures and keep it.")
@click.argument("name")
@click.argument("pictures", nargs=-1, metavar="PICTURE...")
@click.option("--network", default="", metavar="MODEL", help="A network of this style alone, of `impasto models`.")
@click.option("--title", default="", help="What the painting is called.")
@click.option("--artist", default="", help="Who painted it.")
@click.option("--date", default="", help="When.")
@click.option("--source", default="", help="Where the picture comes from.")
@click.option("--overwrite", is_flag=True, help="Replace a style of that name.")
def add(name: str, pictures: tuple[str, ...], network: str, overwrite: bool, **texts: str) -> None:
    """Make the style NAME of one PICTURE or several, and keep it in the gallery.

    With --network, that model paints it, and there need be no picture.
    """
    if not (pictures or network):
        raise click.UsageError("Missing argument 'PICTURE...'; give a painting's file, or a --network")
    from impasto.styles import Gallery
    from impasto.stylizer import Stylizer

    gallery = Gallery()
    gallery.check_free(name, overwrite=overwrite)
    card = Stylizer(gallery=gallery).card(name, list(pictures), network=network, **texts)
    gallery.add(card, overwrite=overwrite)
    _report_added(card)


@styles.command(short_help="Show what is known of a style.")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def show(name: str, as_json: bool) -> None:
    """Show what is known of the style NAME: the work, where it hangs, what else it is called."""
    from impasto.styles import Gallery

    gallery = Gallery()
    card = gallery.get(name)
    facts = _facts(card, gallery)
    if as_json:
        terminal.emit(facts, indent=2)
        return
    for key, value in facts.items():
        if value in ("", [], 0):
            continue
        if key == "palette" and terminal.is_terminal("stdout"):
            click.echo(f"{click.style('palette'.ljust(8), dim=True)}  ", nl=False)
            terminal.console().print(_swatches(card.palette), end=" ")
            click.echo(" ".join(card.palette))
            continue
        text = ", ".join(value) if isinstance(value, list) else {True: "yes", False: "no"}.get(value, value)
        click.echo(f"{click.style(key.ljust(8), dim=True)}  {text}")


@styles.command(short_help="Remove a style from the gallery.")
@click.argument("name")
def remove(name: str) -> None:
    """Remove the style NAME, one you added, from the gallery."""
    from impasto.styles import Gallery

    Gallery().remove(name)
    terminal.note(f"removed {name}")


@styles.command(short_help="Write a style to a file to give away.")
@click.argument("name")
@click.option("-o", "--output", metavar="FILE", help="Where to; - for standard output.  [default NAME.style]")
@click.option("--overwrite", is_flag=True, help="Replace the file.")
def export(name: str, output: str | None, overwrite: bool) -> None:
    """Write the style NAME to a file, for `impasto styles import` elsewhere."""
    from impasto.picture.files import write_atomically
    from impasto.styles import Gallery
    from impasto.styles.card import SUFFIX

    gallery = Gallery()
    data = gallery.export(name)
    if output == "-":
        terminal.send(data)
        return
    path = Path(output or f"{gallery.find(name)}{SUFFIX}")
    write_atomically(path, data, overwrite=overwrite)
    click.echo(click.format_filename(path))


@styles.command("import", short_help="Take in a style from a file.")
@click.argument("file", metavar="FILE")
@click.option("--name", metavar="NAME", help="What to call it.  [default its own name]")
@click.option("--overwrite", is_flag=True, help="Replace a style of that name.")
def import_(file: str, name: str | None, overwrite: bool) -> None:
    """Take in a style from FILE, written by `impasto styles export`; - is standard input."""
    from impasto.styles import Gallery
    from impasto.styles.card import MAX_BYTES

    source = terminal.receive().read(MAX_BYTES + 1) if file == "-" else Path(file)
    card = Gallery().load(source, overwrite=overwrite, name=name)
    _report_added(card)


def _report_added(card: StyleCard) -> None:
    terminal.note(f"added {card.name}; use it with: impasto stylize PHOTO --style {card.name}")


def _facts(card: StyleCard, gallery: Gallery) -> dict[str, Any]:
    return card.facts() | {"shipped": gallery.is_shipped(card.name)}


def _draw(cards: Sequence[StyleCard]) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    if not cards:
        terminal.note("the gallery is empty; add a style with: impasto styles add NAME PICTURE")
        return
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False)
    table.add_column("name", no_wrap=True)
    table.add_column("palette", no_wrap=True)
    table.add_column("painting")
    table.add_column("artist", style="dim")
    table.add_column("date", no_wrap=True, style="dim")
    for card in cards:
        table.add_row(
            Text(card.name),
            _swatches(card.palette),
            _overflow_text(card.title),
            _overflow_text(card.artist),
            Text(card.date),
        )
    terminal.console().print(table)


def _overflow_text(text: str) -> Text:
    """Text that gives way where the table is too wide, on one line."""
    from rich.text import Text

    return Text(text, no_wrap=True, overflow="ellipsis")


def _swatches(palette: Sequence[str]) -> Text:
    from rich.text import Text

    return Text.assemble(*[("  ", f"on {color}") for color in palette])
