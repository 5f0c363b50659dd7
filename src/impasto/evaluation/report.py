"""Report: what an evaluation found, as JSON and as a table."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from statistics import median
from typing import TYPE_CHECKING, Any

from impasto.metrics import Evenness, Interval, interval
from impasto.metrics.intervals import CONFIDENCE, RESAMPLES

if TYPE_CHECKING:
    from impasto.evaluation.contestant import Kind
    from impasto.evaluation.trials import Seams
    from impasto.perceptual.judge import Score

__all__ = ["MEASURES", "EngineFacts", "Report", "Standing"]

MEASURES = ("style", "gram", "content", "cfsd")
"""The fields of a score, in the order of the table's columns."""

_DIGITS = {"cfsd": 4}
_PACKAGES = ("impasto", "numpy", "pillow", "openvino", "onnxruntime-gpu", "torch")


@dataclass(frozen=True, slots=True)
class Standing:
    """How one contestant did: its scores pair by pair, each measure's mean with its interval, the median of style."""

    name: str
    kind: Kind
    scores: tuple[Score, ...]
    means: Mapping[str, Interval]
    median: float

    @classmethod
    def of(cls, name: str, kind: Kind, scores: Sequence[Score], seed: int) -> Standing:
        """Raises ``ValueError`` without scores."""
        values = {measure: [getattr(score, measure) for score in scores] for measure in MEASURES}
        means = {measure: interval(found, seed=seed) for measure, found in values.items()}
        return cls(name, kind, tuple(scores), means, float(median(values["style"])))

    def cells(self) -> list[tuple[str, str]]:
        """Each measure's mean and interval, in few digits, as the tables have them."""
        return [_cell(self.means[measure], _DIGITS.get(measure, 3)) for measure in MEASURES]


@dataclass(frozen=True, slots=True)
class EngineFacts:
    """Which engine painted: its model, the sha256 of the model's files, and the arithmetic in use."""

    engine: str
    model: str
    files: Mapping[str, str]
    runtime: str
    precision: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything that was found. ``note`` says what must be known to read the figures; it may be empty."""

    encoder: str
    sha256: str
    note: str
    pairs: tuple[str, ...]
    side: int
    seed: int
    standings: tuple[Standing, ...]
    engine: EngineFacts | None = None
    strength: Evenness | None = None
    seams: Seams | None = None

    def to_json(self) -> dict[str, Any]:
        """JSON values: the facts first, the scores of every pair last."""
        return {
            "encoder": {"name": self.encoder, "sha256": self.sha256, "note": self.note},
            "engine": None if self.engine is None else asdict(self.engine),
            "settings": {
                "pairs": len(self.pairs),
                "side": self.side,
                "confidence": CONFIDENCE,
                "resamples": RESAMPLES,
                "seed": self.seed,
            },
            "versions": _versions(),
            "contestants": [
                {
                    "name": standing.name,
                    "kind": standing.kind,
                    **{measure: asdict(mean) for measure, mean in standing.means.items()},
                    "median_style": standing.median,
                }
                for standing in self.standings
            ],
            "strength": None if self.strength is None else asdict(self.strength),
            "seams": None if self.seams is None else asdict(self.seams),
            "rows": [
                {"id": name, "scores": {standing.name: asdict(standing.scores[i]) for standing in self.standings}}
                for i, name in enumerate(self.pairs)
            ],
        }

    def to_bytes(self) -> bytes:
        """``report.json``."""
        return (json.dumps(self.to_json(), indent=1, allow_nan=False) + "\n").encode()

    def to_markdown(self) -> str:
        """``table.md``: the table, and the remarks under it."""
        lines = [f"| | style | median | {' | '.join(MEASURES[1:])} |", "|---|" + "---:|" * (len(MEASURES) + 1)]
        for standing in self.standings:
            style, *others = (f"{mean} ({bounds})" for mean, bounds in standing.cells())
            name = " ".join(standing.name.split()).replace("|", "\\|")
            lines.append(f"| {name} | {style} | {standing.median:.3f} | {' | '.join(others)} |")
        return "\n".join([*lines, *(f"\n{remark}" for remark in self.remarks())]) + "\n"

    def remarks(self) -> list[str]:
        """What is to be said under the table, a sentence or two each."""
        seen = f"{self.encoder} ({self.sha256[:12]})" if self.sha256 else self.encoder
        remarks = [
            f"Seen through {seen} on {len(self.pairs)} pairs of {self.side}x{self.side}; lower is better. "
            f"Style and gram are shares of the photograph's own distance. Ranges: {CONFIDENCE:.0%} confidence."
        ]
        if self.note:
            remarks.append(self.note)
        if self.engine is not None:
            remarks.append(f"{self.engine.model} ran in {self.engine.runtime} at {self.engine.precision}.")
        if self.strength is not None:
            steps = ", ".join(f"{share:.3f}" for share in self.strength.shares)
            at = ", ".join(f"{strength:g}" for strength in self.strength.strengths)
            remarks.append(
                f"At strengths {at} the content distance is {steps} of the full one, which is "
                f"{self.strength.departure:.3f} from a straight line at most."
            )
        if self.seams is not None:
            remarks.append(
                f"Seam ratio {self.seams.ratio:.3f} (1 where tiles do not show; worst {self.seams.worst:.3f})."
            )
        return remarks


def _cell(mean: Interval, digits: int) -> tuple[str, str]:
    # Adding 0 turns -0 into 0: a cosine can miss 1 by a hair.
    value, low, high = (round(number, digits) + 0.0 for number in (mean.mean, mean.low, mean.high))
    return f"{value:.{digits}f}", f"{low:.{digits}f}-{high:.{digits}f}"


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
