"""``impasto train``: needs torch, which is imported when a training is started and not before."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_type_hints

import click

from impasto.cli.options.request_options import Value
from impasto.cli.ui import terminal
from impasto.errors import MissingExtra, RequestError
from impasto.user_folders import make_folder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from impasto.training.trainer import Step

__all__ = ["train"]

_HELP = {
    "photos": "Folder of photographs.",
    "styles": "Folder of paintings.",
    "encoder": "Whose features make the losses: VGG-19 as .npz, or another pocket as .safetensors. Pocket is quick; "
    "in the long run the network learns to please it alone, so finish with VGG-19.  [default pocket]",
    "vgg19": "Weights of VGG-19 as .npz, which is learnt from.",
    "painter": "Run of `impasto train instant`, which paints what the encoder learns on.",
    "size": "Crop side in pixels.",
    "pictures": "Photographs in a step, and as many paintings, and twice as many pastiches.",
    "textures": "How many textures made by code join the paintings.",
    "run": "Folder of this run: checkpoint, log and samples. A run that is there is continued.",
    "minutes": "How long to train, over all runs together.",
    "sizes": "Crop sides in pixels, each for an equal share of the time.",
    "photos_per_step": "Photographs in a step.",
    "styles_per_step": "Paintings in a step; every photograph meets every one.",
    "learning_rate": "Largest learning rate.",
    "style_weight": "Weight of the style loss.",
    "gram_weight": "Weight of the Gram matrices' distance.",
    "light_weight": "Weight of keeping dark what is drawn dark, and light what is light: faces above all.",
    "shift_weight": "Weight of strokes that move with the photograph, for films; a step then takes a third longer.",
    "grid_weight": "Weight against checkerboards.",
    "lattice_weight": "Weight against what repeats every 8 or 16 pixels.",
    "stamp_weight": "Weight of strokes in flat places that do not repeat every 8 pixels.",
    "self_weight": "Weight of giving a photograph back in its own style.",
    "seed": "Random seed.",
    "save_every": "Seconds between checkpoints.",
    "drawing": "How far the drawing may go from the photograph's, where 1 is as far as what is started from goes.",
    "start": "Folder of a model to start from: for a style, a network of that style; for instant, one to grow from.",
    "codes": "Folder of the model whose codes the base knows.  [default instant that ships]",
    "deep": "Channels of a level at a sixteenth of the size: longer strokes for a little time. 0 for none.",
    "style_scale": "How large the painting is looked at; larger makes larger strokes.",
}


_FEW = 20
"""Photographs below which a network learns these rather than how to paint."""


class Sizes(click.ParamType):  # type: ignore[type-arg]
    """Whole numbers with commas between them."""

    name = "sizes"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str):
            return value
        from impasto.training.plan_limits import check_sides

        parts = [part.strip() for part in value.split(",")]
        if not all(part.isdecimal() and int(part) >= 16 for part in parts):
            self.fail(f"{value!r} is not a list of sizes; give pixels of 16 or more, as 128,192,256", param, ctx)
        sizes = tuple(int(part) for part in parts)
        try:
            check_sides("sizes", sizes)
        except RequestError as error:
            self.fail(str(error), param, ctx)
        return sizes


class Planned(click.Command):
    """A command whose options are the fields of a plan, read from it when the command is called."""

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        assert self.name
        own = super().get_params(ctx)
        known = {param.name for param in own}
        return [*(option for option in _plan_options(_plan(self.name)) if option.name not in known), *own]


@click.group(short_help="Train the network; needs impasto[train].")
def train() -> None:
    """Train a network, and make a model of what was trained.

    \b
    impasto train style painting.jpg --photos photos/
    impasto train instant --photos photos/ --styles paintings/ --run run/
    impasto train export --run run/ --out model/
    """


@train.command(cls=Planned, short_help="Train the instant engine's network.")
def instant(**fields: Any) -> None:
    """Train the instant engine's network. Ctrl-C stops; the same command goes on from the last checkpoint."""
    from impasto.training.instant import Plan
    from impasto.training.instant import train as steps

    _train_and_say(steps(Plan(**fields)), **fields)


@train.command(cls=Planned, short_help="Distil the encoder pocket from VGG-19.")
def pocket(**fields: Any) -> None:
    """Distil the small encoder from VGG-19. Ctrl-C stops; the same command goes on from the last checkpoint."""
    from impasto.training.pocket import PocketPlan, distil

    _train_and_say(distil(PocketPlan(**fields)), **fields)


@train.command(cls=Planned, short_help="Train a network for one style of your own, in minutes.")
@click.argument("paintings", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--name", help="Name of the style.  [default: the painting's file]")
@click.option("--title", default="", help="Title to show.")
@click.option("--artist", default="", help="Who painted it.")
@click.option("--date", default="", help="When it was painted.")
@click.option("--source", default="", help="Where the picture comes from, and who may use it.")
@click.option(
    "--run",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of this run: checkpoint, log and samples.  [default: one beside your models]",
)
@click.option("--overwrite", is_flag=True, help="Replace a style of yours that has the name.")
@click.option("--base", type=click.Path(exists=True, file_okay=False, path_type=Path), hidden=True)
def style(
    paintings: tuple[Path, ...],
    name: str | None,
    title: str,
    artist: str,
    date: str,
    source: str,
    run: Path | None,
    overwrite: bool,
    **fields: Any,
) -> None:
    """Train a network that paints in one style, that of PAINTINGS, and add it to your models and styles.

    It starts from a network that comes with Impasto, so that minutes suffice. Meanwhile sample.jpg in the run's folder
    shows what it paints. Ctrl-C stops; the same command goes on, and with fewer --minutes it takes what there is.
    """
    from impasto.picture import Picture
    from impasto.picture.pipes import is_pipe
    from impasto.stylizer import Stylizer
    from impasto.training.data.dataset import training_files
    from impasto.training.install import check_style_name, install_style, run_folder, style_name
    from impasto.training.per_style import StylePlan, train_style

    if pipe := next((painting for painting in paintings if is_pipe(painting)), None):
        raise click.UsageError(f"{pipe} is a pipe and cannot be read again when training resumes; give a regular file")
    for painting in paintings:
        Picture.open(painting)  # tells what is wrong with it before anything else is done
    name = name or style_name(paintings[0])
    check_style_name(name, overwrite=overwrite)
    count = len(training_files(fields["photos"]))
    run = run or make_folder(run_folder(name))
    if count < _FEW:
        terminal.note(f"{fields['photos']} holds {count} pictures; from {_FEW} on the network paints others as well")
    terminal.note(f"training {name} for {fields['minutes']:g} minutes; look at {run / 'sample.jpg'} meanwhile")
    _advance(train_style(StylePlan(paintings, run=run, **fields)), run, fields["minutes"])
    facts = {"title": title, "artist": artist, "date": date, "source": source}
    model, card = install_style(run, name, paintings, Stylizer(), **facts, overwrite=overwrite)
    terminal.note(f"added the model {model.identity} and the style {card.name}")
    click.echo(card.name)


@train.command(short_help="Make a model folder of a training run.")
@click.option("--run", required=True, type=click.Path(exists=True, file_okay=False, path_type=Path), help=_HELP["run"])
@click.option("--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="Folder to write.")
@click.option("--photos", type=click.Path(exists=True, path_type=Path), help="Photographs to calibrate strength with.")
@click.option("--styles", type=click.Path(exists=True, path_type=Path), help="Paintings to calibrate strength with.")
@click.option(
    "--encoder",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Encoder that calibrates strength: VGG-19 as .npz, or another pocket as .safetensors.  [default pocket]",
)
def export(run: Path, out: Path, photos: Path | None, styles: Path | None, encoder: Path | None) -> None:
    """Make a model folder, the network's files and their manifest, of a training run.

    With --photos and --styles, the steps of an instant network's strength are measured and made even.
    """
    if not any((run / file).is_file() for file in ("checkpoint.pt", "average.pt")):
        raise click.UsageError(f"{run} holds no checkpoint.pt; give the --run folder of a training")
    try:
        from impasto.models import Model
        from impasto.training.export import export as write
        from impasto.training.strength_curve import calibrate
    except ImportError as error:
        raise MissingExtra("exporting a network", "train") from error
    write(run, out)
    if photos and styles and Model.read(out).kind == "arbitrary":
        calibrate(out, photos, styles, encoder)
    click.echo(click.format_filename(out))


def _train_and_say(steps: Iterator[Step], *, run: Path, minutes: float, **_: Any) -> None:
    _advance(steps, run, minutes)
    terminal.note(f"trained; make a model of it with: impasto train export --run {run} --out FOLDER")


def _advance(steps: Iterator[Step], run: Path, minutes: float) -> None:
    number = 0
    try:
        for step in _show_progress(steps, minutes):
            number = step.number
    except KeyboardInterrupt:
        terminal.note(f"stopped at step {number}; the same command goes on from the last checkpoint in {run}")
        raise click.exceptions.Exit(130) from None


def _plan(command: str) -> type:
    try:
        if command == "pocket":
            from impasto.training.pocket import PocketPlan

            return PocketPlan
        if command == "style":
            from impasto.training.per_style import StylePlan

            return StylePlan
        from impasto.training.instant import Plan
    except ImportError as error:
        raise MissingExtra("training", "train") from error
    return Plan


def _plan_options(plan: type) -> list[click.Parameter]:
    kinds = get_type_hints(plan)
    # Several pictures are arguments, not an option.
    fields = [field for field in dataclasses.fields(plan) if kinds[field.name] != tuple[Path, ...]]
    return [_option(field, kinds[field.name]) for field in fields]


def _option(field: dataclasses.Field[Any], kind: Any) -> click.Option:
    from impasto.training.plan_limits import BOUNDS

    required = field.default is dataclasses.MISSING
    type: Any = kind
    if field.name in BOUNDS:
        type = Value(BOUNDS[field.name])
    elif kind in (Path, Path | None):
        type = click.Path(exists=field.name != "run", file_okay=field.name != "run", path_type=Path)
    elif kind == Path | str | None:
        type = click.STRING  # a model's name, or a file
    elif kind == tuple[int, ...]:
        type = Sizes()
    default = None if required else field.default
    text = _HELP.get(field.name, "")
    if isinstance(default, tuple):
        text += f"  [default {','.join(map(str, default))}]"
    elif default is not None:
        text += f"  [default {default:g}]"
    if required:
        return click.Option([f"--{field.name.replace('_', '-')}"], type=type, required=True, help=text)
    return click.Option([f"--{field.name.replace('_', '-')}"], type=type, default=default, help=text)


def _show_progress(steps: Iterator[Step], minutes: float) -> Iterator[Step]:
    """Pass the steps on, and draw them: a bar with the losses on a terminal, else a line now and then."""
    if not terminal.is_terminal("stderr"):
        told = 0.0
        for step in steps:
            if time.monotonic() - told > 10 or step.done >= 1:
                told = time.monotonic()
                terminal.note(f"step {step.number}, {step.minutes:.1f} of {minutes:g} minutes: {_losses(step)}")
            yield step
        return
    from rich.progress import BarColumn, Progress, TextColumn

    columns = (
        TextColumn("step {task.fields[number]}"),
        BarColumn(16),
        TextColumn("{task.fields[spent]:.1f} of {task.total:g} min"),
        TextColumn("{task.fields[losses]}", style="dim"),
    )
    with Progress(*columns, console=terminal.console("stderr")) as bar:
        row = bar.add_task("", total=minutes, number=0, spent=0.0, losses="")
        for step in steps:
            bar.update(row, completed=step.minutes, number=step.number, spent=step.minutes, losses=_losses(step))
            yield step


def _losses(step: Step) -> str:
    return "  ".join(
        f"{name} {step.losses[name]:.3f}"
        for name in ("loss", "style", "content", "self", "activations")
        if name in step.losses
    )
