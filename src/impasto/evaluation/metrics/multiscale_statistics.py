"""Statistics of pictures at three sizes, for strokes and planes, and to tell whose painting it is.

At its own size a picture shows an encoder its grain. Shrunk to a half and a quarter, 256 and 128 pixels of 512, it
shows what is larger: long strokes, swirls, planes and contours.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from impasto.encoders.encoder import DEEPEST, Features
from impasto.losses.distances import Moments, style_distance
from impasto.picture.raster import Pixels

__all__ = [
    "Levels",
    "PaintingIndex",
    "Vector",
    "coarse",
    "contrast",
    "deep",
    "levels",
    "mean_and_std",
    "statistics_vector",
]

Levels = tuple[Moments, Moments, Moments]
"""Means and standard deviations of a picture as it is, at a half and at a quarter of its size."""

Vector = np.ndarray[Any, np.dtype[np.float32]]


def mean_and_std(features: Features) -> Moments:
    """Channel means and standard deviations of every layer, the latter of a sample: a shrunk picture has few places."""
    found = {name: torch.std_mean(value.float(), dim=(2, 3)) for name, value in features.items()}
    return {name: (mean, std) for name, (std, mean) in found.items()}


def levels(look: Callable[[Pixels], Moments], pixels: Pixels, whole: Moments) -> Levels:
    """What ``look`` tells of ``pixels`` ``(H, W, 3)`` at a half and a quarter, behind the ``whole`` picture's own."""
    half, quarter = (look(_shrunk(pixels, divisor)) for divisor in (2, 4))
    return whole, half, quarter


def coarse(picture: Levels, painting: Levels) -> float:
    """Style distance at a half and a quarter of the size, summed: strokes and planes, not grain."""
    return sum(style_distance(a, b).item() for a, b in zip(picture[1:], painting[1:], strict=True))


def deep(picture: Levels, painting: Levels) -> float | None:
    """Style distance at relu5_1 alone, summed over the three sizes; ``None`` where the encoder does not reach it."""
    if DEEPEST not in painting[0]:
        return None
    return sum(style_distance(a, {DEEPEST: b[DEEPEST]}).item() for a, b in zip(picture, painting, strict=True))


def statistics_vector(picture: Levels) -> Vector:
    """All means and standard deviations in one row, always in the same order."""
    rows = [value.flatten() for level in picture for name in sorted(level) for value in level[name]]
    return torch.cat(rows).cpu().numpy()


def contrast(pixels: Pixels, places: tuple[int, int]) -> Tensor:
    """How much of a drawing ``(H, W, 3)`` of ``uint8`` has at each of ``(h, w)`` places: a weight, ``(1, h, w)``.

    The standard deviation of its lightness within a place or a neighbour of it, for a place sees further than its own
    pixels; and half a level more, so that a sky counts for little, but counts.
    """
    light = torch.tensor(np.asarray(Image.fromarray(pixels).convert("L"), np.float32))[None, None]
    mean = F.adaptive_avg_pool2d(light, places)
    deviation = (F.adaptive_avg_pool2d(light.square(), places) - mean.square()).clamp_min(0).sqrt()
    return F.max_pool2d(deviation, 3, 1, 1)[0] + 0.5


class PaintingIndex:
    """The paintings of a list, to ask which of them a pastiche is nearest to."""

    def __init__(self, paintings: Sequence[Vector]) -> None:
        """One :func:`statistics_vector` for each. Raises ``ValueError`` for none."""
        if not paintings:
            raise ValueError("there are no paintings to tell apart; give one at least")
        # In float64: a channel that is dead in all of them tells nothing, but its huge figure would swallow the rest.
        self._table = np.stack(paintings).astype(np.float64)
        # In units of how far the paintings themselves lie apart: else the channels with the largest values decide.
        self._unit = self._table.std(0) + 1e-3 * np.abs(self._table).mean(0) + 1e-6

    def recalls(self, pastiche: Vector, own: int) -> bool:
        """Whether none of the paintings is nearer to the pastiche than its ``own``, counted from 0."""
        distances = np.square((self._table - pastiche) / self._unit).mean(1)
        return bool(distances[own] <= distances.min())


def _shrunk(pixels: Pixels, divisor: int) -> Pixels:
    height, width = pixels.shape[:2]
    return np.asarray(Image.fromarray(pixels).resize((width // divisor, height // divisor), Image.Resampling.LANCZOS))
