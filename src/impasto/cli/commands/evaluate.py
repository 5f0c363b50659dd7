"""``impasto evaluate``: needs torch, which is imported when pictures are scored and not before."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from impasto.cli.ui import terminal
from impasto.errors import MissingExtra
from impasto.request import options

if TYPE_CHECKING:
    from impasto.evaluation.contestant import Contestant
    from impasto.evaluation.pairs import Pair
    from impasto.evaluation.report import Report
    from impasto.request import Progress

__all__ = ["evaluate"]

_SETTINGS = {option.name: option for option in options()}
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_FOLDER = click.Path(file_okay=False, path_type=Path)


class Named(click.ParamType):  # type: ignore[type-arg]
    """``NAME=FOLDER``, the folder being there."""

    name = "folder"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str):
            return value
        name, equals, folder = value.partition("=")
        if not equals or not name.strip() or terminal.printable(name) != name:
            self.fail(f"{value!r} is not NAME=FOLDER; give, say, other=pictures/", param, ctx)
        if not Path(folder).is_dir():
            self.fail(f"{folder!r} is not a folder; give one that holds a picture of every pair", param, ctx)
        return name.strip(), Path(folder)


@click.command(short_help="Score pictures of pairs; needs impasto[evaluate].")
@click.option("--pairs", "file", required=True, type=_FILE, help='JSON: [{"id": ..., "content": ..., "style": ...}].')
@click.option(
    "--report",
    type=_FOLDER,
    help="Folder to write the report, the table, a contact sheet and the engine's pictures to.",
)
@click.option("--inputs", type=_FOLDER, help="Folder to write each pair's 512x512 inputs to, for other programs.")
@click.option(
    "--engine",
    type=click.Choice(_SETTINGS["engine"].choices),
    help="The engine to score.  [default instant, unless --pictures are given]",
)
@click.option(
    "--model",
    metavar="NAME|FOLDER",
    help="Its model, or the encoder of iterative: a name, name@version, or a folder with manifest.json.",
)
@click.option(
    "--pictures",
    type=Named(),
    multiple=True,
    metavar="NAME=FOLDER",
    help="Pictures to score, named by pair. Repeat it.",
)
@click.option(
    "--large",
    type=_FILE,
    multiple=True,
    metavar="FILE",
    help="A large photograph to paint at full size, too: is it painted as a small one is? Repeat it.",
)
@click.option(
    "--faces",
    type=_FILE,
    metavar="FILE",
    help='JSON: {"photo.jpg": [[left, top, right, bottom], ...]}, in fractions; else those of known photographs.',
)
@click.option(
    "--vgg19", type=_FILE, envvar="IMPASTO_VGG19", show_envvar=True, help="Weights of VGG19; else pocket scores."
)
@click.option(
    "--precision",
    type=click.Choice(_SETTINGS["precision"].choices),
    default="auto",
    help=f"{_SETTINGS['precision'].help}  [default auto]",
)
@click.option("--seed", type=click.IntRange(0), default=0, help="Random seed of the intervals.  [default 0]")
@click.option("--overwrite", is_flag=True, help="Replace a report or inputs that are there.")
@click.option("--json", "as_json", is_flag=True, help="The report as JSON, on standard output.")
def evaluate(
    file: Path,
    report: Path | None,
    inputs: Path | None,
    engine: str | None,
    model: str | None,
    pictures: tuple[tuple[str, Path], ...],
    large: tuple[Path, ...],
    faces: Path | None,
    vgg19: Path | None,
    precision: str,
    seed: int,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Repaint the pairs of a list and score them, beside the untouched photograph and the bare painting.

    With --pictures, pictures of other programs are scored, too; the engine is then left out unless
    --engine or --model names it. Compare figures only where the encoder is the same.

    Lower is better, but for recall. Style, gram and content look at a picture as it is; coarse and deep at
    strokes and planes; lattice finds stamped patterns in flat areas; drawing is content where the photograph has
    something to lose; recall is the share of pictures nearest to their own painting.

    \b
    impasto evaluate --pairs pairs.json --inputs inputs/
    impasto evaluate --pairs pairs.json --report report/ --vgg19 vgg19.npz
    impasto evaluate --pairs pairs.json --report report/ --engine instant --pictures other=theirs/
    impasto evaluate --pairs pairs.json --report report/ --engine iterative --large holiday.jpg
    """
    from impasto.evaluation.pairs import read_pairs

    if report is None and inputs is None:
        raise click.UsageError("there is nothing to do; give --report DIR, or --inputs DIR")
    if report is None and (pictures or engine or model or faces or as_json):
        raise click.UsageError("pictures are scored for a report; give --report DIR")
    pairs = read_pairs(file)
    if inputs is not None:
        _write_inputs(pairs, large, inputs, overwrite)
    if report is None:
        return
    try:
        from impasto.evaluation.evaluation import Evaluation
        from impasto.evaluation.faces import read_faces
        from impasto.evaluation.metrics.scorer import open_scorer
    except ImportError as error:
        raise MissingExtra("scoring pictures", "evaluate") from error
    contestants = _contestants(engine, model, pictures, precision)
    boxes = read_faces(faces)
    evaluation = Evaluation(pairs, contestants, open_scorer(vgg19), report, seed, overwrite, boxes, large)
    found = _show_progress(evaluation.run(), draw=not as_json)
    if as_json:
        terminal.emit(found.to_json(), indent=2)
    else:
        _draw(found)
        terminal.note(f"written to {report}")


def _contestants(
    engine: str | None, model: str | None, pictures: tuple[tuple[str, Path], ...], precision: Any
) -> list[Contestant]:
    from impasto.evaluation.contestant import FromEngine, FromFolder, FromIterative
    from impasto.models import find

    found: list[Contestant] = []
    if engine or model or not pictures:
        name = engine or _SETTINGS["engine"].default
        if name == "iterative":
            found.append(FromIterative(model or _SETTINGS["encoder"].default, precision))
        else:
            found.append(FromEngine(name, find(model or name, kind="arbitrary"), precision))
    return found + [FromFolder(name, folder) for name, folder in pictures]


def _write_inputs(pairs: list[Pair], large: tuple[Path, ...], folder: Path, overwrite: bool) -> None:
    from impasto.evaluation.inputs import write_inputs
    from impasto.evaluation.large_pictures import write_large

    for _ in write_inputs(pairs, folder, overwrite=overwrite):
        pass
    for _ in write_large(large, pairs, folder, overwrite=overwrite):
        pass
    also = f" and {terminal.amount(len(large), 'large photograph')}" if large else ""
    terminal.note(f"wrote the inputs of {terminal.amount(len(pairs), 'pair')}{also} to {folder}")


def _show_progress(run: Generator[Progress, None, Report], *, draw: bool) -> Report:
    """Run to the end, under a bar where standard error is a terminal."""
    from contextlib import nullcontext

    from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    # Standard output may be a pipe: rich must not catch it.
    bar = Bar(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(24),
        TimeRemainingColumn(compact=True),
        TextColumn("left"),
        console=terminal.console("stderr"),
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    )
    row = bar.add_task("starting", total=1.0)
    with bar if draw and terminal.is_terminal("stderr") else nullcontext():
        while True:
            try:
                progress = next(run)
            except StopIteration as finished:
                report: Report = finished.value
                return report
            bar.update(row, description=progress.stage, completed=progress.done)


def _draw(report: Report) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    console = terminal.console()
    for found in report.tables():
        table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False)
        table.add_column(found.title, overflow="fold")
        for column in found.columns:
            table.add_column(column, justify="right", no_wrap=True)
        for row in found.rows:
            cells = (Text(figure).append(f"\n{below}" if below else "", "dim") for figure, below in row.cells)
            table.add_row(Text(row.name, "dim" if row.control else ""), *cells)
        console.print(table)
    for remark in report.remarks():
        console.print(Text(remark))
