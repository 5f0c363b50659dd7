"""Axis: numbers along an edge, where they lie and which of them are written down."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

__all__ = ["LogAxis", "LogTick", "StepAxis", "rounded"]

_MOST_UP, _MOST_ACROSS = 12, 8  # numbers that are written
_MARGIN = 0.04
_PLAIN = range(-3, 5)  # powers of ten that are easier to read written out


@dataclass(frozen=True, slots=True)
class LogTick:
    """``mantissa`` (1, 2 or 5) times ten to the ``exponent``."""

    mantissa: int
    exponent: int

    @property
    def power(self) -> float:
        """Its logarithm; the number itself may be too small for a float."""
        return self.exponent + math.log10(self.mantissa)

    @property
    def plain(self) -> str | None:
        """Written out; ``None`` where that is hard to read."""
        if self.exponent not in _PLAIN:
            return None
        return (
            f"{self.mantissa * 10**self.exponent:,}"
            if self.exponent >= 0
            else f"{self.mantissa / 10**-self.exponent:g}"
        )


@dataclass(frozen=True, slots=True)
class LogAxis:
    """A logarithmic axis from ten to the ``low`` up to ten to the ``high``."""

    low: float
    high: float

    @classmethod
    def around(cls, values: Iterable[float]) -> LogAxis | None:
        """One that holds ``values``, with some room and two numbers at least; ``None`` where none is above zero."""
        powers = [math.log10(value) for value in values if value > 0 and math.isfinite(value)]
        if not powers:
            return None
        low, high = min(powers), max(powers)
        if sum(low <= tick.power <= high for tick in _ticks(low, high)) < 2:
            near = list(_ticks(low - 1, high + 1))
            low = max(tick.power for tick in near if tick.power <= low + 1e-9)
            high = min(tick.power for tick in near if tick.power >= high - 1e-9)
            if high - low < 1e-6:
                low = max(tick.power for tick in near if tick.power < low - 1e-6)
                high = min(tick.power for tick in near if tick.power > high + 1e-6)
        room = (high - low) * _MARGIN
        return cls(low - room, high + room)

    def share(self, value: float) -> float:
        """Where ``value`` lies: 0 at the bottom, 1 at the top."""
        return self.share_of_power(math.log10(value))

    def share_of_power(self, power: float) -> float:
        """Where ten to the ``power`` lies."""
        return (power - self.low) / (self.high - self.low)

    def ticks(self) -> list[LogTick]:
        """Those to write: 1, 2 and 5 of every decade; every decade; every second decade, and so on."""
        every = list(_ticks(self.low, self.high))
        if len(every) <= _MOST_UP:
            return every
        decades = [tick for tick in every if tick.mantissa == 1]
        apart = next(n for n in (1, 2, 3, 5, 10, 20, 50, 100, 200) if len(decades) / n <= _MOST_UP)
        return [tick for tick in decades if tick.exponent % apart == 0]

    def between(self) -> list[LogTick]:
        """Those that are marked, but not written."""
        written = self.ticks()
        if self.high - self.low > _MOST_UP:
            return []
        return [tick for tick in _ticks(self.low, self.high) if tick not in written]


@dataclass(frozen=True, slots=True)
class StepAxis:
    """A linear axis of step numbers."""

    low: float
    high: float

    @classmethod
    def around(cls, steps: Iterable[int]) -> StepAxis:
        """One that holds ``steps``; from 0 unless they begin far from it."""
        found = list(steps) or [0, 1]
        low, high = min(found), max(found)
        if low <= high * 0.2:
            low = 0
        return cls(low, high) if low < high else cls(max(low - 1, 0), high + 1)

    def share(self, step: float) -> float:
        """Where ``step`` lies: 0 on the left, 1 on the right."""
        return (step - self.low) / (self.high - self.low)

    def ticks(self) -> list[int]:
        """Those to write."""
        apart = max(1, round(rounded((self.high - self.low) / _MOST_ACROSS)))
        return list(range(math.ceil(self.low / apart) * apart, math.floor(self.high) + 1, apart))


def rounded(number: float) -> float:
    """The next of 1, 2 and 5 times a power of ten that is not below ``number``."""
    power = 10.0 ** math.floor(math.log10(number))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= number * (1 - 1e-9))


def _ticks(low: float, high: float) -> Iterator[LogTick]:
    for exponent in range(math.floor(low), math.floor(high) + 1):
        for mantissa in (1, 2, 5):
            tick = LogTick(mantissa, exponent)
            if low <= tick.power <= high:
                yield tick
