"""Train ``base``, the network that a style of one's own is started from: narrow, and painting as ``instant`` does."""

from __future__ import annotations

from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from impasto.engines.painter import Painter
from impasto.models import find
from impasto.perceptual.losses import content_distance, moments, style_distance
from impasto.perceptual.opening import open_encoder
from impasto.runtime.graph import open_graph
from impasto.training.diet import Pool, training_files, vary_colors
from impasto.training.network import Shape, TransferNetwork
from impasto.training.run import Learner, Step, follow, follow_average, schedule, write_checkpoint

__all__ = ["NARROW", "BasePlan", "train_base"]

NARROW = Shape(widths=(24, 48, 72), blocks=4)
"""A third of ``instant``'s weights; its codes are the same."""

_DEEP = "relu4_1"
_CODES = 1536
"""Codes of paintings that are made beforehand; a step mixes pairs of them."""


@dataclass(frozen=True)
class BasePlan:
    """What to learn on, and for how long."""

    photos: Path
    styles: Path
    run: Path
    minutes: float = 60.0
    size: int = 192
    pictures: int = 8
    learning_rate: float = 2e-3
    seed: int = 0
    save_every: float = 180.0


class BaseLearner(Learner[BasePlan]):
    """Student, optimiser and data of one run folder. The teacher is the model ``instant`` that is here."""

    def __init__(self, plan: BasePlan) -> None:
        super().__init__(plan)
        torch.manual_seed(plan.seed)
        model = find("instant", kind="arbitrary")
        self._painter = Painter(model, "auto")
        self._reader = open_graph(model.file("encoder"), ["code"], precision="f32")
        self.network = TransferNetwork(NARROW).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = TransferNetwork(NARROW).requires_grad_(False)
        self.average.load_state_dict(self.network.state_dict())
        self.optimiser = torch.optim.Adam(
            self.network.parameters(), lr=plan.learning_rate, betas=(0.9, 0.99), fused=True
        )
        self.encoder = open_encoder(None).to(torch.bfloat16)
        if self.checkpoint.is_file():
            self._resume()
        seed = plan.seed + self.number
        self.random = np.random.default_rng(seed)
        self.photos = Pool.read(training_files(plan.photos), seed)
        self.codes = self._learn_codes(Pool.read(training_files(plan.styles), seed + 1))
        self._cutter = ThreadPoolExecutor(1)
        self._coming: Future[tuple[Tensor, Tensor, Tensor]] = self._cutter.submit(self._batch)

    def step(self) -> dict[str, float]:
        """One optimisation step on photographs and what the teacher makes of them."""
        for group in self.optimiser.param_groups:
            group["lr"] = self.plan.learning_rate * schedule(self.number, self.done)
        photos, codes, goal = self._coming.result()
        self._coming = self._cutter.submit(self._batch)
        with torch.autocast("cpu", torch.bfloat16):
            painted, _ = self.network(photos, codes)
        painted = painted.float()
        pixels = (painted - goal).abs().mean()
        # What the pixels leave open, and strokes are: how much of everything there is.
        with torch.no_grad():
            wanted = self.encoder(goal)
        found = self.encoder(painted)
        style = style_distance(moments(found), moments(wanted)).mean()
        content = content_distance(found[_DEEP], wanted[_DEEP]).mean()
        loss = 10 * pixels + style + content

        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        if torch.isfinite(norm):
            self.optimiser.step()
        self.number += 1
        follow_average(self.average, self.network, self.number)
        terms = {"loss": loss, "pixels": pixels, "style": style, "content": content}
        return {name: float(term.detach()) for name, term in terms.items()}

    def save(self) -> None:
        """Write a checkpoint to continue from."""
        state = {
            "base": NARROW.to_dict(),
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "number": self.number,
            "minutes": self.minutes,
        }
        write_checkpoint(self.checkpoint, state)

    def close(self) -> None:
        """Keep what was learnt, also when training is stopped half-way."""
        self._cutter.shutdown()
        self.save()

    def _learn_codes(self, styles: Pool) -> Tensor:
        """Codes of crops of paintings, at several scales and in varied colours."""
        found = []
        for _ in range(_CODES):
            side = int(self.random.choice([192, 256, 384]))
            crop = vary_colors(styles.batch(1, side, side, 900), self.random)
            found.append(self._read(crop))
        return torch.cat(found)

    def _read(self, pictures: Tensor) -> Tensor:
        return torch.from_numpy(self._reader(style=pictures.numpy())["code"])

    def _batch(self) -> tuple[Tensor, Tensor, Tensor]:
        """Photographs, codes, and the teacher's pastiches: mixtures of styles, and weaker ones."""
        plan = self.plan
        photos = vary_colors(self.photos.batch(plan.pictures, plan.size, plan.size, 560), self.random, share=0.15)
        codes, goals = [], []
        for photo in photos:
            one, other = self.codes[torch.from_numpy(self.random.integers(len(self.codes), size=2))]
            code = torch.lerp(one, other, float(self.random.choice([0.0, 0.0, self.random.uniform()])))[None]
            if self.random.random() < 0.15:
                code = torch.lerp(self._read(photo[None]), code, self.random.uniform())
            codes.append(code)
            goals.append(torch.from_numpy(self._painter.forward(photo[None].numpy(), code.numpy())))
        return photos, torch.cat(codes), torch.cat(goals)

    def _resume(self) -> None:
        state = torch.load(self.checkpoint, map_location="cpu", weights_only=True)
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.number, self.minutes = state["number"], state["minutes"]


def train_base(plan: BasePlan) -> Generator[Step, None, None]:
    """Train until ``plan.minutes`` are spent, over however many runs; yields after every step."""
    yield from follow(BaseLearner(plan))
