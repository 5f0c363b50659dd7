"""Report: what an evaluation found, as JSON and as a table."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from impasto.evaluation.measurements import WITHIN, Standing
from impasto.evaluation.metrics import Evenness
from impasto.evaluation.metrics.bootstrap import CONFIDENCE, RESAMPLES
from impasto.evaluation.tables import Table, tables

if TYPE_CHECKING:
    from impasto.evaluation.engine_trials import Seams
    from impasto.evaluation.large_pictures import Scale

__all__ = ["EngineFacts", "Report"]

_PACKAGES = ("impasto", "numpy", "pillow", "openvino", "onnxruntime-gpu", "torch")


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
    """Everything that was found. ``note`` says what must be known to read the figures; it may be empty.

    ``large`` has what each engine made of large photographs, by the engine's name.
    """

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
    large: Mapping[str, tuple[Scale, ...]] = field(default_factory=dict)

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
            "contestants": [standing.to_json() for standing in self.standings],
            "strength": None if self.strength is None else asdict(self.strength),
            "seams": None if self.seams is None else asdict(self.seams),
            "large": {name: [scale.to_json() for scale in scales] for name, scales in self.large.items()},
            "rows": [
                {"id": name, "scores": {standing.name: standing.marks[i].to_json() for standing in self.standings}}
                for i, name in enumerate(self.pairs)
            ],
        }

    def to_bytes(self) -> bytes:
        """``report.json``."""
        return (json.dumps(self.to_json(), indent=1, allow_nan=False) + "\n").encode()

    def tables(self) -> list[Table]:
        """The tables, none wider than a terminal of 80 columns unless a name is long."""
        return tables(self.standings, self.large)

    def to_markdown(self) -> str:
        """``table.md``: the tables, and the remarks under them."""
        parts = [*(table.to_markdown() for table in self.tables()), *self.remarks()]
        return "\n\n".join(parts) + "\n"

    def remarks(self) -> list[str]:
        """What is to be said under the tables, a sentence or two each."""
        seen = f"{self.encoder} ({self.sha256[:12]})" if self.sha256 else self.encoder
        remarks = [
            f"Seen through {seen} on {len(self.pairs)} pairs of {self.side}x{self.side}; lower is better, but for "
            "recall. Style, gram, coarse and deep are shares of the photograph's own distance. "
            f"Ranges: {CONFIDENCE:.0%} confidence.",
            f"Lattice: over {self.standings[0].flat} of the pairs, those whose photograph has a flat area.",
        ]
        if light := self.standings[0].light:
            remarks.append(
                f"Light: how far the mean luma of {light.faces} faces moved, of 255; within is the share of at most "
                f"{WITHIN}, higher is better."
            )
        if self.large:
            remarks.append(
                "Large: large photographs as painted, shrunk to 512x512, above the same photographs shrunk first; "
                "sharpness is at 100 %, as a share of the photograph's own."
            )
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


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
