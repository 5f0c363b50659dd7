"""``impasto train``: needs torch, which is imported when a training is started and not before."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_type_hints

import click

from impasto.cli import terminal
from impasto.errors import MissingExtra

if TYPE_CHECKING:
    from collections.abc import Iterator

    from impasto.training.instant import Step

__all__ = ["train"]

_HELP = {
    "photos": "Folder of photographs.",
    "styles": "Folder of paintings.",
    "vgg19": "Weights of VGG-19, whose features make the losses.",
    "run": "Folder of this run: checkpoint, log and samples. A run that is there is continued.",
    "minutes": "How long to train, over all runs together.",
    "sizes": "Crop sides in pixels, each for an equal share of the time.",
    "photos_per_step": "Photographs in a step.",
    "styles_per_step": "Paintings in a step; every photograph meets every one.",
    "learning_rate": "Largest learning rate.",
    "style_weight": "Weight of the style loss.",
    "gram_weight": "Weight of the Gram matrices' distance.",
    "grid_weight": "Weight against checkerboards.",
    "self_weight": "Weight of giving a photograph back in its own style.",
    "seed": "Random seed.",
    "save_every": "Seconds between checkpoints.",
}


class Sizes(click.ParamType):  # type: ignore[type-arg]
    """Whole numbers with commas between them."""

    name = "sizes"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str):
            return value
        parts = [part.strip() for part in value.split(",")]
        if not all(part.isdecimal() and int(part) >= 16 for part in parts):
            self.fail(f"{value!r} is no list of sizes; give pixels of 16 or more, as 128,192,256", param, ctx)
        return tuple(int(part) for part in parts)


class Planned(click.Command):
    """A command whose options are the fields of ``Plan``, read from it when the command is called."""

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        return [*_derived(), *super().get_params(ctx)]


@click.group(short_help="Train the network; needs impasto[train].")
def train() -> None:
    """Train the network, and make a model of what was trained.

    \b
    impasto train instant --photos photos/ --styles paintings/ --vgg19 vgg19.npz --run run/
    impasto train export --run run/ --out model/
    """


@train.command(cls=Planned, short_help="Train the instant engine's network.")
def instant(**fields: Any) -> None:
    """Train the instant engine's network. Ctrl-C stops; the same command goes on from the last checkpoint."""
    from impasto.training.instant import Plan
    from impasto.training.instant import train as steps

    plan = Plan(**fields)
    number = 0
    try:
        for step in _watched(steps(plan), plan.minutes):
            number = step.number
    except KeyboardInterrupt:
        terminal.note(f"stopped at step {number}; the same command goes on from the last checkpoint in {plan.run}")
        raise click.exceptions.Exit(130) from None
    terminal.note(f"trained; make a model of it with: impasto train export --run {plan.run} --out FOLDER")


@train.command(short_help="Make a model folder of a training run.")
@click.option("--run", required=True, type=click.Path(exists=True, file_okay=False, path_type=Path), help=_HELP["run"])
@click.option("--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="Folder to write.")
@click.option("--photos", type=click.Path(exists=True, path_type=Path), help="Photographs to even the strength on.")
@click.option("--styles", type=click.Path(exists=True, path_type=Path), help="Paintings to even the strength on.")
@click.option("--vgg19", type=click.Path(exists=True, path_type=Path), help=_HELP["vgg19"])
def export(run: Path, out: Path, photos: Path | None, styles: Path | None, vgg19: Path | None) -> None:
    """Make a model folder, ONNX files and their manifest, of a training run.

    With --photos, --styles and --vgg19, the steps of strength are measured and made even.
    """
    if not (run / "checkpoint.pt").is_file():
        raise click.UsageError(f"{run} holds no checkpoint.pt; give the --run folder of `impasto train instant`")
    try:
        from impasto.training.export import export as write
        from impasto.training.strength import calibrate
    except ImportError as error:
        raise MissingExtra("exporting a network", "train") from error
    write(run, out)
    if photos and styles and vgg19:
        calibrate(out, photos, styles, vgg19)
    click.echo(click.format_filename(out))


def _derived() -> list[click.Parameter]:
    try:
        from impasto.training.instant import Plan
    except ImportError as error:
        raise MissingExtra("training", "train") from error
    kinds = get_type_hints(Plan)
    return [_option(field, kinds[field.name]) for field in dataclasses.fields(Plan)]


def _option(field: dataclasses.Field[Any], kind: Any) -> click.Option:
    required = field.default is dataclasses.MISSING
    type: Any = kind
    if kind is Path:
        type = click.Path(exists=field.name != "run", path_type=Path)
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


def _watched(steps: Iterator[Step], minutes: float) -> Iterator[Step]:
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
        f"{name} {step.losses[name]:.3f}" for name in ("loss", "style", "content", "self") if name in step.losses
    )
