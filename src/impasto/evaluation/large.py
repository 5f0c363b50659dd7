"""Large: whether a large photograph is painted as a small one is, or its strokes are lost in its pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from impasto.errors import RequestError
from impasto.evaluation.inputs import middle, opened, square
from impasto.evaluation.pairs import Pair
from impasto.metrics import sharpness
from impasto.picture.picture import Pixels

if TYPE_CHECKING:
    from impasto.evaluation.contestant import Painting
    from impasto.perceptual.judge import Judge, Score

__all__ = ["LargeTrial", "Scale"]

_DETAIL = 256
_COMPARED = ("style", "coarse", "content")


@dataclass(frozen=True, slots=True)
class Scale:
    """One large photograph, painted with the painting of a pair.

    ``large`` is the score of its pastiche, the middle of it shrunk to 512x512; ``small`` that of the pastiche of
    the photograph that was shrunk first. ``sharpness`` is that of the large pastiche at its full size, as a share of
    the photograph's own: see :func:`impasto.metrics.sharpness`.
    """

    photograph: str
    pair: str
    width: int
    height: int
    large: dict[str, float]
    small: dict[str, float]
    sharpness: float

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class LargeTrial:
    """Large photographs by an engine, each with the painting of one of the pairs, which are taken in turn."""

    photographs: Sequence[Path]
    pairs: Sequence[Pair]
    judge: Judge

    def run(self, engine: Painting, number: int) -> tuple[Scale, Pixels, list[Pixels]]:
        """Paint photograph ``number``: what was found, the pastiche, and what a sheet shows of both.

        That is the photograph, the painting, the large pastiche and the small one, and the middle of the photograph
        and of the large pastiche at 100 %. Raises :class:`RequestError` for a photograph without any detail,
        and for one that is like its painting.
        """
        file, pair = self.photographs[number], self.pairs[number % len(self.pairs)]
        whole, style = opened(file), square(pair.style)
        own = sharpness(whole)
        if own == 0:
            raise RequestError(f"{file} is of one colour, so there is no sharpness to compare with; leave it out")
        content = middle(whole)
        pastiche = engine.paint(whole, style)
        large, small = middle(pastiche), engine.paint(content, style)
        try:
            scores = [_compared(self.judge.score(picture, content, style)) for picture in (large, small)]
        except ValueError as error:
            raise RequestError(f"{file} with the painting of {pair.id}: {error}; leave it out") from error
        height, width = whole.shape[:2]
        found = Scale(file.name, pair.id, width, height, scores[0], scores[1], sharpness(pastiche) / own)
        return found, pastiche, [content, style, large, small, _detail(whole), _detail(pastiche)]


def _compared(score: Score) -> dict[str, float]:
    return {measure: getattr(score, measure) for measure in _COMPARED}


def _detail(pixels: Pixels) -> Pixels:
    """The middle at 100 %, on black where the picture is smaller."""
    left, top = ((length - _DETAIL) // 2 for length in (pixels.shape[1], pixels.shape[0]))
    return np.asarray(Image.fromarray(pixels).crop((left, top, left + _DETAIL, top + _DETAIL)))
