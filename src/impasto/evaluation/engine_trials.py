"""Trials: what is asked of an engine alone, whether its tiles show and whether its steps of strength are even."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from impasto.evaluation.metrics import seam_ratio
from impasto.instant.engine import InstantEngine
from impasto.instant.painter import Painter, Pass
from impasto.instant.postprocess import quantise
from impasto.picture import Picture
from impasto.picture.raster import Pixels
from impasto.styles import Style

if TYPE_CHECKING:
    from impasto.evaluation.contestant import FromEngine
    from impasto.evaluation.metrics.scorer import Scorer

__all__ = ["STRENGTHS", "Seams", "TileTrial", "distances"]

STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0)

_STEPS = (336, 432)
"""Pixels kept of one tile and of another: with those no two borders lie at one place."""
_REST = 512


@dataclass(frozen=True, slots=True)
class Seams:
    """Seam ratios of some photographs painted in tiles, 1 where nothing shows: their mean, and the farthest from 1."""

    ratio: float
    worst: float

    @classmethod
    def of(cls, ratios: list[float]) -> Seams:
        """Raises ``ValueError`` for none."""
        return cls(float(np.mean(ratios)), max(ratios, key=lambda ratio: abs(ratio - 1)))


def distances(contestant: FromEngine, scorer: Scorer, content: Pixels, style: Pixels) -> list[float]:
    """Content distance from the photograph at each of :data:`STRENGTHS`."""
    return [scorer.content(contestant.paint(content, style, strength=s), content) for s in STRENGTHS]


class TileTrial:
    """Photographs are enlarged and painted in small tiles, and in other tiles: whatever shows is a border's doing.

    Small ones, for what shows is told by the margin around a tile, not by its size.
    """

    def __init__(self, contestant: FromEngine) -> None:
        """Opens what both paintings need, once for all photographs."""
        model = contestant.model
        margin = int(model.rules["margin"])
        self._side = 2 * margin + _STEPS[0] + _REST
        self._engine = InstantEngine(model)
        self._first, self._other = (Painter(model, contestant.precision, window=2 * margin + s) for s in _STEPS)

    def ratio(self, content: Pixels, style: Pixels) -> float:
        """The seam ratio of the pastiche of two arrays ``(H, W, 3)``."""
        photograph = Picture(content).resized((self._side, self._side))
        one_pass = Pass(self._engine.code(Style.from_picture(Picture(style))))
        painted, reference = (_paint_tiled(painter, photograph, one_pass) for painter in (self._first, self._other))
        return seam_ratio(painted, self._first.plan(self._side, self._side), reference)


def _paint_tiled(painter: Painter, photograph: Picture, one_pass: Pass) -> Pixels:
    canvas = np.empty_like(photograph.pixels)
    for tile, part in painter.paint(photograph.pixels, [one_pass]):
        canvas[tile.keep] = quantise(part, photograph)
    return canvas
