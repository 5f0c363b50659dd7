"""Line: those who wait for an answer, with a fair share of the places for every owner."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from impasto.jobs.errors import QueueFull

__all__ = ["Line"]


class Line:
    """One owner alone may have all places. Whoever has less than an equal share of them is let in even where others
    have taken them all: so there may be more than places for a while. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._waiting: Counter[str] = Counter()

    def __len__(self) -> int:
        """How many wait."""
        with self._lock:
            return self._waiting.total()

    def check(self, owner: str, places: int) -> None:
        """Raise :class:`QueueFull` where :meth:`place` would now."""
        with self._lock:
            mine, total = self._waiting[owner], self._waiting.total()
            owners = sum(number > 0 for other, number in self._waiting.items() if other != owner) + 1
        share = max(min(1, places), places // owners)
        if total >= places and mine >= share:
            raise QueueFull(f"{total} requests wait already; try again in a few seconds", 2)

    @contextmanager
    def place(self, owner: str, places: int) -> Iterator[None]:
        """One of so many, for as long as the block takes. Raises :class:`QueueFull`."""
        with self._lock:
            self.check(owner, places)
            self._waiting[owner] += 1
        try:
            yield
        finally:
            with self._lock:
                self._waiting[owner] -= 1
                if not self._waiting[owner]:
                    del self._waiting[owner]
