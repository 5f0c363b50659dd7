"""Lane: errands that wait, first come, first served, and keepers that are free."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import Any, Protocol

from impasto.jobs.errand import Errand
from impasto.jobs.errors import Cancelled, QueueFull, WorkerLost

__all__ = ["Lane", "Taker"]


class Taker(Protocol):
    """Who does errands."""

    def give(self, errand: Errand[Any]) -> None:
        """Do this one; must not wait."""

    def wake(self) -> None:
        """Look what is new; must not wait."""


class Lane:
    """Safe to use from several threads."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._lock = threading.Lock()
        self._waiting: deque[Errand[Any]] = deque()
        self._takers: set[Taker] = set()
        self._free: list[Taker] = []
        self._busy: dict[Errand[Any], Taker] = {}
        self._down: dict[Taker, str] = {}
        self._closed = False

    def __len__(self) -> int:
        """How many errands wait."""
        return len(self._waiting)

    def join(self, taker: Taker) -> None:
        """One more is going to do errands."""
        with self._lock:
            self._takers.add(taker)

    def put(self, errand: Errand[Any]) -> None:
        """Have it done. It fails with :class:`WorkerLost` where there is nobody who could."""
        if errand.cancel is not None:
            cancel = errand.cancel

            def heed() -> None:
                self._heed(errand)

            cancel.listen(heed)
            errand.future.add_done_callback(lambda _: cancel.forget(heed))
        self._enter(errand)

    def put_back(self, errand: Errand[Any]) -> None:
        """It was taken and not begun: it is the next one."""
        self.done(errand)
        self._enter(errand, first=True)

    def take(self, taker: Taker) -> Errand[Any] | None:
        """The next errand for one that is ready; without any, it is free and is given one when there is."""
        with self._lock:
            if self._waiting:
                errand = self._waiting.popleft()
                self._busy[errand] = taker
                return errand
            self._free.append(taker)
            return None

    def withdraw(self, taker: Taker) -> None:
        """It is free no more. It may have been given an errand just before."""
        with self._lock:
            if taker in self._free:
                self._free.remove(taker)

    def done(self, errand: Errand[Any]) -> None:
        """Nobody is at it any more."""
        with self._lock:
            self._busy.pop(errand, None)

    def down(self, taker: Taker, reason: str) -> None:
        """It cannot do any errands for now. Where none can, those that wait fail."""
        with self._lock:
            self._down[taker] = reason
            error = self._refusal()
            if error is None:
                return
            left = list(self._waiting)
            self._waiting.clear()
        for errand in left:
            errand.fail(WorkerLost(str(error), error.reason))

    def up(self, taker: Taker) -> None:
        """It can."""
        with self._lock:
            self._down.pop(taker, None)

    def expire(self) -> None:
        """Give up what has waited too long."""
        if not self._waiting:
            return
        now = time.monotonic()
        with self._lock:
            late = [errand for errand in self._waiting if now - errand.asked > errand.limit]
            for errand in late:
                self._waiting.remove(errand)
        for errand in late:
            errand.fail(QueueFull(f"no worker was free for {errand.limit:g} seconds; try again later"))

    def close(self) -> None:
        """Take no more; what waits is lost to this process."""
        with self._lock:
            self._closed = True
            left = list(self._waiting)
            self._waiting.clear()
        for errand in left:
            errand.fail(_stopped())

    def _refusal(self) -> WorkerLost | None:
        if self._closed:
            return _stopped()
        if self._takers and len(self._down) == len(self._takers):
            return WorkerLost(f"no worker can be started: {next(iter(self._down.values()))}", "down")
        return None

    def _enter(self, errand: Errand[Any], *, first: bool = False) -> None:
        with self._lock:
            error = self._refusal()
            if error is None and self._free:
                taker = self._free.pop()
                self._busy[errand] = taker
                taker.give(errand)
            elif error is None and first:
                self._waiting.appendleft(errand)
            elif error is None:
                self._waiting.append(errand)
        if error is not None:
            errand.fail(error)
        elif errand.cancelled:
            self._heed(errand)

    def _heed(self, errand: Errand[Any]) -> None:
        """Something was said about it: one that waits is given up at once, else who does it is told."""
        with self._lock:
            waiting = errand in self._waiting
            if waiting and errand.cancelled:
                self._waiting.remove(errand)
            taker = self._busy.get(errand)
        if waiting and errand.cancelled:
            errand.fail(Cancelled("it was given up before it began"))
        elif taker is not None:
            taker.wake()


def _stopped() -> WorkerLost:
    return WorkerLost("the server is stopping; try again when it is back", "stopped")
