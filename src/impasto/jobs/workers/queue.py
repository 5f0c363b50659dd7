"""WorkerQueue: calls that wait, shared fairly between owners, and the consumers that are free."""

from __future__ import annotations

import threading
from collections import Counter, deque
from itertools import chain, count
from typing import Any, Protocol

from impasto.jobs.errors import Cancelled, QueueFull, WorkerLost
from impasto.jobs.workers.call import WorkerCall

__all__ = ["Consumer", "WorkerQueue"]


class Consumer(Protocol):
    """Runs calls."""

    def give(self, call: WorkerCall[Any]) -> None:
        """Run this call; must not block."""

    def wake(self) -> None:
        """Look what has changed; must not block."""


class WorkerQueue:
    """An owner's own are done first come, first served. Between owners, the next is one of those who have the least
    being done just now, and of these who has had no turn for longest. Safe to use from several threads."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._lock = threading.Lock()
        self._waiting: dict[str, deque[WorkerCall[Any]]] = {}
        self._turns, self._counted = dict[str, int](), count()
        self._consumers: set[Consumer] = set()
        self._free: list[Consumer] = []
        self._busy: dict[WorkerCall[Any], Consumer] = {}
        self._down: dict[Consumer, str] = {}
        self._closed = False

    def __len__(self) -> int:
        """How many calls wait."""
        with self._lock:
            return sum(map(len, self._waiting.values()))

    def join(self, consumer: Consumer) -> None:
        """Register a consumer."""
        with self._lock:
            self._consumers.add(consumer)

    def put(self, call: WorkerCall[Any]) -> None:
        """Queue a call. It fails with :class:`WorkerLost` where no consumer can run it."""
        call.listen(lambda: self._on_request(call))
        self._enqueue(call)

    def put_back(self, call: WorkerCall[Any]) -> None:
        """Put a call that was taken but not begun back to the front."""
        self.mark_done(call)
        self._enqueue(call, first=True)

    def take(self, consumer: Consumer) -> WorkerCall[Any] | None:
        """The next call for a consumer that is ready; if there is none, it counts as free and is given one later."""
        with self._lock:
            if self._waiting:
                call = self._pop()
                self._busy[call] = consumer
                return call
            self._free.append(consumer)
            return None

    def withdraw(self, consumer: Consumer) -> None:
        """The consumer is no longer free. It may have been given a call just before."""
        with self._lock:
            if consumer in self._free:
                self._free.remove(consumer)

    def mark_done(self, call: WorkerCall[Any]) -> None:
        """The call is no longer being run."""
        with self._lock:
            self._busy.pop(call, None)

    def mark_down(self, consumer: Consumer, reason: str) -> None:
        """The consumer cannot run calls for now. If no consumer can, all waiting calls fail."""
        with self._lock:
            self._down[consumer] = reason
            error = self._refusal()
            if error is None:
                return
            left = self._clear()
        for call in left:
            call.fail(WorkerLost(str(error), error.reason))

    def mark_up(self, consumer: Consumer) -> None:
        """The consumer can run calls again."""
        with self._lock:
            self._down.pop(consumer, None)

    def expire(self) -> None:
        """Fail calls that have waited too long."""
        if not self._waiting:
            return
        with self._lock:
            late = [call for call in chain.from_iterable(self._waiting.values()) if call.is_late]
            for call in late:
                self._remove(call)
        for call in late:
            patience = call.limit if call.patience is None else call.patience
            call.fail(QueueFull(f"no worker was free for {patience:g} seconds; try again later"))

    def close(self) -> None:
        """Accept no more calls; those that wait fail."""
        with self._lock:
            self._closed = True
            left = self._clear()
        for call in left:
            call.fail(_stopping_error())

    def _pop(self) -> WorkerCall[Any]:
        """The next one."""
        busy = Counter(call.owner for call in self._busy)
        owner = min(self._waiting, key=lambda owner: (busy[owner], self._turns.get(owner, -1)))
        call = self._waiting[owner].popleft()
        self._drop_empty(owner)
        # Of those who ask for nothing any more, nothing is remembered.
        self._turns = {one: turn for one, turn in self._turns.items() if one in self._waiting or busy[one]}
        self._turns[owner] = next(self._counted)
        return call

    def _remove(self, call: WorkerCall[Any]) -> None:
        self._waiting[call.owner].remove(call)
        self._drop_empty(call.owner)

    def _drop_empty(self, owner: str) -> None:
        if not self._waiting[owner]:
            del self._waiting[owner]

    def _clear(self) -> list[WorkerCall[Any]]:
        left = [*chain.from_iterable(self._waiting.values())]
        self._waiting.clear()
        return left

    def _refusal(self) -> WorkerLost | None:
        if self._closed:
            return _stopping_error()
        if self._consumers and len(self._down) == len(self._consumers):
            return WorkerLost(f"no worker can be started: {next(iter(self._down.values()))}", "down")
        return None

    def _enqueue(self, call: WorkerCall[Any], *, first: bool = False) -> None:
        with self._lock:
            error = self._refusal()
            if error is None and self._free:
                consumer = self._free.pop()
                self._busy[call] = consumer
                consumer.give(call)
            elif error is None and first:
                self._waiting.setdefault(call.owner, deque()).appendleft(call)
                self._turns.pop(call.owner, None)
            elif error is None:
                self._waiting.setdefault(call.owner, deque()).append(call)
        if error is not None:
            call.fail(error)
        elif call.cancelled:
            self._on_request(call)

    def _on_request(self, call: WorkerCall[Any]) -> None:
        """The call was cancelled or is to be kept: if it waits it is cancelled at once, else its consumer is woken."""
        with self._lock:
            waiting = call in self._waiting.get(call.owner, ())
            if waiting and call.cancelled:
                self._remove(call)
            consumer = self._busy.get(call)
        if waiting and call.cancelled:
            call.fail(Cancelled("it was cancelled before it began"))
        elif consumer is not None:
            consumer.wake()


def _stopping_error() -> WorkerLost:
    return WorkerLost("the server is stopping; try again when it is back", "stopped")
