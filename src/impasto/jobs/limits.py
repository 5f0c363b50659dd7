"""Limits: what one server takes on."""

from __future__ import annotations

import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from impasto.jobs.errors import QueueFull, QuotaExceeded
from impasto.picture.limits import MAX_PIXELS

__all__ = ["Limits", "RateLimit", "WaitingLimit"]


@dataclass(frozen=True, slots=True)
class Limits:
    """Everything that is refused beyond, on by default.

    Bytes, pixels, seconds and numbers of things; ``pixel_steps`` is the pixels of an iterative job's photograph times
    the steps of all its levels.
    """

    upload_bytes: int = 64 << 20
    max_pixels: int = MAX_PIXELS
    pixel_steps: float = 2e10
    files: int = 500
    queued: int = 200
    queued_per_owner: int = 50
    at_once: int = 32
    """Requests that wait for an answer at once, beyond which one is told to come back; no owner is kept from an equal
    share of them by others."""
    requests_per_minute: float = math.inf
    """Of one owner, that paint, or make a job or a style."""
    styles_per_owner: int = 200
    pictures_per_style: int = 16
    stored_per_owner: int = 4 << 30
    kept_seconds: float = 24 * 3600
    worker_memory: int = 4 << 30
    instant_seconds: float = 60
    """Within which an instant answer is to be there, else it becomes a job. For this and the others a task may take as
    much processor time as so many seconds of a machine that has nothing else to do."""
    card_seconds: float = 180
    job_seconds: float = 3600
    train_minutes: tuple[float, float] = (0.05, 120.0)
    """How long a network may learn: at least, and at most. What it begins as paints well already."""
    train_seconds: float = 900
    """What a training takes beside its minutes, at most: to read the photographs, and to make a style of it."""
    attempts: int = 5
    """How often a job may lose its worker, or meet a fault of the server's, before it is given up."""


class RateLimit:
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


class WaitingLimit:
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
