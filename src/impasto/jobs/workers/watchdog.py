"""Watch: whether a process that works still does, and how much of the processor it has had."""

from __future__ import annotations

import time
from typing import Literal, Protocol

__all__ = ["SILENT_SECONDS", "Watchdog", "Watched"]

SILENT_SECONDS = 30.0
"""A process that is given work and has used no processor for so long hangs: on the busiest machine it would have had
some."""
_PULSE = 0.01
"""Seconds of processor that count as some, the step in which systems tell them."""


class Watched(Protocol):
    """What is watched."""

    @property
    def cpu_seconds(self) -> float:
        """Seconds of processor time since it was started."""


class Watchdog:
    """Of one process at one piece of work. It limits processor time, not the clock's: beside much other work, the same
    takes longer, and that does not count against it."""

    def __init__(self, process: Watched, limit: float) -> None:
        """``limit`` is in seconds of processor time."""
        self._process, self._limit = process, limit
        self._began = self._seen = process.cpu_seconds
        self._moved = time.monotonic()

    def exceeded(self, silence: float | None = None) -> Literal["time", "silent"] | None:
        """Why it is to be ended, if it is: it had too much, or none for ``silence`` seconds."""
        used, now = self._process.cpu_seconds, time.monotonic()
        if used - self._seen >= _PULSE:
            self._seen, self._moved = used, now
        if used - self._began > self._limit:
            return "time"
        return "silent" if now - self._moved > (SILENT_SECONDS if silence is None else silence) else None
