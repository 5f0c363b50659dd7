"""Rate: how often one owner may ask."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable

from impasto.jobs.errors import QuotaExceeded

__all__ = ["Rate"]


class Rate:
    """As many requests in a row as are allowed in a minute, then as many as come back with time (a token bucket). Safe
    to use from several threads."""

    def __init__(self, per_minute: float, clock: Callable[[], float] = time.monotonic) -> None:
        """Infinite where nothing is limited."""
        self._per_minute, self._clock = per_minute, clock
        self._lock = threading.Lock()
        self._left: dict[str, tuple[float, float]] = {}

    def check(self, owner: str) -> None:
        """Raise :class:`QuotaExceeded` where :meth:`take` would now."""
        with self._lock:
            self._after(owner)

    def take(self, owner: str) -> None:
        """One more. Raises :class:`QuotaExceeded` for one too many."""
        with self._lock:
            if (after := self._after(owner)) is not None:
                self._left[owner] = after

    def give_back(self, owner: str) -> None:
        """The last one does not count."""
        with self._lock:
            if owner in self._left:
                left, since = self._left[owner]
                self._left[owner] = left + 1, since

    def _after(self, owner: str) -> tuple[float, float] | None:
        """What is left after one more, and since when; None where nothing is limited."""
        if math.isinf(self._per_minute):
            return None
        most, now = max(1.0, self._per_minute), self._clock()
        left, since = self._left.get(owner, (most, now))
        left = min(most, left + (now - since) * self._per_minute / 60)
        if left < 1:
            seconds = math.ceil((1 - left) * 60 / self._per_minute)
            raise QuotaExceeded(
                f"{self._per_minute:g} requests a minute are allowed here, and you made more; try again in {seconds} "
                "seconds",
                seconds,
            )
        return left - 1, now
