"""Clock: how long a run took up to each of its steps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from impasto.plots.axis import rounded
from impasto.plots.trace import TraceStep

__all__ = ["Clock"]

_UNITS = ((2 * 3600, 3600, "h"), (180, 60, "min"), (0, 1, "s"))
_MOST = 6
_SHORTEST = 1e-3  # seconds worth telling


@dataclass(frozen=True, slots=True)
class Clock:
    """Steps, and the seconds spent when each was done."""

    steps: tuple[int, ...]
    seconds: tuple[float, ...]

    @classmethod
    def of(cls, steps: Sequence[TraceStep]) -> Clock:
        """A clock that goes on where it begins at zero again, as it may when a run is resumed."""
        spent: list[float] = []
        before = last = 0.0
        for step in steps:
            if step.seconds < last:
                before = spent[-1]
            last = step.seconds
            spent.append(before + last)
        return cls(tuple(step.step for step in steps), tuple(spent))

    @property
    def total(self) -> str:
        """The whole time, in words."""
        seconds = self.seconds[-1] if self.seconds else 0.0
        if seconds < 60:
            return f"{seconds:.3g} s"
        minutes, rest = divmod(round(seconds), 60)
        if minutes < 60:
            return f"{minutes} min {rest} s"
        hours, minutes = divmod(round(seconds / 60), 60)
        return f"{hours} h {minutes} min"

    def ticks(self) -> list[tuple[float, str]]:
        """Round times, as (the step that was done then, the time in words)."""
        steps, times = self.steps, self.seconds
        if steps and steps[0] == 1:  # it took time, too, and before it there was none
            steps, times = (0, *steps), (0.0, *times)
        if not times or times[-1] - times[0] < _SHORTEST:
            return []
        _, unit, name = next(entry for entry in _UNITS if times[-1] >= entry[0])
        apart = rounded((times[-1] - times[0]) / unit / _MOST)
        first, last = (side / unit / apart for side in (times[0], times[-1]))
        marks = [number * apart for number in range(math.ceil(first - 1e-9), math.floor(last + 1e-9) + 1)]
        return [(float(np.interp(mark * unit, times, steps)), f"{mark:.6g} {name}") for mark in marks]
