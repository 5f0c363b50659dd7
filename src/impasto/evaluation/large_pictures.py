"""Large: whether a large photograph is painted as a small one is, or its strokes are lost in its pixels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from impasto.errors import RequestError
from impasto.evaluation.inputs import middle_square, read_pixels, read_square, write_picture
from impasto.evaluation.metrics import sharpness
from impasto.evaluation.pairs import Pair
from impasto.picture.raster import Pixels

if TYPE_CHECKING:
    from impasto.evaluation.metrics.scorer import Score, Scorer

__all__ = ["COLUMNS", "Large", "Scale", "write_large"]

COLUMNS = ("photograph", "painting", "pastiche, shrunk", "at 512", "photograph at 100 %", "pastiche at 100 %")
"""What a sheet shows of a large photograph."""

_DETAIL = 256
_COMPARED = ("style", "coarse", "content")


@dataclass(frozen=True, slots=True)
class Scale:
    """One large photograph, painted with the painting of a pair.

    ``large`` is the score of its pastiche, the middle of it shrunk to 512x512; ``small`` that of the pastiche of
    the photograph that was shrunk first. ``sharpness`` is that of the large pastiche at its full size, as a share of
    the photograph's own: see :func:`impasto.evaluation.metrics.sharpness`.
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
class Large:
    """A large photograph ``(H, W, 3)`` of ``uint8``, its middle square, and the painting of the pair it goes with."""

    file: Path
    pair: Pair
    whole: Pixels
    content: Pixels
    style: Pixels

    @classmethod
    def read(cls, files: Sequence[Path], pairs: Sequence[Pair]) -> Iterator[Large]:
        """One after the other; the pairs are taken in turn. Raises the errors of :meth:`Picture.open`."""
        for number, file in enumerate(files):
            pair = pairs[number % len(pairs)]
            whole = read_pixels(file)
            yield cls(file, pair, whole, middle_square(whole), read_square(pair.style))

    def scale(self, scorer: Scorer, pastiche: Pixels, small: Pixels) -> Scale:
        """What is found of the pastiche of the whole, of its size, and of that of the middle square.

        Raises :class:`RequestError` for a photograph of one colour, and for one that is like its painting.
        """
        own = sharpness(self.whole)
        if own == 0:
            raise RequestError(f"{self.file} is of one colour, so there is no sharpness to compare with; leave it out")
        try:
            scores = [scorer.score(picture, self.content, self.style) for picture in (middle_square(pastiche), small)]
        except ValueError as error:
            raise RequestError(f"{self.file} with the painting of {self.pair.id}: {error}; leave it out") from error
        height, width = self.whole.shape[:2]
        compared = map(_compared, scores)
        return Scale(
            self.file.name, self.pair.id, width, height, next(compared), next(compared), sharpness(pastiche) / own
        )

    def shown(self, pastiche: Pixels, small: Pixels) -> list[Pixels]:
        """A row of a sheet, as :data:`COLUMNS` say."""
        details = (_detail(self.whole), _detail(pastiche))
        return [self.content, self.style, middle_square(pastiche), small, *details]


def write_large(
    files: Sequence[Path], pairs: Sequence[Pair], folder: Path, *, overwrite: bool = False
) -> Iterator[Path]:
    """Write ``<photograph>.large.png``, ``.small.png`` and ``.style.png`` of each into ``folder``, for other programs.

    Yields what it wrote. Raises :class:`OutputExists` where one is there and ``overwrite`` is false, and
    :class:`OutputError`.
    """
    for photograph in Large.read(files, pairs):
        for kind, pixels in (("large", photograph.whole), ("small", photograph.content), ("style", photograph.style)):
            yield write_picture(folder / f"{photograph.file.stem}.{kind}.png", pixels, overwrite=overwrite)


def _compared(score: Score) -> dict[str, float]:
    return {measure: getattr(score, measure) for measure in _COMPARED}


def _detail(pixels: Pixels) -> Pixels:
    """The middle at 100 %, on black where the picture is smaller."""
    left, top = ((length - _DETAIL) // 2 for length in (pixels.shape[1], pixels.shape[0]))
    return np.asarray(Image.fromarray(pixels).crop((left, top, left + _DETAIL, top + _DETAIL)))
