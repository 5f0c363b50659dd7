"""Recipe: the networks that ship, trained again within the minutes that a graphics card is to be had.

One pass: ``instant`` grown from the one that ships, then ``base`` driven by its codes, then own networks of many
styles, side by side. Pictures are read once and stay in the card's memory. Whatever is there when the time is up is a
model: every stage ends in time for the next.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from impasto.models import Model, find
from impasto.models.store import shipped
from impasto.training.architecture.shape import Shape
from impasto.training.base import BaseLearner, BasePlan
from impasto.training.data.dataset import training_files
from impasto.training.data.device_dataset import DeviceCropDataset, read_datasets
from impasto.training.export import export
from impasto.training.instant import Plan, Trainer
from impasto.training.loss import StyleCriterion
from impasto.training.per_style import StyleLearner, StylePlan
from impasto.training.plan_limits import check_plan
from impasto.training.pretrained import read_base, read_instant
from impasto.training.trainer import Learner, Step, run_training, training_device

__all__ = ["STAGES", "Recipe", "Report", "Style", "train_recipe"]

STAGES = {"instant": 0.45, "base": 0.15, "styles": 0.4}
"""The stages in their order, and the share of the time that each gets where all are asked for."""


@dataclass(frozen=True)
class Style:
    """One style to be learnt: its painting, and what the manifest says of it."""

    painting: Path
    source: str = ""


@dataclass(frozen=True)
class Recipe:
    """What to train, of what, and for how long.

    ``out`` gets model folders, and per stage the averaged weights in half precision with log and samples: a few
    megabytes each. ``runs`` holds the whole state, optimisers and all, and may be thrown away: what is in ``out`` is
    gone on from as well, with new optimisers. Raises :class:`RequestError` for a number out of bounds.
    """

    photos: Path
    paintings: Path
    out: Path
    runs: Path
    styles: Mapping[str, Style] = field(default_factory=dict)
    """By name, in the order in which they are learnt."""
    encoder: Path | None = None
    minutes: float = 10.0
    stages: Sequence[str] = tuple(STAGES)
    lanes: int = 6
    """Own networks that learn at the same time."""
    version: str = "2"
    rank: int = 24
    """See :class:`Shape`; of ``instant`` and ``base``, where what ships has none."""
    deep: int = 0
    """Channels of the deepest level of all networks; above 0 large pictures, which are painted in tiles, take twice the
    time."""
    pairs: int = 6
    """Photographs in a step, and styles, of ``instant`` and ``base``: each meets each."""
    pictures: int = 8
    """Photographs in a step of an own network."""
    sizes: tuple[int, ...] = (192, 256)
    own_sizes: tuple[int, ...] = (256, 384)
    drawing: float = 0.94
    """See :class:`StylePlan`; for own networks."""
    shift_weight: float = 0.0
    """See :class:`StylePlan`; for own networks."""
    keep_codes: bool = False
    """See :class:`Plan`; of ``instant``."""
    learning_rate: float = 1e-3
    """Of ``instant``, at its highest."""
    textures: int = 28
    spare: float = 20.0
    """Seconds at the end that are left for writing models."""
    clock: Callable[[], float] = time.monotonic
    """What the minutes are made of, in seconds; ``time.process_time`` on a processor that does other work too."""

    def __post_init__(self) -> None:
        check_plan(self)


@dataclass(frozen=True)
class Report:
    """A step of one network, or the folder that became a model (``model``)."""

    name: str
    step: Step | None = None
    model: Path | None = None


def train_recipe(recipe: Recipe) -> Generator[Report, None, None]:
    """Train stage after stage until the minutes are spent, going on from what ``runs`` or ``out`` hold.

    Raises ``ValueError`` for an unknown stage, and :class:`RequestError` for a folder without pictures.
    """
    if unknown := set(recipe.stages) - set(STAGES):
        raise ValueError(f"there is no stage {', '.join(sorted(unknown))}; the stages are {', '.join(STAGES)}")
    end = recipe.clock() + recipe.minutes * 60 - recipe.spare
    stages = [stage for stage in STAGES if stage in recipe.stages]
    if stages == ["styles"]:  # every other painting would be read for nothing
        photos = DeviceCropDataset.read(training_files(recipe.photos), training_device(), 0, 512)
        datasets = photos, photos
    else:
        datasets = read_datasets(recipe.photos, recipe.paintings, training_device(), recipe.textures, 0)
    for i, stage in enumerate(stages):
        share = STAGES[stage] / sum(STAGES[later] for later in stages[i:])
        until = recipe.clock() + max(0.0, end - recipe.clock()) * share
        if stage == "styles":
            yield from _styles(recipe, datasets[0], until)
        else:
            yield from _train_stage(recipe, stage, datasets, until)


def _train_stage(
    recipe: Recipe, stage: str, datasets: tuple[DeviceCropDataset, DeviceCropDataset], until: float
) -> Iterator[Report]:
    learner = _instant(recipe, datasets) if stage == "instant" else _base(recipe, datasets)
    for step in _train_until(recipe, learner, until):
        yield Report(stage, step)
    yield _save_results(recipe, stage)


def _styles(recipe: Recipe, photos: DeviceCropDataset, until: float) -> Iterator[Report]:
    """So many at a time: each waits for its own kernels only, and together they fill the card."""
    names = list(recipe.styles)
    criterion = StyleCriterion.through(recipe.encoder, training_device())
    waves = [names[i : i + recipe.lanes] for i in range(0, len(names), recipe.lanes)]
    for i, wave in enumerate(waves):
        goal = recipe.clock() + max(0.0, until - recipe.clock()) / (len(waves) - i)
        learners = {name: _style(recipe, name, photos, criterion) for name in wave}
        running = {name: _train_until(recipe, learner, goal) for name, learner in learners.items()}
        while running:
            for name in list(running):
                step = next(running[name], None)
                if step is None:
                    del running[name]
                else:
                    yield Report(name, step)
        for name in wave:
            yield _save_results(recipe, name)
        del learners
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def _train_until(recipe: Recipe, learner: Learner[Any], until: float) -> Iterator[Step]:
    """Train until then. What was learnt before counts: the rate goes on falling from where it was."""
    minutes = learner.minutes + max(1e-3, (until - recipe.clock()) / 60)
    learner.plan = replace(learner.plan, minutes=minutes)
    return run_training(learner, recipe.clock)


def _instant(recipe: Recipe, datasets: tuple[DeviceCropDataset, DeviceCropDataset]) -> Trainer:
    start = find("instant", kind="arbitrary")
    shape = _grown_shape(recipe, read_instant(start).shape)
    plan = Plan(
        recipe.photos,
        recipe.paintings,
        _run(recipe, "instant"),
        recipe.encoder,
        sizes=recipe.sizes,
        photos_per_step=recipe.pairs,
        styles_per_step=recipe.pairs,
        start=start.path,
        save_every=60.0,
        keep_codes=recipe.keep_codes,
        learning_rate=recipe.learning_rate,
    )
    return Trainer(plan, shape, datasets)


def _grown_shape(recipe: Recipe, shape: Shape) -> Shape:
    """What ``shape`` becomes: a rank that is there stays, for its matrices have that size."""
    return replace(shape, deep=recipe.deep or shape.deep, rank=shape.rank or recipe.rank, reader="pocket")


def _base(recipe: Recipe, datasets: tuple[DeviceCropDataset, DeviceCropDataset]) -> BaseLearner:
    start = find("base", kind="base")
    plan = BasePlan(
        recipe.photos,
        recipe.paintings,
        _run(recipe, "base"),
        recipe.encoder,
        sizes=recipe.sizes,
        photos_per_step=recipe.pairs,
        styles_per_step=recipe.pairs,
        codes=_find_trained(recipe, "instant"),
        start=start.path,
    )
    return BaseLearner(plan, replace(_grown_shape(recipe, read_base(start)[1]), reader="own"), datasets)


def _style(recipe: Recipe, name: str, photos: DeviceCropDataset, criterion: StyleCriterion) -> StyleLearner:
    own = [model for model in _shipped() if model.name == name]
    plan = StylePlan(
        (recipe.styles[name].painting,),
        recipe.photos,
        _run(recipe, name),
        recipe.encoder,
        sizes=recipe.own_sizes,
        pictures=recipe.pictures,
        base=_find_trained(recipe, "base"),
        codes=_find_trained(recipe, "instant"),
        start=own[0].path if own else None,
        drawing=recipe.drawing,
        deep=recipe.deep,
        shift_weight=recipe.shift_weight,
        save_every=60.0,
    )
    return StyleLearner(plan, photos, criterion)


def _shipped() -> list[Model]:
    return [model for model in shipped() if model.kind == "per-style" and model.rules.get("form") == "own"]


def _run(recipe: Recipe, name: str) -> Path:
    """The folder of a run; where only the weights are left of it, these are put there to go on from."""
    run, kept = recipe.runs / name, recipe.out / name / "average.pt"
    run.mkdir(parents=True, exist_ok=True)
    if kept.is_file() and not (run / "checkpoint.pt").is_file():
        (run / "average.pt").write_bytes(kept.read_bytes())
    return run


def _find_trained(recipe: Recipe, name: str) -> Path | None:
    """The model that this recipe made, if it did."""
    folder = recipe.out / "models" / name
    return folder if (folder / "manifest.json").is_file() else None


def _save_results(recipe: Recipe, name: str) -> Report:
    """What is kept of a run: the model, the weights, the log and the last samples."""
    run, kept = recipe.runs / name, recipe.out / name
    kept.mkdir(parents=True, exist_ok=True)
    for file in ("average.pt", "log.jsonl", "sample.jpg"):
        if (run / file).is_file():
            (kept / file).write_bytes((run / file).read_bytes())
    source = recipe.styles[name].source if name in recipe.styles else ""
    trained = _find_trained(recipe, "instant")
    codes = Model.read(trained or find("instant", kind="arbitrary").path).identity
    folder = recipe.out / "models" / name
    model = export(run, folder, name=name, version=recipe.version, source=source, codes=codes)
    return Report(name, model=model)
