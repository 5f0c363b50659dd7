"""Figure: one measured number and what it is compared with."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median

__all__ = ["Figure", "alternate"]


@dataclass(frozen=True, slots=True)
class Figure:
    """``value`` is ``None`` where it could not be measured here, and ``note`` says why and what helps.

    ``ratio`` is this figure over that of ``against``: where Impasto is ahead, that of a time is below 1, and that of
    a rate (``unit`` is ``/s``) above.
    """

    name: str
    value: float | None
    unit: str = "ms"
    ratio: float | None = None
    against: str = ""
    note: str = ""


def alternate(runs: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Median milliseconds of each, taken in turns so that a busy moment falls on all alike."""
    spent: dict[str, list[float]] = {name: [] for name in runs}
    for turn in range(rounds + 2):
        for name, call in runs.items():
            start = time.perf_counter()
            call()
            if turn >= 2:  # the first two warm up
                spent[name].append(1000 * (time.perf_counter() - start))
    return {name: median(values) for name, values in spent.items()}
