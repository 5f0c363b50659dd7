"""Train the ``instant`` network: resumable, logged, judged by the figures that ``evaluate`` reports."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from impasto.losses.distances import Moments
from impasto.models import Model
from impasto.training.architecture.network import InstantNetwork, Shape, grow_network
from impasto.training.contact_sheet import sheet
from impasto.training.cuda_graph import RecordedLearner
from impasto.training.data.dataset import training_files, vary_colors
from impasto.training.data.device_dataset import DeviceCropDataset, fixed_crops, read_datasets
from impasto.training.data.network_input import coarse_to_fine
from impasto.training.loss import StyleCriterion, grid_losses, repetition_loss, weighted_sum
from impasto.training.plan_limits import check_plan, check_sides
from impasto.training.pretrained import read_instant
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

__all__ = ["Plan", "Step", "load_network", "train"]


@dataclass(frozen=True)
class Plan:
    """What to train on, for how long, and with which weights.

    Raises :class:`RequestError` for a number out of bounds.
    """

    photos: Path
    styles: Path
    run: Path
    encoder: Path | None = None
    """Whose features make the losses: VGG19 (``.npz``), or pocket (``.safetensors``, by default the one that ships)."""
    minutes: float = 60.0
    sizes: tuple[int, ...] = (128, 192, 256)
    """Crop sides, multiples of 16, each for an equal share of the time."""
    photos_per_step: int = 2
    styles_per_step: int = 4
    learning_rate: float = 1e-3
    style_weight: float = 6.0
    gram_weight: float = 1.9
    light_weight: float = 2.0
    """How much it counts that what is drawn keeps its light; that faces do the engines see to."""
    grid_weight: float = 1000.0
    lattice_weight: float = 300.0
    stamp_weight: float = 3.0
    """How much it counts that strokes in flat places do not repeat every 8 pixels."""
    self_weight: float = 2.0
    """A photograph in its own style must come back unchanged: that gives the strength knob its zero."""
    textures: int = 140
    """How many textures made by code join the paintings; one step in four shows one."""
    seed: int = 0
    save_every: float = 180.0
    """Seconds between checkpoints and sample sheets."""
    start: Path | None = None
    """Folder of a model to grow from, of the same widths and blocks."""
    keep_codes: bool = False
    """The style encoder of ``start`` stays as it is: cards that were made by it keep their meaning."""

    def __post_init__(self) -> None:
        check_plan(self)


_LARGEST_PHOTO, _LARGEST_STYLE = 1280, 900
"""Short side of the largest picture that a crop is cut of; large photographs are flat at their pixels."""


class Trainer(RecordedLearner[Plan]):
    """Network, its weight average, optimiser and data of one run folder.

    ``datasets`` are photographs and styles where they are read already.
    """

    def __init__(
        self,
        plan: Plan,
        shape: Shape | None = None,
        datasets: tuple[DeviceCropDataset, DeviceCropDataset] | None = None,
    ) -> None:
        super().__init__(plan)
        self.device = training_device()
        torch.manual_seed(plan.seed)
        self.network = InstantNetwork(shape)
        if plan.start is not None:
            grow_network(read_instant(Model.read(plan.start)), self.network)
        if plan.keep_codes:
            self.network.encoder.requires_grad_(False)
        check_sides("sizes", plan.sizes, 2 * self.network.shape.multiple)
        self.network = self.network.to(self.device)
        self.network = self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = InstantNetwork(shape).to(self.device)
        self.average.load_state_dict(self.network.state_dict())
        self.average.requires_grad_(False)
        self.precision = training_dtype(self.device)
        self.criterion = StyleCriterion.through(plan.encoder, self.device)
        # Read the style's moments back from its code: a direct target for the encoder, dropped after training.
        width = sum(
            int(f.shape[1]) for f in self.criterion.encoder(torch.zeros(1, 3, 16, 16, device=self.device)).values()
        )
        self.reader = nn.Linear(self.network.shape.code, 2 * width).to(self.device)
        self.pupils = nn.ModuleDict({"network": self.network, "reader": self.reader})
        self.optimiser = make_adam(self.pupils, plan.learning_rate, self.device)
        if self.checkpoint.is_file() or self.portable.is_file():
            self._resume()
        self._saved = self.number
        seed = plan.seed + self.number
        self.random = np.random.default_rng(seed)
        self.noise = torch.Generator(self.device).manual_seed(seed)
        self.photos, self.styles = datasets or read_datasets(
            plan.photos, plan.styles, self.device, plan.textures, seed, 640
        )
        self.sample_inputs = (
            fixed_crops(training_files(plan.photos), 5, self.device, 256, 320),
            fixed_crops(training_files(plan.styles), 5, self.device, 256, 384),
        )
        self.record(self.device, self.noise, self.optimiser)

    def batch(self) -> tuple[Tensor, ...]:
        """A few photographs and a few styles."""
        plan, size = self.plan, crop_side(self.plan.sizes, self.done)
        photos = self.photos.batch(plan.photos_per_step, size, int(size * 1.1), _LARGEST_PHOTO)
        styles = self.styles.batch(plan.styles_per_step, size, int(size * 1.1), _LARGEST_STYLE)
        styles = vary_colors(styles, self.random)
        # Now and then a photograph serves as a style, so that palettes of photographs work too.
        if self.random.random() < 0.15:
            styles[0] = self.photos.batch(1, size, size, 512)[0]
        return photos, styles

    def batch_step(self, *batch: Tensor) -> dict[str, Tensor]:
        """Learn from every pair of a photograph and a style, half of them painted over a coarser pastiche."""
        plan, (photos, styles) = self.plan, batch
        photo_look, style_look = self.criterion.features(photos), self.criterion.features(styles)
        with torch.autocast(self.device.type, torch.bfloat16, self.precision == torch.bfloat16):
            codes = self.network.encoder(torch.cat([styles, photos]))
            style_codes, photo_codes = codes.float().split([len(styles), len(photos)])
            # Every photograph in every style, as coarse to fine would have it; then every photograph in its own.
            pairs, pair_codes = photos.repeat_interleave(len(styles), 0), style_codes.repeat(len(photos), 1)
            pairs = coarse_to_fine(pairs, partial(self._coarser, pair_codes), self.noise)
            painted, _ = self.network.transfer(torch.cat([pairs, photos]), torch.cat([pair_codes, photo_codes]))
        painted = painted.float()
        pastiches, returned = painted.split([len(photos) * len(styles), len(photos)])

        terms = self.criterion.compare(
            pastiches, photo_look.repeat_interleave(len(styles)), style_look.repeat(len(photos))
        ) | grid_losses(painted)
        terms["stamp"] = repetition_loss(pastiches, photo_look.repeat_interleave(len(styles)).contrast)
        terms["self"] = F.l1_loss(returned, photos)
        terms["read"] = F.mse_loss(self.reader(style_codes), _flat(style_look.moments[0]))
        weights: dict[str, float | Tensor] = {
            "style": plan.style_weight,
            "gram": plan.gram_weight,
            "light": plan.light_weight,
            "grid": plan.grid_weight,
            "lattice": plan.lattice_weight,
            "stamp": plan.stamp_weight,
            "self": plan.self_weight,
            "read": 0.1,
        }
        losses = optimise_step(self.optimiser, self.pupils, terms, weighted_sum(terms, weights))
        update_average(self.average, self.network, self.share)
        return {**losses, "size": self.share.new_full((), photos.shape[-1])}

    def save(self) -> None:
        """Write a checkpoint to continue from, the weights alone, and a sheet of samples to look at."""
        self.recorder.wait()
        shape = self.network.shape.to_dict()
        state = {
            "shape": shape,
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "reader": self.reader.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "number": self.number,
            "minutes": self.minutes,
        }
        write_checkpoint(self.checkpoint, state)
        write_portable(self.portable, "shape", shape, self.average, self.number, self.minutes)
        self._saved = self.number
        self.sample_sheet().save(self.plan.run / f"samples-{self.number:06d}.jpg", quality=88)

    def close(self) -> None:
        """Keep what was learnt, also when training is stopped half-way."""
        if self.number > self._saved:
            self.save()

    @torch.no_grad()
    def sample_sheet(self) -> Image.Image:
        """Photographs down, styles across, from the averaged weights."""
        photos, styles = (x.to(self.device) for x in self.sample_inputs)
        codes = self.average.encoder(styles)
        rows = [torch.cat([torch.ones_like(photos[:1]), styles])]
        for photo in photos:
            painted, _ = self.average.transfer(photo[None].expand(len(codes), -1, -1, -1), codes)
            rows.append(torch.cat([photo[None], painted.clamp(0, 1)]))
        return sheet([list(row) for row in rows])

    def _coarser(self, codes: Tensor, photos: Tensor, chosen: slice) -> Tensor:
        """What the averaged network makes of smaller photographs in the styles of these codes."""
        painted: Tensor = self.average.transfer(photos, codes[chosen])[0]
        return painted

    def _resume(self) -> None:
        whole = self.checkpoint.is_file()
        state = read_checkpoint(self.checkpoint if whole else self.portable, self.device)
        self.average.load_state_dict(state["average"])
        self.network.load_state_dict(state["network" if whole else "average"])
        # Another encoder has other moments to read: then the reader starts again, and so does the optimiser.
        if whole and state["reader"]["weight"].shape == self.reader.weight.shape:
            self.reader.load_state_dict(state["reader"])
            load_optimiser(self.optimiser, state["optimiser"])
        self.number, self.minutes = state["number"], state["minutes"]


def train(plan: Plan, shape: Shape | None = None) -> Generator[Step, None, None]:
    """Train until ``plan.minutes`` are spent, over however many runs; yields after every step.

    Continues from ``plan.run/checkpoint.pt`` where there is one. Losses go to ``log.jsonl``,
    sample sheets to ``samples-NNNNNN.jpg`` in the same folder.
    """
    yield from run_training(Trainer(plan, shape))


def load_network(run: Path) -> InstantNetwork:
    """The averaged network of a run folder, for export."""
    state = load_state(run)
    shape = Shape.from_dict(state["shape"])
    network = InstantNetwork(shape)
    network.load_state_dict(state["average"])
    return network.eval()


def _flat(m: Moments) -> Tensor:
    # Each layer relative to its own energy, so that all layers count alike.
    parts = [
        value / value.square().mean(1, keepdim=True).sqrt().clamp_min(1e-4) for pair in m.values() for value in pair
    ]
    return torch.cat(parts, 1)
