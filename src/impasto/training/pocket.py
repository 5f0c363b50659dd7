"""Distil ``pocket`` from VGG19: its channels are some of VGG19's, picked and then trained to be like them."""

from __future__ import annotations

from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from impasto.encoders.encoder import Features
from impasto.encoders.pocket import WIDTHS, Pocket
from impasto.encoders.vgg import VGG19
from impasto.training.data.dataset import training_files, vary_colors
from impasto.training.data.device_dataset import DeviceCropDataset
from impasto.training.instant import load_network
from impasto.training.plan_limits import check_plan
from impasto.training.pruning import prune
from impasto.training.trainer import (
    Learner,
    Step,
    average_share,
    make_adam,
    read_checkpoint,
    run_training,
    schedule,
    set_rate,
    update_average,
    write_checkpoint,
)

__all__ = ["PocketPlan", "distil", "load_pocket"]

_BATCHES = 8
"""Batches that the first weights are fitted on."""


@dataclass(frozen=True)
class PocketPlan:
    """What to distil on, and for how long. Raises :class:`RequestError` for a number out of bounds."""

    photos: Path
    styles: Path
    vgg19: Path
    painter: Path
    """Run folder of an ``instant`` network, which paints the stylised pictures of the diet."""
    run: Path
    minutes: float = 30.0
    size: int = 128
    pictures: int = 4
    """Photographs, and as many paintings, and twice as many pastiches, in a step."""
    learning_rate: float = 3e-4
    seed: int = 0
    save_every: float = 180.0

    def __post_init__(self) -> None:
        check_plan(self)


class Distiller(Learner[PocketPlan]):
    """Student, optimiser and data of one run folder."""

    def __init__(self, plan: PocketPlan) -> None:
        super().__init__(plan)
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        torch.manual_seed(plan.seed)
        self.painter = load_network(plan.painter).to(self.device).requires_grad_(False)
        every = [f"relu{name}" for name in Pocket().names]
        self.pocket = Pocket(every).to(self.device)
        self.average = Pocket().to(self.device).requires_grad_(False)
        self.optimiser = make_adam(self.pocket, plan.learning_rate, self.device)
        self.channels: dict[str, Tensor] = {}
        found = self.checkpoint.is_file()
        if found:
            self._resume()
        seed = plan.seed + self.number
        self.random = np.random.default_rng(seed)
        self.photos = DeviceCropDataset.read(training_files(plan.photos), self.device, seed, 640)
        self.styles = DeviceCropDataset.read(training_files(plan.styles), self.device, seed + 1, 640)
        self.vgg = VGG19(plan.vgg19, every).to(self.device)
        if not found:
            self._begin()
        self.vgg = self.vgg.bfloat16()
        self._cutter = ThreadPoolExecutor(1)
        self._coming: Future[tuple[Tensor, Tensor]] = self._cutter.submit(self._batch)

    def step(self) -> dict[str, float]:
        """One optimisation step on photographs, paintings and pastiches of them."""
        set_rate(self.optimiser, self.plan.learning_rate * schedule(self.number, self.done))
        photos, styles = (x.to(self.device) for x in self._coming.result())
        self._coming = self._cutter.submit(self._batch)
        with torch.no_grad():
            pictures = torch.cat([photos, styles, self._pastiches(photos, styles)])
            goal = self.vgg(pictures)
        with torch.autocast(self.device.type, torch.bfloat16):
            found = self.pocket(pictures)
        missed = {name: self._missed(name, found, goal) for name in self.pocket.names}
        loss = torch.stack(list(missed.values())).mean()

        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        norm = nn.utils.clip_grad_norm_(self.pocket.parameters(), 1.0)
        if torch.isfinite(norm):
            self.optimiser.step()
        self.number += 1
        update_average(self.average, self.pocket, torch.tensor(average_share(self.number), device=self.device))
        return {"loss": float(loss.detach())} | {f"missed {k}": float(v.detach()) for k, v in missed.items()}

    def save(self) -> None:
        """Write a checkpoint to continue from."""
        state = {
            "pocket": self.pocket.state_dict(),
            "average": self.average.state_dict(),
            "channels": self.channels,
            "optimiser": self.optimiser.state_dict(),
            "number": self.number,
            "minutes": self.minutes,
        }
        write_checkpoint(self.checkpoint, state)

    def close(self) -> None:
        """Keep what was learnt, also when training is stopped half-way."""
        self._cutter.shutdown()
        self.save()

    def _begin(self) -> None:
        """Start from VGG19's own channels."""
        pictures = torch.cat([torch.cat(self._batch()) for _ in range(_BATCHES)]).to(self.device)
        weights, self.channels = prune(self.vgg, pictures, WIDTHS)
        for network in (self.pocket, self.average):
            network.load_state_dict(weights)

    def _missed(self, name: str, found: Features, goal: Features) -> Tensor:
        """Share of the energy of VGG19's channels that pocket's miss, averaged over channels: all count alike."""
        aim = goal[f"relu{name}"][:, self.channels[name]].float() / self.channels[f"{name}.scale"]
        error = (found[f"relu{name}"].float() - aim).square().mean((0, 2, 3))
        energy = aim.square().mean((0, 2, 3))
        return (error / (energy + 0.1 * energy.mean())).mean()

    def _batch(self) -> tuple[Tensor, Tensor]:
        count, size = self.plan.pictures, self.plan.size
        photos = vary_colors(self.photos.batch(count, size, size, 640), self.random, share=0.2)
        return photos, vary_colors(self.styles.batch(count, size, size, 640), self.random)

    def _pastiches(self, photos: Tensor, styles: Tensor) -> Tensor:
        """Every photograph in two styles, at any strength; some noisy, as unfinished pictures are."""
        codes, own = self.painter.encoder(styles), self.painter.encoder(photos)
        strength = torch.from_numpy(self.random.uniform(0, 1.2, (2 * len(photos), 1))).float().to(self.device)
        mixed = torch.lerp(own.repeat(2, 1), torch.cat([codes, codes.roll(1, 0)]), strength)
        with torch.autocast(self.device.type, torch.bfloat16):
            painted: Tensor = self.painter.transfer(photos.repeat(2, 1, 1, 1), mixed)[0].float()
        for picture in painted:
            if self.random.random() < 0.25:
                picture += torch.randn_like(picture) * self.random.uniform(0, 0.1)
        return painted.clamp(0, 1)

    def _resume(self) -> None:
        state = read_checkpoint(self.checkpoint, self.device)
        self.pocket.load_state_dict(state["pocket"])
        self.average.load_state_dict(state["average"])
        self.channels = state["channels"]
        self.optimiser.load_state_dict(state["optimiser"])
        self.number, self.minutes = state["number"], state["minutes"]


def distil(plan: PocketPlan) -> Generator[Step, None, None]:
    """Distil until ``plan.minutes`` are spent, over however many runs; yields after every step."""
    yield from run_training(Distiller(plan))


def load_pocket(run: Path) -> Pocket:
    """The averaged encoder of a run folder."""
    state = read_checkpoint(run / "checkpoint.pt")
    pocket = Pocket()
    pocket.load_state_dict(state["average"])
    return pocket.requires_grad_(False)
