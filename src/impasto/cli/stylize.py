"""``impasto stylize``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from impasto.cli import terminal
from impasto.cli.photos import Photo, find
from impasto.cli.settings import settings

if TYPE_CHECKING:
    from impasto.cli.outputs import Task
    from impasto.styles import Gallery

__all__ = ["stylize"]


@click.command(short_help="Repaint photographs in the style of paintings.")
@click.argument("photos", nargs=-1, required=True, metavar="PHOTO...")
@click.option(
    "-s",
    "--style",
    "styles",
    multiple=True,
    required=True,
    metavar="STYLE[:WEIGHT]",
    help="A style's name (`impasto styles` lists them) or a painting's file. Give several to mix them.",
)
@click.option("-o", "--output", metavar="OUT", help="A file, a folder for several photos, or - for standard output.")
@click.option("--mask", metavar="FILE", help="Where to paint: white everywhere, black nowhere, grey partly.")
@click.option(
    "--overwrite/--skip-existing",
    default=None,
    help="What to do where an output exists; an error by default.",
)
@click.option("--include-pastiches", is_flag=True, help="Of several photos, repaint those Impasto made, too.")
@click.option("--json", "as_json", is_flag=True, help="One JSON record for each picture, on standard output.")
@click.option("-q", "--quiet", is_flag=True, help="Show errors only.")
@settings
def stylize(
    photos: tuple[str, ...],
    styles: tuple[str, ...],
    output: str | None,
    mask: str | None,
    overwrite: bool | None,
    include_pastiches: bool,
    as_json: bool,
    quiet: bool,
    settings: dict[str, Any],
) -> None:
    """Repaint PHOTOs in the style of paintings.

    PHOTO is a file, a folder, a quoted pattern such as 'trip/**/*.jpg', or - for standard input. The
    pastiche goes beside the photo, as photo.style.jpg, unless -o says otherwise. Nothing is ever
    overwritten unless --overwrite says so. What comes from standard input goes into a folder as
    stdin.style.png, or as --format says. Of several photos, those that Impasto made itself are
    left out, so that running a command again repaints no pastiches.

    \b
    impasto stylize harbour.jpg --style monet.jpg
    impasto stylize harbour.jpg --style NAME:2 --style OTHER:1 --strength 0.7 -o out.png
    impasto stylize trip/ --style NAME -o painted/ --skip-existing
    curl -s URL | impasto stylize - --style NAME > out.png

    Exit status: how many pictures failed, 100 at most; 2 also for wrong usage.
    """
    from impasto.cli.outputs import plan
    from impasto.cli.weighted import label, total
    from impasto.styles import Gallery

    found = _select(find(photos), include_pastiches, quiet or as_json)
    gallery = Gallery()
    names = gallery.names()
    weights = total(styles, lambda text: text in names or _is_file(text))
    tasks = plan(found, output, [label(style, names) for style in weights], settings)
    if tasks[0].output is None:
        if as_json:
            raise click.UsageError("--json and the pastiche both want standard output; give a file with -o FILE")
        if terminal.is_terminal("stdout"):
            raise click.UsageError("standard output is a terminal; give a file with -o FILE, or pipe it on")
    if any(photo.path is None for photo in found):
        terminal.receive()
    failed = _run(tasks, weights, mask, overwrite, gallery, settings, as_json=as_json, quiet=quiet)
    raise click.exceptions.Exit(min(failed, 100))


def _run(
    tasks: list[Task],
    weights: dict[Any, float],
    mask: str | None,
    overwrite: bool | None,
    gallery: Gallery,
    settings: dict[str, Any],
    *,
    as_json: bool,
    quiet: bool,
) -> int:
    from impasto.cli.batch import Batch
    from impasto.cli.display import Display
    from impasto.picture import Picture
    from impasto.styles import Style
    from impasto.stylizer import Stylizer

    display = Display(len(tasks), json=as_json, quiet=quiet)
    try:
        with display:
            style = Style.mix(weights, gallery, max_pixels=settings["max_pixels"])
            shape = None if mask is None else Picture.open(mask, max_pixels=settings["max_pixels"])
            batch = Batch(Stylizer(settings["engine"], gallery=gallery), style, shape, settings, overwrite)
            for record in batch.run(tasks, display.progress):
                display.finished(record)
    except KeyboardInterrupt:
        terminal.note(f"stopped: {display.done} of {terminal.amount(len(tasks), 'picture')} done")
        raise click.exceptions.Exit(130) from None
    display.summary()
    return display.failed


def _select(photos: list[Photo], include_pastiches: bool, silent: bool) -> list[Photo]:
    if include_pastiches or (len(photos) == 1 and not photos[0].found):
        return photos
    kept = [photo for photo in photos if not photo.is_pastiche]
    left = terminal.amount(len(photos) - len(kept), "picture")
    if not kept:
        raise click.UsageError(f"Impasto made all of these ({left}); add --include-pastiches to repaint them")
    if len(kept) < len(photos) and not silent:
        terminal.note(f"left out {left} that Impasto made; --include-pastiches takes them in")
    return kept


def _is_file(text: str) -> bool:
    from pathlib import Path

    try:
        return Path(text).is_file()
    except (OSError, ValueError):
        return False
