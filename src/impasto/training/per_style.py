"""Train a network for one style, in minutes.

It starts as ``base`` painting in that style, or as a network of that style, and learns on what coarse to fine gives it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from impasto.errors import RequestError
from impasto.models import Model
from impasto.picture.scaling import LONGEST_STYLE, fit_style
from impasto.training.architecture.network import Shape, StyleNetwork, grow_network
from impasto.training.contact_sheet import write_sheet
from impasto.training.cuda_graph import RecordedLearner
from impasto.training.data.dataset import read_picture, training_files, vary_colors
from impasto.training.data.device_dataset import DeviceCropDataset, fixed_crops, picture_bytes
from impasto.training.data.network_input import coarse_to_fine
from impasto.training.loss import StyleCriterion, grid_losses, mean_features, repetition_loss, shift_loss, weighted_sum
from impasto.training.plan_limits import check_plan, check_sides
from impasto.training.pretrained import read_base, read_instant, read_style
from impasto.training.trainer import (
    Step,
    crop_side,
    load_optimiser,
    load_state,
    make_adam,
    optimise_step,
    read_checkpoint,
    run_training,
    training_device,
    training_dtype,
    update_average,
    write_checkpoint,
    write_portable,
)

__all__ = ["StyleLearner", "StylePlan", "load_style", "train_style"]

_SIDE = 512
"""Short side at which paintings are looked at, as the engine ``instant`` does."""
_LARGEST = 1280
"""Short side of the largest photograph that a crop is cut of; large photographs are flat at their pixels."""
_MOST = 300
"""Photographs that are read: more would take memory and teach no more in minutes."""
_PROBES = 24
"""Crops on which the engine's own drawing is measured."""
_EASING = 0.02
_WARMING = 20
_BOUNDS = (0.2, 6.0)
"""Between which the weight of the drawing is moved."""


@dataclass(frozen=True)
class StylePlan:
    """Which style, what to learn it on, for how long, and with which weights.

    Raises :class:`RequestError` for a number out of bounds, and where there is no painting.
    """

    paintings: tuple[Path, ...]
    """Pictures that show the style, one or several."""
    photos: Path
    run: Path
    encoder: Path | str | None = None
    """Whose features make the losses: a file, or a model's name; by default ``pocket``."""
    minutes: float = 20.0
    sizes: tuple[int, ...] = (256,)
    """Crop sides in pixels, multiples of 16, each for an equal share of the time."""
    pictures: int = 2
    """Photographs in a step."""
    learning_rate: float = 2e-3
    style_weight: float = 8.0
    gram_weight: float = 5.0
    light_weight: float = 2.0
    """How much it counts that what is drawn keeps its light; that faces do the engines see to."""
    grid_weight: float = 1000.0
    lattice_weight: float = 1000.0
    stamp_weight: float = 3.0
    """How much it counts that strokes in flat places do not repeat every 8 pixels."""
    shift_weight: float = 0.0
    """How much it counts that strokes move with the photograph, for films; above 0 a step takes a third longer."""
    drawing: float = 1.0
    """How far the drawing may go from the photograph's, where 1 is as far as what is started from goes: the engine
    ``instant``, or the network of ``start``."""
    style_scale: float = 1.0
    """How large the painting is looked at: larger makes larger strokes."""
    seed: int = 0
    save_every: float = 30.0
    """Seconds between checkpoints and sample sheets."""
    base: Path | None = None
    """Folder of the model to start from; by default the one that ships."""
    codes: Path | None = None
    """Folder of the model whose codes the base knows; by default ``instant`` that ships."""
    start: Path | None = None
    """Folder of a network of this very style to start from, instead of the base."""
    deep: int = 0
    """Channels of a level at a sixteenth of the size that the network grows: longer strokes for a little time."""

    def __post_init__(self) -> None:
        check_plan(self)
        if not self.paintings:
            raise RequestError("paintings is empty; give at least one picture that shows the style")


class StyleLearner(RecordedLearner[StylePlan]):
    """Network, its weight average, optimiser and data of one run folder.

    ``photos`` are those to learn on, and ``criterion`` has the plan's encoder, where they are there already, for
    several learners.
    """

    warming, follows = 20, 100

    def __init__(
        self, plan: StylePlan, photos: DeviceCropDataset | None = None, criterion: StyleCriterion | None = None
    ) -> None:
        super().__init__(plan)
        self.device = training_device()
        torch.manual_seed(plan.seed)
        self.precision = training_dtype(self.device)
        self.criterion = criterion or StyleCriterion.through(plan.encoder, self.device)
        instant = read_instant(None if plan.codes is None else Model.read(plan.codes)).to(self.device)
        paintings = [self._painting(file) for file in plan.paintings]
        with torch.no_grad():
            code = torch.stack([instant.encoder(painting) for painting in paintings]).mean(0)
        self.goal = mean_features([self.criterion.features(painting) for painting in paintings])
        network, self.shape = self._start(code)
        check_sides("sizes", plan.sizes, 2 * self.shape.multiple)
        self.network = network.to(self.device)
        self.network = self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = StyleNetwork(self.shape).to(self.device).requires_grad_(False)
        self.average.load_state_dict(self.network.state_dict())
        self.optimiser = make_adam(self.network, plan.learning_rate, self.device)
        self.random = np.random.default_rng(plan.seed)
        self.noise = torch.Generator(self.device).manual_seed(plan.seed)
        files = training_files(plan.photos)
        if len(files) > _MOST:
            files = [files[i] for i in np.linspace(0, len(files) - 1, _MOST).astype(int)]
        self.photos = photos or DeviceCropDataset.read(files, self.device, plan.seed, 512)
        self.samples = self._samples(files)
        self.sample_painting = paintings[0]
        self.weight, self.target = torch.ones((), device=self.device), 0.0
        self.record(self.device, self.noise, self.optimiser)
        if self.checkpoint.is_file() or self.portable.is_file():
            self._resume()
        if not self.target:
            today = self.average if plan.start else partial(instant.transfer, code=code)
            self.target = plan.drawing * self._drawing(lambda photo: today(photo)[0])

    @property
    def content_weight(self) -> float:
        """What the drawing weighs: moved after every step, so that it goes as far as it may."""
        return float(self.weight)

    def batch(self) -> tuple[Tensor, ...]:
        """A few photographs."""
        return (self._batch(self.plan.pictures, crop_side(self.plan.sizes, self.done)),)

    def batch_step(self, *batch: Tensor) -> dict[str, Tensor]:
        """Learn to paint photographs, some of them painted over a coarser pastiche."""
        plan, (photos,) = self.plan, batch
        look = self.criterion.features(photos)
        with torch.autocast(self.device.type, torch.bfloat16, self.precision == torch.bfloat16):
            prepared = coarse_to_fine(photos, lambda small, _: self.average(small)[0], self.noise)
            painted, _ = self.network(prepared)
            steady = {}
            if plan.shift_weight:
                steady["shift"] = shift_loss(lambda x: self.network(x)[0].float(), prepared, painted.float())
        painted = painted.float()
        terms = self.criterion.compare(painted, look, self.goal) | grid_losses(painted) | steady
        terms["stamp"] = repetition_loss(painted, look.contrast)
        weights: dict[str, float | Tensor] = {
            "content": self.weight,
            "style": plan.style_weight,
            "gram": plan.gram_weight,
            "light": plan.light_weight,
            "stamp": plan.stamp_weight,
            "shift": plan.shift_weight,
            "grid": plan.grid_weight,
            "lattice": plan.lattice_weight,
        }
        losses = optimise_step(self.optimiser, self.network, terms, weighted_sum(terms, weights))
        update_average(self.average, self.network, self.share)
        with torch.no_grad():
            # Too far from the drawing: it counts for more from now on; nearer than need be: for less.
            off = (terms["content"].detach() / self.target - 1).clamp_max(1.0)
            self.weight.mul_((_EASING * off).exp()).clamp_(*_BOUNDS)
        size = self.weight.new_full((), photos.shape[-1])
        target = self.weight.new_full((), self.target)
        return {**losses, "target": target, "content_weight": self.weight.clone(), "size": size}

    def save(self) -> None:
        """Write a checkpoint to continue from, the weights alone, and a sheet of samples to look at."""
        self.recorder.wait()
        state = {
            "style": self.shape.to_dict(),
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "content_weight": self.content_weight,
            "target": self.target,
            "number": self.number,
            "minutes": self.minutes,
        }
        write_checkpoint(self.checkpoint, state)
        write_portable(self.portable, "style", self.shape.to_dict(), self.average, self.number, self.minutes)
        self.draw()

    def close(self) -> None:
        """Keep what was learnt, also when training is stopped half-way."""
        self.save()

    @torch.no_grad()
    def draw(self) -> None:
        """Write ``samples-NNNNNN.jpg``, and the same as ``sample.jpg``: photographs above, their pastiches below."""
        self.plan.run.mkdir(parents=True, exist_ok=True)
        painted, _ = self.average(self.samples)
        rows = [list(self.samples), list(painted)]
        write_sheet(rows, self.plan.run / f"samples-{self.number:06d}.jpg", self.plan.run / "sample.jpg")

    def _painting(self, file: Path) -> Tensor:
        """``(1, 3, H, W)`` in 0..1, scaled as the engine ``instant`` scales a style."""
        picture = read_picture(file, LONGEST_STYLE)
        size = fit_style(picture.size, _SIDE * self.plan.style_scale)
        return picture_bytes(picture.resize(size)).to(self.device)[None].float() / 255

    def _batch(self, count: int, size: int) -> Tensor:
        photos = self.photos.batch(count, size, int(size * 1.1), _LARGEST)
        return vary_colors(photos, self.random, share=0.1)

    @torch.no_grad()
    def _drawing(self, paint: Callable[[Tensor], Tensor]) -> float:
        """How far ``paint`` goes from a photograph's drawing in this style, coarse to fine and at once."""
        found = []
        count = max(2, self.plan.pictures)
        for _ in range(-(-_PROBES // count)):
            photos = self._batch(count, self.plan.sizes[-1])
            painted = paint(coarse_to_fine(photos, lambda small, _: paint(small), self.noise))
            found.append(self.criterion.compare(painted, self.criterion.features(photos), self.goal)["content"])
        return max(0.01, float(torch.stack(found).mean()))

    def _samples(self, files: list[Path]) -> Tensor:
        """The same few photographs for every sheet."""
        return fixed_crops(files, 4, self.device, 320, 352)

    def _start(self, code: Tensor) -> tuple[StyleNetwork, Shape]:
        """What is learnt on from: the network of ``plan.start``, or the base at this ``code``; with its depth."""
        plan = self.plan
        if plan.start is None:
            base, shape = read_base(None if plan.base is None else Model.read(plan.base))
            network = StyleNetwork.folded(base.to(self.device), shape, code).cpu()
        else:
            network, shape = read_style(Model.read(plan.start))
        larger = replace(shape, deep=plan.deep or shape.deep)
        result = StyleNetwork(larger)
        grow_network(network, result)
        return result, larger

    def _resume(self) -> None:
        whole = self.checkpoint.is_file()
        file = self.checkpoint if whole else self.portable
        state = read_checkpoint(file, self.device)
        self.average.load_state_dict(state["average"])
        self.network.load_state_dict(state["network" if whole else "average"])
        if whole:
            load_optimiser(self.optimiser, state["optimiser"])
            self.target = state["target"]
            self.weight.fill_(state["content_weight"])
        self.number, self.minutes = state["number"], state["minutes"]
        seed = self.plan.seed + self.number
        self.random = np.random.default_rng(seed)
        self.noise.manual_seed(seed)
        self.photos.reseed(seed)


def train_style(plan: StylePlan, clock: Callable[[], float] = time.monotonic) -> Generator[Step, None, None]:
    """Train until ``plan.minutes`` are spent, over however many runs; yields after every step.

    Continues from ``plan.run/checkpoint.pt`` where there is one. Losses go to ``log.jsonl``, what the network
    paints to ``sample.jpg`` in the same folder, from the start and again and again. Raises :class:`RequestError`
    for a folder without photographs, and :class:`ModelError` where a model is missing.
    """
    learner = StyleLearner(plan)
    learner.draw()
    yield from run_training(learner, clock)


def load_style(run: Path) -> tuple[StyleNetwork, Shape]:
    """The averaged network of a run folder and its shape, for export."""
    state = load_state(run)
    shape = Shape.from_dict(state["style"])
    network = StyleNetwork(shape)
    network.load_state_dict(state["average"])
    return network.eval(), shape
