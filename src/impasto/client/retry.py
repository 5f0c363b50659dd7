"""Patience: asks a server again that is busy or away, for a while."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from impasto.client import Busy, NoAnswer

__all__ = ["Patience"]

T = TypeVar("T")

_BUSY, _AWAY = 120.0, 60.0
"""Seconds after which it is given up."""
_LEAST, _AGAIN = 0.5, 1.0
"""Seconds between two questions: at the least, and to a server that is away."""
_SLICE = 0.2


class Patience:
    """A server that never answered is not waited for: its address may be wrong."""

    def __init__(self, told: Callable[[str], None]) -> None:
        """``told`` is told, once each time, what is waited for."""
        self._told, self._met = told, False

    def ask(self, question: Callable[[], T], stop: Callable[[], bool] = lambda: False) -> T:
        """The answer to a question that may be put twice.

        Raises :class:`Busy` and :class:`NoAnswer` once it was long enough, other errors at once, and
        :class:`KeyboardInterrupt` where ``stop`` says so while there is nothing but waiting.
        """
        limits: dict[type[Exception], float] = {}
        while True:
            began = time.monotonic()
            try:
                found = question()
            except Busy as error:
                self._met = True
                self._wait(error, began + _BUSY, max(_LEAST, error.retry_after), limits, stop)
            except NoAnswer as error:
                if not self._met:
                    raise
                self._wait(error, began + _AWAY, _AGAIN, limits, stop)
            else:
                self._met = True
                return found

    def _wait(
        self,
        error: Exception,
        limit: float,
        seconds: float,
        limits: dict[type[Exception], float],
        stop: Callable[[], bool],
    ) -> None:
        """So long, or until the limit that was set when it was first met; then raises it."""
        if type(error) not in limits:
            # Not both at once: who is busy is back.
            limits.clear()
            limits[type(error)] = limit
            self._told(f"{error}; asking again for {limit - time.monotonic():.0f} s")
        limit = limits[type(error)]
        until = min(time.monotonic() + seconds, limit)
        if until <= time.monotonic():
            raise error
        while (left := until - time.monotonic()) > 0:
            if stop():
                raise KeyboardInterrupt
            time.sleep(min(left, _SLICE))
