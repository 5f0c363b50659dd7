"""Retry: a server that is busy or away is asked again, for a while."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from impasto.client.errors import Busy, NoAnswer

if TYPE_CHECKING:
    from tenacity import RetryCallState

__all__ = ["Retry"]

T = TypeVar("T")

_BUSY, _AWAY = 120.0, 60.0
"""Seconds after which it is given up."""
_LEAST, _AGAIN = 0.5, 1.0
"""Seconds between two requests: at the least, and to a server that is away."""
_SLICE = 0.2


class Retry:
    """A server that never answered is not waited for: its address may be wrong.

    >>> from impasto.client import Client, Retry
    >>> client = Client("http://127.0.0.1:8000", retry=Retry(print))
    """

    def __init__(self, on_wait: Callable[[str], None] = lambda _: None) -> None:
        """``on_wait`` gets a sentence, once each time, of what is waited for."""
        self._on_wait, self._answered = on_wait, False
        self._stop: Callable[[], bool] = lambda: False

    @contextmanager
    def until(self, stop: Callable[[], bool]) -> Generator[None, None, None]:
        """Meanwhile, waiting ends with :class:`KeyboardInterrupt` once ``stop`` says so."""
        before, self._stop = self._stop, stop
        try:
            yield
        finally:
            self._stop = before

    def call(self, request: Callable[[], T]) -> T:
        """The answer to a request that may be made twice.

        Raises :class:`Busy` and :class:`NoAnswer` once it was long enough, and other errors at once.
        """
        # Each of the two has its own time: who is busy is back.
        return self._asked(lambda: self._asked(request, Busy, _BUSY), NoAnswer, _AWAY)

    def _asked(self, request: Callable[[], T], error: type[Busy | NoAnswer], seconds: float) -> T:
        from tenacity import Retrying

        def again(state: RetryCallState) -> bool:
            assert state.outcome is not None
            found = state.outcome.exception()
            self._answered = self._answered or not isinstance(found, NoAnswer)
            return isinstance(found, error) and self._answered

        def pause(state: RetryCallState) -> float:
            found = state.outcome.exception() if state.outcome else None
            wanted = max(_LEAST, found.retry_after) if isinstance(found, Busy) else _AGAIN
            return min(wanted, max(0.0, seconds - (state.seconds_since_start or 0.0)))

        def say(state: RetryCallState) -> None:
            if state.attempt_number == 1 and state.outcome:
                self._on_wait(f"{state.outcome.exception()}; asking again for {seconds:.0f} s")

        return Retrying(
            retry=again,
            wait=pause,
            stop=lambda state: (state.seconds_since_start or 0.0) >= seconds,
            before_sleep=say,
            sleep=self._sleep,
            reraise=True,
        )(request)

    def _sleep(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if self._stop():
                raise KeyboardInterrupt
            time.sleep(min(left, _SLICE))
