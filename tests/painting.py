"""For tests of losses and of the engine ``iterative``: encoders of random weights, pictures, and runs."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from impasto import Picture, Style
from impasto.encoders.encoder import STYLE_LAYERS
from impasto.encoders.pocket import Pocket
from impasto.encoders.vgg_layout import Padding, Pooling, VGGLayout
from impasto.iterative.optimisers import Optimiser
from impasto.losses.objective import Evaluation
from impasto.request import Progress, Request, Result


class Narrow(VGGLayout):
    """VGG19 of a few channels, random weights, in double precision."""

    convolutions = (2, 2, 4, 4, 4)

    def __init__(self, layers: Iterable[str], *, pooling: Pooling = "max", padding: Padding = "zeros") -> None:
        super().__init__(layers, pooling=pooling, padding=padding)
        self._draw((3, 4, 5, 6, 6))
        self.requires_grad_(False).double()

    def prepare(self, pictures: Tensor) -> Tensor:
        return pictures * 4 - 2


VGG_LAYOUTS = {"vgg16": (2, 2, 3, 3, 3), "vgg19": (2, 2, 4, 4, 4)}
"""Convolutions of each level."""


def vgg_weights(convolutions: Sequence[int]) -> dict[str, Tensor]:
    """VGG's layout to its end, a quarter as wide, with random weights, by the names that encoders' files have."""
    random, weights, inputs = torch.Generator().manual_seed(5), {}, 3
    for level, (count, width) in enumerate(zip(convolutions, (16, 32, 64, 128, 128), strict=True), 1):
        for number in range(1, count + 1):
            drawn = torch.randn(width, inputs, 3, 3, generator=random)
            weights[f"conv{level}_{number}.weight"] = drawn * (2 / (9 * inputs)) ** 0.5
            weights[f"conv{level}_{number}.bias"] = 0.1 * torch.randn(width, generator=random)
            inputs = width
    return weights


def vgg_file(folder: Path, architecture: str, convention: str) -> str:
    """The path of a file of these."""
    file = folder / f"{architecture}.safetensors"
    save_file(vgg_weights(VGG_LAYOUTS[architecture]), file, {"architecture": architecture, "convention": convention})
    return str(file)


def pocket(layers: Iterable[str] = STYLE_LAYERS, *, pooling: Pooling = "max", padding: Padding = "zeros") -> Pocket:
    """A pocket of random weights in double precision."""
    return Pocket(layers, pooling=pooling, padding=padding).requires_grad_(False).double()


def drawn(height: int, width: int, seed: int = 0, *, smooth: bool = True) -> Tensor:
    """A picture ``(1, 3, H, W)`` in double precision, with some structure."""
    random = torch.Generator().manual_seed(seed)
    fine = torch.rand(1, 3, height, width, generator=random, dtype=torch.float64)
    if not smooth:
        return fine
    coarse = torch.rand(1, 3, -(-height // 8) + 1, -(-width // 8) + 1, generator=random, dtype=torch.float64)
    grown = torch.nn.functional.interpolate(coarse, (height, width), mode="bilinear", align_corners=False)
    return 0.3 * fine + 0.7 * grown


def photograph(width: int, height: int, seed: int = 0) -> Picture:
    """The same as a :class:`Picture`."""
    return Picture.from_array(drawn(height, width, seed)[0].permute(1, 2, 0).numpy())


def striped(width: int, height: int, period: int, color: tuple[float, float, float], *, upright: bool) -> Picture:
    """A painting: stripes of one colour on its dark shade."""
    y, x = np.mgrid[0:height, 0:width]
    bright = ((x if upright else y) // period) % 2 == 0
    return Picture.from_array(np.where(bright[..., None], color, np.array(color) * 0.3))


def slope(loss: Callable[[Tensor], Tensor], at: Tensor, direction: Tensor, step: float = 1e-8) -> float:
    """How fast a loss grows in a direction, by central differences: so near that hardly a ReLU has its kink there."""
    ahead, behind = loss(at + step * direction), loss(at - step * direction)
    return float(ahead - behind) / (2 * step)


def directions(like: Tensor, count: int = 3) -> list[Tensor]:
    """Random ones."""
    random = torch.Generator().manual_seed(9)
    return [torch.randn(like.shape, generator=random, dtype=torch.float64) for _ in range(count)]


RED = striped(96, 96, 8, (0.9, 0.3, 0.2), upright=True)
BLUE = striped(96, 96, 5, (0.2, 0.4, 0.9), upright=False)


def asked(width: int = 64, height: int = 48, **settings: Any) -> Request:
    """A quick one: few steps, from the photograph, of a painting looked at small."""
    settings = {
        "content": photograph(width, height, 1),
        "style": Style.of(RED),
        "engine": "iterative",
        "steps": 3,
        "start": "content",
        "style_scale": 0.25,
        "deterministic": True,
        **settings,
    }
    return Request(**settings)


def drained(steps: Generator[Progress, None, Result]) -> tuple[list[Progress], Result]:
    """Every report, and the result."""
    reports: list[Progress] = []
    while True:
        try:
            reports.append(next(steps))
        except StopIteration as end:
            result: Result = end.value
            return reports, result


def painted(reports: list[Progress]) -> list[Progress]:
    return [report for report in reports if report.losses]


def assert_same(found: Result, expected: Result) -> None:
    assert np.array_equal(found.pastiche.pixels, expected.pastiche.pixels)


class Stuck(Optimiser):
    """Moves the picture, and says that it led nowhere."""

    def step(self, picture: torch.Tensor, evaluate: Any) -> Evaluation:
        found: Evaluation = self._evaluate(evaluate, picture)
        picture.mul_(0.99)
        self.stalls += 1
        return found
