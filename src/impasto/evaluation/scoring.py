"""Scoring: measure the pictures of one pair after the other; which painting each recalls is known when all are seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from impasto.errors import RequestError
from impasto.evaluation.faces import Faces, luma_shifts, places
from impasto.evaluation.inputs import middle_square, read_pixels, read_square
from impasto.evaluation.measurements import Marks
from impasto.evaluation.metrics import lattice
from impasto.evaluation.pairs import Pair
from impasto.picture.raster import Pixels

if TYPE_CHECKING:
    from impasto.evaluation.faces import Place
    from impasto.evaluation.metrics.multiscale_statistics import Vector
    from impasto.evaluation.metrics.scorer import Score, Scorer

__all__ = ["Inputs", "Scoring"]


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a pair gives to paint: two squares ``(512, 512, 3)`` of ``uint8``, and where faces are in the photograph."""

    pair: Pair
    content: Pixels
    style: Pixels
    faces: list[Place]

    @classmethod
    def read(cls, pair: Pair, faces: Faces) -> Inputs:
        """Raises the errors of :meth:`Picture.open`."""
        whole = read_pixels(pair.content)
        where = places(faces.get(pair.content.name, ()), (whole.shape[1], whole.shape[0]))
        return cls(pair, middle_square(whole), read_square(pair.style), where)


@dataclass(frozen=True, slots=True)
class _Seen:
    """A picture that has been looked at, and the painting that it should recall."""

    score: Score
    lattice: float | None
    light: tuple[float, ...]
    statistics: Vector
    painting: Path


class Scoring:
    """Measures pictures pair by pair, and remembers what tells the list's paintings apart."""

    def __init__(self, scorer: Scorer) -> None:
        """With no pair seen yet."""
        self._scorer = scorer
        self._paintings: dict[Path, Vector] = {}
        self._seen: dict[str, list[_Seen]] = {}

    def add(self, inputs: Inputs, pictures: Mapping[str, Pixels]) -> None:
        """The picture of each name. Raises :class:`RequestError` for a pair whose pictures are alike."""
        painting = inputs.pair.style
        for name, pixels in pictures.items():
            try:
                score = self._scorer.score(pixels, inputs.content, inputs.style)
            except ValueError as error:
                raise RequestError(f"pair {inputs.pair.id}: {error}; leave it out") from error
            light = luma_shifts(pixels, inputs.content, inputs.faces)
            statistics = self._scorer.statistics(pixels)
            seen = _Seen(score, lattice(pixels, inputs.content), light, statistics, painting)
            self._seen.setdefault(name, []).append(seen)
        if painting not in self._paintings:
            self._paintings[painting] = self._scorer.statistics(inputs.style)

    def marks(self) -> dict[str, list[Marks]]:
        """The marks of every name, in the order of the pairs. Raises ``ValueError`` before the first pair."""
        from impasto.evaluation.metrics.multiscale_statistics import PaintingIndex

        shelf, order = PaintingIndex(list(self._paintings.values())), list(self._paintings)
        return {
            name: [
                Marks(one.score, one.lattice, shelf.recalls(one.statistics, order.index(one.painting)), one.light)
                for one in seen
            ]
            for name, seen in self._seen.items()
        }
