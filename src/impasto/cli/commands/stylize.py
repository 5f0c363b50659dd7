"""``impasto stylize``."""

from __future__ import annotations

import os
import signal
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from impasto.cli.options.grouped_help import EngineOption, GroupedCommand
from impasto.cli.options.parsers import SnapshotSteps
from impasto.cli.options.request_options import settings
from impasto.cli.stylize.photos import Photo, find
from impasto.cli.stylize.run_recorder import Recording
from impasto.cli.ui import terminal

if TYPE_CHECKING:
    from impasto.cli.stylize.local import Local
    from impasto.cli.stylize.output_paths import Task
    from impasto.cli.stylize.remote import Remote
    from impasto.cli.stylize.reporter import Display
    from impasto.cli.stylize.style_inputs import Sources
    from impasto.cli.ui.interrupts import Interrupts
    from impasto.styles import Gallery

__all__ = ["stylize"]


@click.command(cls=GroupedCommand, short_help="Repaint photographs in the style of paintings.")
@click.argument("photos", nargs=-1, required=True, metavar="PHOTO...")
@click.option(
    "-s",
    "--style",
    "styles",
    multiple=True,
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
@click.option(
    "--server",
    metavar="URL",
    help="Paint at that Impasto server, with the styles of its gallery; its key is in $IMPASTO_API_KEY.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON record for each picture, on standard output.")
@click.option("-q", "--quiet", is_flag=True, help="Show errors only.")
@settings
@click.option(
    "--regions",
    multiple=True,
    metavar="MAP=STYLE",
    cls=EngineOption,
    help="A style of its own where the picture MAP is white. Give several; --style is for the rest.",
)
@click.option("--guide", metavar="FILE", cls=EngineOption, help="Which part of the painting to learn from: white.")
@click.option("--initial", metavar="FILE", cls=EngineOption, help="A picture to start from, instead of --start.")
@click.option(
    "--trace", metavar="FILE", cls=EngineOption, help="Write the losses of every step, for `impasto plot`. One photo."
)
@click.option(
    "--snapshots",
    type=SnapshotSteps(),
    metavar="N|STEP,...",
    cls=EngineOption,
    help="Save N pictures on the way, or those after the steps 1,2,5, as OUT.step-0040.png. One photo.",
)
@click.option(
    "--state",
    metavar="FILE",
    cls=EngineOption,
    help="Keep the unfinished picture there; the same command goes on from it. One photo.",
)
def stylize(
    photos: tuple[str, ...],
    styles: tuple[str, ...],
    regions: tuple[str, ...],
    output: str | None,
    mask: str | None,
    guide: str | None,
    initial: str | None,
    overwrite: bool | None,
    include_pastiches: bool,
    server: str | None,
    as_json: bool,
    quiet: bool,
    trace: str | None,
    snapshots: int | tuple[int, ...] | None,
    state: str | None,
    settings: dict[str, Any],
) -> None:
    """Repaint PHOTOs in the style of paintings.

    PHOTO is a file, a folder, a quoted pattern such as 'trip/**/*.jpg', - for standard input, or a
    pipe such as <(command). The pastiche goes beside the photo, as photo.style.jpg, unless -o says
    otherwise; one of another format as photo.bmp.style.png. Its name depends on the photo alone, so
    that --skip-existing finds it again. In a folder, photos of a pattern's subfolders keep these, and
    those of several folders are called photo-1f2e3d4c.style.jpg, by their folder.
    Nothing is ever overwritten unless --overwrite says so. What comes from standard input goes into
    a folder as stdin.style.png, or as --format says. Of several photos, those that Impasto made
    itself are left out, so that running a command again repaints no pastiches.

    The engine iterative optimises each picture itself: finer, in seconds to minutes. Its own
    options, below the others, select it. Ctrl-C then ends the picture with the best so far and
    writes it; Ctrl-C once more discards it.

    With --server all of that is done by an `impasto serve` at that address; it needs impasto[client].

    \b
    impasto stylize harbour.jpg --style monet.jpg
    impasto stylize harbour.jpg --style NAME:2 --style OTHER:1 --strength 0.7 -o out.png
    impasto stylize trip/ --style NAME -o painted/ --skip-existing
    impasto stylize harbour.jpg --style monet.jpg --engine iterative
    impasto stylize trip/ --style NAME --server http://studio.local:8000
    impasto stylize harbour.jpg --regions sky.png=NAME --style monet.jpg --steps 100
    curl -s URL | impasto stylize - --style NAME > out.png

    Exit status: how many pictures failed, 100 at most; 2 also for wrong usage, 130 after Ctrl-C.
    """
    from impasto.cli.options.parsers import parse_region, style_weights
    from impasto.cli.stylize.output_paths import plan
    from impasto.cli.stylize.style_inputs import Sources, is_file
    from impasto.styles import Gallery

    model = settings["model"]
    if not (styles or regions or model):
        raise click.UsageError("Missing option '-s' / '--style'; give a style's name or a painting's file")
    if server is not None:
        _refuse({"--regions": regions, "--trace": trace, "--snapshots": snapshots, "--state": state})
    found = _select(find(photos), include_pastiches, quiet or as_json)
    gallery = Gallery()
    names = gallery.names() if server is None else ()
    weights = style_weights(styles, lambda text: text in names or is_file(text))
    sources = Sources(
        weights if server is not None else _canonical(weights, gallery),
        tuple(parse_region(text, is_file) for text in regions),
        mask=mask,
        guide=guide,
        initial=initial,
    )
    labels = sources.labels(names) or [str(model).partition("@")[0]]
    tasks = plan(found, output, labels, settings)
    if tasks[0].output is None:
        if as_json:
            raise click.UsageError("--json and the pastiche both go to standard output; give a file with -o FILE")
        if snapshots:
            raise click.UsageError("--snapshots go beside the pastiche, which is not a file; give one with -o FILE")
        if terminal.is_terminal("stdout"):
            raise click.UsageError("standard output is a terminal; give a file with -o FILE, or pipe it on")
    _check_kept(tasks, {"--trace": trace, "--state": state}, snapshots)
    if any(photo.path is None for photo in found):
        terminal.receive()
    # With a state, the snapshots that are there are of the run that goes on.
    replaced = bool(overwrite) or (state is not None and os.path.exists(state))
    recording = Recording(None if trace is None else Path(trace), snapshots or 0, replaced)
    failed = _run(server, tasks, sources, recording, state, overwrite, gallery, settings, as_json=as_json, quiet=quiet)
    raise click.exceptions.Exit(min(failed, 100))


def _run(
    server: str | None,
    tasks: list[Task],
    sources: Sources,
    recording: Recording,
    state: str | None,
    overwrite: bool | None,
    gallery: Gallery,
    settings: dict[str, Any],
    *,
    as_json: bool,
    quiet: bool,
) -> int:
    from impasto.cli.stylize.batch import Batch, Place
    from impasto.cli.stylize.reporter import Display
    from impasto.cli.ui.interrupts import Interrupts

    gradual = settings["engine"] == "iterative"
    is_removed = server is not None and gradual
    heeded = ([signal.SIGINT] if gradual else []) + ([signal.SIGTERM] if state is not None or is_removed else [])
    interrupts = Interrupts(*heeded)
    opening = "loading the model" if server is None else "asking the server"
    display = Display(
        len(tasks), json=as_json, quiet=quiet, gradual=gradual, resumable=state is not None, opening=opening
    )
    try:
        with display, ExitStack() as stack:
            place: Place
            if server is None:
                place = _local_place(settings, gallery, sources, recording, state, interrupts)
            else:
                place = stack.enter_context(_remote_place(server, settings, sources, display, interrupts))
            with interrupts:
                for record in Batch(place, overwrite).run(tasks, display):
                    display.finished(record)
                    if interrupts.interrupted:
                        raise KeyboardInterrupt
                    if interrupts.terminated:
                        raise SystemExit(128 + signal.SIGTERM)
    except KeyboardInterrupt:
        if not (display.kept and len(tasks) == display.ended == 1):
            terminal.note(f"stopped: {display.done} of {terminal.amount(len(tasks), 'picture')} done")
        raise click.exceptions.Exit(130) from None
    display.summary()
    return display.failed


def _local_place(
    settings: dict[str, Any],
    gallery: Gallery,
    sources: Sources,
    recording: Recording,
    state: str | None,
    interrupts: Interrupts,
) -> Local:
    from impasto.cli.stylize.local import Local
    from impasto.stylizer import Stylizer

    stylizer = Stylizer(settings["engine"], gallery=gallery)
    return Local(stylizer, sources.open(gallery, settings["max_pixels"]), settings, recording, state, interrupts)


@contextmanager
def _remote_place(
    server: str, settings: dict[str, Any], sources: Sources, display: Display, interrupts: Interrupts
) -> Generator[Remote, None, None]:
    from impasto.cli.stylize.remote import Remote
    from impasto.client import Client
    from impasto.client.retry import Retry

    retry = Retry(display.waiting)
    with Client(server, retry=retry) as client:
        given = sources.read(settings["max_pixels"])
        remote = Remote(client, given, sources.describe(), settings, retry, interrupts)
        remote.check_server()
        yield remote


def _refuse(given: dict[str, object]) -> None:
    """What no server does, or tells."""
    for option, value in given.items():
        if value:
            raise click.UsageError(f"{option} works only without --server; remove one of them")


def _check_kept(tasks: list[Task], files: dict[str, str | None], snapshots: int | tuple[int, ...] | None) -> None:
    """What is kept of one run is not of several, and each has a file of its own."""
    given = {option: file for option, file in files.items() if file is not None}
    wanted = [*given, *(["--snapshots"] if snapshots else [])]
    if wanted and len(tasks) > 1:
        raise click.UsageError(f"{wanted[0]} is for one photo, but there are {len(tasks)}; give one, or leave it out")
    taken = {} if tasks[0].output is None else {os.path.realpath(tasks[0].output): "the pastiche"}
    for option, file in given.items():
        place = os.path.realpath(file)
        if place in taken:
            raise click.UsageError(f"{option} is {file}, but {taken[place]} is written there; choose another file")
        if not os.path.isdir(os.path.dirname(place)):
            raise click.UsageError(f"{option} is {file}, in a folder that does not exist; create it first")
        taken[place] = option


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


def _canonical(weights: dict[str, float], gallery: Gallery) -> dict[str, float]:
    """The weights under the styles' own names, where a style was called otherwise."""
    from impasto.cli.stylize.style_inputs import is_file

    named: dict[str, float] = {}
    for style, weight in weights.items():
        name = style if is_file(style) else gallery.find(style) or style
        named[name] = named.get(name, 0.0) + weight
    return named
