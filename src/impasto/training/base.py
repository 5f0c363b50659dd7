"""Train ``base``, the network that the training of a style starts from: narrow, driven by ``instant``'s codes."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from impasto.models import Model
from impasto.training.architecture.network import Shape, TransferNetwork, grow_network
from impasto.training.contact_sheet import write_sheet
from impasto.training.cuda_graph import RecordedLearner
from impasto.training.data.dataset import training_files, vary_colors
from impasto.training.data.device_dataset import DeviceCropDataset, fixed_crops, read_datasets
from impasto.training.data.network_input import coarse_to_fine
from impasto.training.loss import StyleCriterion, grid_losses, repetition_loss, weighted_sum
from impasto.training.plan_limits import check_plan, check_sides
from impasto.training.pretrained import read_base, read_instant
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

__all__ = ["NARROW", "BasePlan", "load_base", "train_base"]

NARROW = Shape(widths=(24, 48, 72), blocks=4)
"""A third of ``instant``'s weights, beside the heads, which one style needs no more."""

_LARGEST_PHOTO, _LARGEST_STYLE = 1280, 640
"""Short side of the largest picture that a crop is cut of; large photographs are flat at their pixels."""


@dataclass(frozen=True)
class BasePlan:
    """What to learn on, for how long, and with which weights.

    Raises :class:`RequestError` for a number out of bounds.
    """

    photos: Path
    styles: Path
    run: Path
    encoder: Path | None = None
    """Whose features make the losses: VGG19 (``.npz``), or pocket (``.safetensors``, by default the one that ships)."""
    minutes: float = 60.0
    sizes: tuple[int, ...] = (160, 192, 256)
    """Crop sides, multiples of 16, each for an equal share of the time; styles are shown half as large again."""
    photos_per_step: int = 2
    styles_per_step: int = 4
    learning_rate: float = 1.5e-3
    style_weight: float = 6.0
    gram_weight: float = 1.9
    light_weight: float = 2.0
    grid_weight: float = 1000.0
    lattice_weight: float = 300.0
    stamp_weight: float = 3.0
    """How much it counts that strokes in flat places do not repeat every 8 pixels."""
    textures: int = 28
    """How many textures made by code join the paintings."""
    seed: int = 0
    save_every: float = 60.0
    codes: Path | None = None
    """Folder of the model whose codes drive the network; by default ``instant`` that ships."""
    start: Path | None = None
    """Folder of a base to go on from, of the same widths and blocks."""

    def __post_init__(self) -> None:
        check_plan(self)


class BaseLearner(RecordedLearner[BasePlan]):
    """Network, its weight average, optimiser and data of one run folder. The codes are those of ``instant``.

    ``datasets`` are photographs and styles where they are read already.
    """

    def __init__(
        self, plan: BasePlan, shape: Shape = NARROW, datasets: tuple[DeviceCropDataset, DeviceCropDataset] | None = None
    ) -> None:
        super().__init__(plan)
        check_sides("sizes", plan.sizes, 2 * shape.multiple)
        self.device, self.shape = training_device(), shape
        torch.manual_seed(plan.seed)
        self.network = TransferNetwork(shape).to(self.device)
        if plan.start is not None:
            grow_network(read_base(Model.read(plan.start))[0], self.network)
        self.network = self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = TransferNetwork(shape).to(self.device).requires_grad_(False)
        self.average.load_state_dict(self.network.state_dict())
        self.optimiser = make_adam(self.network, plan.learning_rate, self.device)
        self.reader = read_instant(None if plan.codes is None else Model.read(plan.codes)).encoder.to(self.device)
        self.precision = training_dtype(self.device)
        self.criterion = StyleCriterion.through(plan.encoder, self.device)
        if self.checkpoint.is_file() or self.portable.is_file():
            self._resume()
        seed = plan.seed + self.number
        self.random = np.random.default_rng(seed)
        self.noise = torch.Generator(self.device).manual_seed(seed)
        self.photos, self.styles = datasets or read_datasets(plan.photos, plan.styles, self.device, plan.textures, seed)
        self.samples = self._samples()
        self.record(self.device, self.noise, self.optimiser)

    def batch(self) -> tuple[Tensor, ...]:
        """A few photographs and a few styles."""
        return self._batch(crop_side(self.plan.sizes, self.done))

    def batch_step(self, *batch: Tensor) -> dict[str, Tensor]:
        """Learn from every pair of a photograph and a style, half of them painted over a coarser pastiche."""
        plan, (photos, styles) = self.plan, batch
        with torch.no_grad():
            codes = self.reader(styles)
        photo_look = self.criterion.features(photos).repeat_interleave(len(styles))
        style_look = self.criterion.features(styles).repeat(len(photos))
        contents, codes = photos.repeat_interleave(len(styles), 0), codes.repeat(len(photos), 1)
        with torch.autocast(self.device.type, torch.bfloat16, self.precision == torch.bfloat16):
            contents = coarse_to_fine(contents, lambda x, some: self.average(x, codes[some])[0], self.noise)
            painted, _ = self.network(contents, codes)
        painted = painted.float()
        terms = self.criterion.compare(painted, photo_look, style_look) | grid_losses(painted)
        terms["stamp"] = repetition_loss(painted, photo_look.contrast)
        weights: dict[str, float | Tensor] = {
            "style": plan.style_weight,
            "gram": plan.gram_weight,
            "light": plan.light_weight,
            "grid": plan.grid_weight,
            "lattice": plan.lattice_weight,
            "stamp": plan.stamp_weight,
        }
        losses = optimise_step(self.optimiser, self.network, terms, weighted_sum(terms, weights))
        update_average(self.average, self.network, self.share)
        return {**losses, "size": self.share.new_full((), photos.shape[-1])}

    @torch.no_grad()
    def save(self) -> None:
        """Write a checkpoint to continue from, the weights alone, and a sheet of samples to look at."""
        self.recorder.wait()
        state = {
            "base": self.shape.to_dict(),
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "number": self.number,
            "minutes": self.minutes,
        }
        write_checkpoint(self.checkpoint, state)
        write_portable(self.portable, "base", self.shape.to_dict(), self.average, self.number, self.minutes)
        photos, styles = self.samples
        codes = self.reader(styles)
        rows = [[torch.ones_like(photos[0]), *styles]]
        for photo in photos:
            painted, _ = self.average(photo[None].expand(len(codes), -1, -1, -1), codes)
            rows.append([photo, *painted])
        write_sheet(rows, self.plan.run / f"samples-{self.number:06d}.jpg", self.plan.run / "sample.jpg")

    def close(self) -> None:
        """Keep what was learnt, also when training is stopped half-way."""
        self.save()

    def _batch(self, size: int) -> tuple[Tensor, Tensor]:
        plan, large = self.plan, round(size * 1.5 / 16) * 16
        photos = self.photos.batch(plan.photos_per_step, size, int(size * 1.1), _LARGEST_PHOTO)
        styles = self.styles.batch(plan.styles_per_step, large, int(large * 1.1), _LARGEST_STYLE)
        styles = vary_colors(styles, self.random)
        # Now and then a photograph serves as a style, so that palettes of photographs work too.
        if self.random.random() < 0.15:
            styles[0] = self.photos.batch(1, large, large, _LARGEST_PHOTO)[0]
        return vary_colors(photos, self.random, share=0.15), styles

    def _samples(self) -> tuple[Tensor, Tensor]:
        """The same few pictures for every sheet."""
        photos = fixed_crops(training_files(self.plan.photos), 5, self.device, 256, 320)
        return photos, fixed_crops(training_files(self.plan.styles), 7, self.device, 256, 384)

    def _resume(self) -> None:
        whole = self.checkpoint.is_file()
        state = read_checkpoint(self.checkpoint if whole else self.portable, self.device)
        self.average.load_state_dict(state["average"])
        self.network.load_state_dict(state["network" if whole else "average"])
        if whole:
            load_optimiser(self.optimiser, state["optimiser"])
        self.number, self.minutes = state["number"], state["minutes"]


def train_base(plan: BasePlan, shape: Shape = NARROW) -> Generator[Step, None, None]:
    """Train until ``plan.minutes`` are spent, over however many runs; yields after every step."""
    yield from run_training(BaseLearner(plan, shape))


def load_base(run: Path) -> tuple[TransferNetwork, Shape]:
    """The averaged network of a run folder and its shape, for export."""
    state = load_state(run)
    shape = Shape.from_dict(state["base"])
    network = TransferNetwork(shape)
    network.load_state_dict(state["average"])
    return network.eval(), shape
