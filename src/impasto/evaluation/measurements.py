"""Marks: all that is measured of one picture of a pair, and of all pictures of one contestant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import fmean, median
from typing import TYPE_CHECKING, Any

from impasto.evaluation.metrics import Interval, interval

if TYPE_CHECKING:
    from impasto.evaluation.contestant import Kind
    from impasto.evaluation.metrics.scorer import Score

__all__ = ["MEASURES", "WITHIN", "Light", "Marks", "Standing"]

MEASURES = ("style", "gram", "content", "cfsd", "coarse", "deep", "lattice", "drawing", "recall")
"""What has a mean with an interval, in the order of the tables' columns."""

WITHIN = 25
"""Levels of 255 by which the light of a face may move before it looks like another's."""


@dataclass(frozen=True, slots=True)
class Marks:
    """Of one picture: its score, its lattice, whether it recalls its painting, how the light of each face moved.

    ``lattice`` is ``None`` for a photograph without a flat area; ``light`` is empty for one without faces.
    """

    score: Score
    lattice: float | None
    recall: bool
    light: tuple[float, ...]

    def values(self) -> dict[str, float | None]:
        """Each of :data:`MEASURES`, in that order; ``None`` where there is nothing to measure."""
        found = {**asdict(self.score), "lattice": self.lattice, "recall": float(self.recall)}
        return {measure: found[measure] for measure in MEASURES}

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        return {**self.values(), "light": list(self.light)}


@dataclass(frozen=True, slots=True)
class Light:
    """How far the light of faces moved, levels of 255: the mean and the largest, and the share within 25."""

    faces: int
    mean: float
    largest: float
    within: float

    @classmethod
    def of(cls, moves: Sequence[float]) -> Light | None:
        """``None`` without faces."""
        if not moves:
            return None
        far = [abs(move) for move in moves]
        return cls(len(far), fmean(far), max(far), fmean(move <= WITHIN for move in far))


@dataclass(frozen=True, slots=True)
class Standing:
    """How one contestant did: its marks pair by pair, each measure's mean with its interval, the median of style.

    A mean is over the pairs that have the measure, and ``None`` where none has. ``flat`` counts those with a
    lattice.
    """

    name: str
    kind: Kind
    marks: tuple[Marks, ...]
    means: dict[str, Interval | None]
    median: float
    flat: int
    light: Light | None

    @classmethod
    def of(cls, name: str, kind: Kind, marks: Sequence[Marks], seed: int) -> Standing:
        """Raises ``ValueError`` without marks."""
        if not marks:
            raise ValueError(f"{name} has no marks; give those of one pair at least")
        rows = [mark.values() for mark in marks]
        found = {measure: [v for row in rows if (v := row[measure]) is not None] for measure in MEASURES}
        return cls(
            name,
            kind,
            tuple(marks),
            {measure: interval(values, seed=seed) if values else None for measure, values in found.items()},
            float(median(found["style"])),
            len(found["lattice"]),
            Light.of([move for mark in marks for move in mark.light]),
        )

    def to_json(self) -> dict[str, Any]:
        """JSON values, without the marks of single pairs."""
        return {
            "name": self.name,
            "kind": self.kind,
            **{measure: None if mean is None else asdict(mean) for measure, mean in self.means.items()},
            "median_style": self.median,
            "flat": self.flat,
            "light": None if self.light is None else asdict(self.light),
        }
