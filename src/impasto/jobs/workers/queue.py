"""Lane: errands that wait, fair between their owners, and keepers that are free."""

from __future__ import annotations

import threading
from collections import Counter, deque
from itertools import chain, count
from typing import Any, Protocol

from impasto.jobs.errors import Cancelled, QueueFull, WorkerLost
from impasto.jobs.workers.call import Errand

__all__ = ["Lane", "Taker"]


class Taker(Protocol):
    """Who does errands."""

    def give(self, errand: Errand[Any]) -> None:
        """Do this one; must not wait."""

    def wake(self) -> None:
        """Look what is new; must not wait."""


class Lane:
    """An owner's own are done first come, first served. Between owners, the next is one of those who have the least
    being done just now, and of these who has had no turn for longest. Safe to use from several threads."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._lock = threading.Lock()
        self._waiting: dict[str, deque[Errand[Any]]] = {}
        self._turns, self._counted = dict[str, int](), count()
        self._takers: set[Taker] = set()
        self._free: list[Taker] = []
        self._busy: dict[Errand[Any], Taker] = {}
        self._down: dict[Taker, str] = {}
        self._closed = False

    def __len__(self) -> int:
        """How many errands wait."""
        with self._lock:
            return sum(map(len, self._waiting.values()))

    def join(self, taker: Taker) -> None:
        """One more is going to do errands."""
        with self._lock:
            self._takers.add(taker)

    def put(self, errand: Errand[Any]) -> None:
        """Have it done. It fails with :class:`WorkerLost` where there is nobody who could."""
        errand.listen(lambda: self._heed(errand))
        self._enter(errand)

    def put_back(self, errand: Errand[Any]) -> None:
        """It was taken and not begun: it is the next one."""
        self.done(errand)
        self._enter(errand, first=True)

    def take(self, taker: Taker) -> Errand[Any] | None:
        """The next errand for one that is ready; without any, it is free and is given one when there is."""
        with self._lock:
            if self._waiting:
                errand = self._pop()
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
            left = self._cleared()
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
        with self._lock:
            late = [errand for errand in chain.from_iterable(self._waiting.values()) if errand.is_late]
            for errand in late:
                self._remove(errand)
        for errand in late:
            patience = errand.limit if errand.patience is None else errand.patience
            errand.fail(QueueFull(f"no worker was free for {patience:g} seconds; try again later"))

    def close(self) -> None:
        """Take no more; what waits is lost to this process."""
        with self._lock:
            self._closed = True
            left = self._cleared()
        for errand in left:
            errand.fail(_stopped())

    def _pop(self) -> Errand[Any]:
        """The next one."""
        busy = Counter(errand.owner for errand in self._busy)
        owner = min(self._waiting, key=lambda owner: (busy[owner], self._turns.get(owner, -1)))
        errand = self._waiting[owner].popleft()
        self._drop_empty(owner)
        # Of those who ask for nothing any more, nothing is remembered.
        self._turns = {one: turn for one, turn in self._turns.items() if one in self._waiting or busy[one]}
        self._turns[owner] = next(self._counted)
        return errand

    def _remove(self, errand: Errand[Any]) -> None:
        self._waiting[errand.owner].remove(errand)
        self._drop_empty(errand.owner)

    def _drop_empty(self, owner: str) -> None:
        if not self._waiting[owner]:
            del self._waiting[owner]

    def _cleared(self) -> list[Errand[Any]]:
        left = [*chain.from_iterable(self._waiting.values())]
        self._waiting.clear()
        return left

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
                self._waiting.setdefault(errand.owner, deque()).appendleft(errand)
                self._turns.pop(errand.owner, None)
            elif error is None:
                self._waiting.setdefault(errand.owner, deque()).append(errand)
        if error is not None:
            errand.fail(error)
        elif errand.cancelled:
            self._heed(errand)

    def _heed(self, errand: Errand[Any]) -> None:
        """Something was said about it: one that waits is given up at once, else who does it is told."""
        with self._lock:
            waiting = errand in self._waiting.get(errand.owner, ())
            if waiting and errand.cancelled:
                self._remove(errand)
            taker = self._busy.get(errand)
        if waiting and errand.cancelled:
            errand.fail(Cancelled("it was given up before it began"))
        elif taker is not None:
            taker.wake()


def _stopped() -> WorkerLost:
    return WorkerLost("the server is stopping; try again when it is back", "stopped")
