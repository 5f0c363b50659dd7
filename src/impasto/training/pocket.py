"""Distil ``pocket`` from VGG19: predict its activations, and put pictures in the order in which it puts them."""

from __future__ import annotations

from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from impasto.perceptual.encoder import STYLE_LAYERS
from impasto.perceptual.losses import Features, Grams, Moments, content_distance, grams, moments
from impasto.perceptual.pocket import WIDTHS, Pocket
from impasto.perceptual.vgg import VGG19
from impasto.training.diet import Pool, training_files, vary_colors
from impasto.training.instant import load_network
from impasto.training.run import Learner, Step, follow, follow_average, schedule, write_checkpoint

__all__ = ["PocketPlan", "distil", "load_pocket"]


@dataclass(frozen=True)
class PocketPlan:
    """What to distil on, and for how long."""

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
    learning_rate: float = 3e-3
    distance_weight: float = 0.5
    seed: int = 0
    save_every: float = 180.0


class Distiller(Learner[PocketPlan]):
    """Student, its heads, optimiser and data of one run folder."""

    def __init__(self, plan: PocketPlan) -> None:
        super().__init__(plan)
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        torch.manual_seed(plan.seed)
        self.vgg = VGG19(plan.vgg19).to(self.device, torch.bfloat16)
        self.painter = load_network(plan.painter).to(self.device).requires_grad_(False)
        self.pocket = Pocket().to(self.device)
        # From each of pocket's layers back to VGG19's; dropped after training.
        self.heads = nn.ModuleDict(
            {name: nn.Conv2d(width, 4 * width, 1) for name, width in zip(STYLE_LAYERS, WIDTHS, strict=True)}
        ).to(self.device)
        self.parameters = [*self.pocket.parameters(), *self.heads.parameters()]
        self.optimiser = torch.optim.Adam(self.parameters, lr=plan.learning_rate, betas=(0.9, 0.99), fused=True)
        self.average = Pocket().to(self.device).requires_grad_(False)
        if self.checkpoint.is_file():
            self._resume()
        seed = plan.seed + self.number
        self.random = np.random.default_rng(seed)
        self.photos = Pool.read(training_files(plan.photos), seed)
        self.styles = Pool.read(training_files(plan.styles), seed + 1)
        # VGG19's activations run to thousands; heads learn numbers around 1.
        with torch.no_grad():
            samples = self.vgg(torch.cat(self._batch()).to(self.device))
        self.scale = {name: value.float().square().mean().sqrt() for name, value in samples.items()}
        self._cutter = ThreadPoolExecutor(1)
        self._coming: Future[tuple[Tensor, Tensor]] = self._cutter.submit(self._batch)

    def step(self) -> dict[str, float]:
        """One optimisation step on photographs, paintings and pastiches of them."""
        plan, count = self.plan, self.plan.pictures
        for group in self.optimiser.param_groups:
            group["lr"] = plan.learning_rate * schedule(self.number, self.done)
        photos, styles = (x.to(self.device) for x in self._coming.result())
        self._coming = self._cutter.submit(self._batch)
        with torch.no_grad():
            pictures = torch.cat([photos, styles, self._pastiches(photos, styles)])
            goal = self.vgg(pictures)
        with torch.autocast(self.device.type, torch.bfloat16):
            features = self.pocket(pictures)
            guesses = {name: self.heads[name](_some(features[name])) for name in STYLE_LAYERS}
        activations = torch.stack(
            [_unexplained(guesses[k].float(), _some(goal[k]).float() / self.scale[k]) for k in STYLE_LAYERS]
        )
        # Every photograph with its two pastiches, these with each other, and a few that do not belong together.
        p, a, b = (torch.arange(count) + k * count for k in (0, 2, 3))
        left, right = torch.cat([p, p, a, p]), torch.cat([a, b, b, p + count])
        style = _disagreement(style_table(moments(features)), style_table(moments(goal)))
        gram = _disagreement(gram_table(grams(features)), gram_table(grams(goal)))
        content = (_content(features, left, right).log() - _content(goal, left, right).log()).square().mean()
        loss = activations.mean() + plan.distance_weight * (style + gram + 4 * content)

        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        norm = nn.utils.clip_grad_norm_(self.parameters, 1.0)
        if torch.isfinite(norm):
            self.optimiser.step()
        self.number += 1
        follow_average(self.average, self.pocket, self.number)
        terms = {"loss": loss, "activations": activations.mean(), "style": style, "gram": gram, "content": content}
        return {k: float(v.detach()) for k, v in terms.items()}

    def save(self) -> None:
        """Write a checkpoint to continue from."""
        state = {
            "pocket": self.pocket.state_dict(),
            "average": self.average.state_dict(),
            "heads": self.heads.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "number": self.number,
            "minutes": self.minutes,
        }
        write_checkpoint(self.checkpoint, state)

    def close(self) -> None:
        """Keep what was learnt, also when training is stopped half-way."""
        self._cutter.shutdown()
        self.save()

    def _batch(self) -> tuple[Tensor, Tensor]:
        count, size = self.plan.pictures, self.plan.size
        photos = vary_colors(self.photos.batch(count, size, size, 640), self.random, share=0.2)
        return photos, vary_colors(self.styles.batch(count, size, size, 640), self.random)

    def _pastiches(self, photos: Tensor, styles: Tensor) -> Tensor:
        """Every photograph in two styles, at any strength; some blurred or noisy as unfinished pictures are."""
        codes, own = self.painter.encoder(styles), self.painter.encoder(photos)
        strength = torch.from_numpy(self.random.uniform(0, 1.2, (2 * len(photos), 1))).float().to(self.device)
        both = torch.cat([codes, codes.roll(1, 0)])
        mixed = torch.lerp(own.repeat(2, 1), both, strength)
        with torch.autocast(self.device.type, torch.bfloat16):
            painted: Tensor = self.painter.transfer(photos.repeat(2, 1, 1, 1), mixed)[0].float()
        for i in range(len(painted)):
            kind = self.random.random()
            if kind < 0.15:
                painted[i] += torch.randn_like(painted[i]) * self.random.uniform(0, 0.2)
            elif kind < 0.3:
                factor = self.random.integers(2, 5)
                small = nn.functional.avg_pool2d(painted[i : i + 1], int(factor))
                painted[i] = nn.functional.interpolate(small, painted.shape[2:], mode="bilinear")[0]
            elif kind < 0.45:
                painted[i].lerp_(photos[i % len(photos)], float(self.random.uniform(0, 1)))
        return painted.clamp(0, 1)

    def _resume(self) -> None:
        state = torch.load(self.checkpoint, map_location=self.device, weights_only=True)
        self.pocket.load_state_dict(state["pocket"])
        self.average.load_state_dict(state["average"])
        self.heads.load_state_dict(state["heads"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.number, self.minutes = state["number"], state["minutes"]


def style_table(m: Moments) -> Tensor:
    """Mean/std distance of every picture to every other, ``(N, N)``: row ``i``, column ``j`` is relative to ``j``."""
    total = torch.zeros(1)
    for pair in m.values():
        for value in pair:
            energy = value.square().mean(1).clamp_min(1e-8)
            total = total.to(value.device) + (value[:, None] - value[None]).square().mean(2) / energy
    return total


def gram_table(g: Grams) -> Tensor:
    """Gram distance of every picture to every other, ``(N, N)``, relative to the column's."""
    tables = []
    for value in g.values():
        flat = value.flatten(1)
        energy = flat.square().sum(1).clamp_min(1e-12)
        tables.append((energy[:, None] + energy[None] - 2 * flat @ flat.T).clamp_min(0) / energy)
    return torch.stack(tables).mean(0)


def distil(plan: PocketPlan) -> Generator[Step, None, None]:
    """Distil until ``plan.minutes`` are spent, over however many runs; yields after every step."""
    yield from follow(Distiller(plan))


def load_pocket(run: Path) -> Pocket:
    """The averaged encoder of a run folder."""
    state = torch.load(run / "checkpoint.pt", map_location="cpu", weights_only=True)
    pocket = Pocket()
    pocket.load_state_dict(state["average"])
    return pocket.requires_grad_(False)


def _some(features: Tensor) -> Tensor:
    """A grid of 16 by 16 places at most: neighbours have little to add."""
    step = max(1, features.shape[2] // 16)
    return features[:, :, step // 2 :: step, step // 2 :: step]


def _unexplained(guess: Tensor, goal: Tensor) -> Tensor:
    """Share of the variance left, averaged over channels: all count alike, but dead ones."""
    variance = goal.var((0, 2, 3), correction=0)
    error = (guess - goal).square().mean((0, 2, 3))
    return (error / (variance + 0.05 * variance.mean())).mean()


def _disagreement(table: Tensor, goal: Tensor) -> Tensor:
    """Mean square difference of logarithms, without the diagonal: an order is a matter of ratios."""
    others = ~torch.eye(len(goal), dtype=torch.bool, device=goal.device)
    return (table[others].clamp_min(1e-3).log() - goal[others].clamp_min(1e-3).log()).square().mean()


def _content(features: Features, left: Tensor, right: Tensor) -> Tensor:
    deepest = features[STYLE_LAYERS[-1]]
    return content_distance(deepest[left], deepest[right]).clamp_min(1e-3)
