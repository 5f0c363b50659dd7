"""Errand: a message on its way to a worker, and what the caller gets for it; Cancel, a word about it from elsewhere."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from impasto import logs
from impasto.errors import ImpastoError
from impasto.jobs.workers.transport import Message

__all__ = ["Cancel", "Errand", "Told"]

T = TypeVar("T")
Told = Callable[[dict[str, Any]], None]
"""Is given a worker's report, from another thread than the caller's; must not wait."""


class Cancel:
    """Ends tasks from elsewhere, before or while they run. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._listeners: list[Callable[[], None]] = []
        self.cancelled = False
        """Whether they are given up."""
        self.kept = False
        """Whether they end with the best so far."""

    def cancel(self) -> None:
        """Give up."""
        self.cancelled = True
        self._tell()

    def keep(self) -> None:
        """Stop here, with the best so far; what cannot be ended early goes on to its end."""
        self.kept = True
        self._tell()

    def listen(self, listener: Callable[[], None]) -> None:
        """Call ``listener`` after every word."""
        with self._lock:
            self._listeners.append(listener)

    def forget(self, listener: Callable[[], None]) -> None:
        """Call it no more."""
        with self._lock:
            self._listeners.remove(listener)

    def _tell(self) -> None:
        with self._lock:
            listeners = list(self._listeners)
        for listener in listeners:
            listener()


@dataclass(eq=False, slots=True)
class Errand(Generic[T]):
    """What a worker is asked, and who waits for it.

    ``finished`` makes of the worker's last message what the caller gets. ``limit`` is what the worker may take, in
    seconds of all the processors that it computes with; ``patience`` is how many seconds it may wait for one, by
    default as many. ``owner`` is whose it is: lanes are fair between owners. ``due`` is the moment, of the monotonic
    clock, at which the answer is of no use any more as an instant one.
    """

    header: Mapping[str, Any]
    blobs: Sequence[bytes]
    finished: Callable[[Message], T]
    limit: float
    told: Told | None = None
    cancel: Cancel | None = None
    owner: str = ""
    patience: float | None = None
    due: float | None = None
    future: Future[T] = field(default_factory=Future)
    asked: float = field(default_factory=time.monotonic)
    about: Mapping[str, str] = field(default_factory=logs.facts)
    _heed: Callable[[], None] | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        # Who wants it ended says so to its Cancel.
        self.future.set_running_or_notify_cancel()

    @property
    def is_late(self) -> bool:
        """Whether it has waited too long for a worker."""
        patience = self.limit if self.patience is None else self.patience
        return time.monotonic() - self.asked > patience

    @property
    def cancelled(self) -> bool:
        return self.cancel is not None and self.cancel.cancelled

    @property
    def kept(self) -> bool:
        return self.cancel is not None and self.cancel.kept

    def listen(self, heed: Callable[[], None]) -> None:
        """Call ``heed`` after every word of its Cancel, until it is over."""
        if self.cancel is not None:
            self._heed = heed
            self.cancel.listen(heed)

    def fail(self, error: BaseException) -> None:
        """Let the caller have an error."""
        self._end()
        self.future.set_exception(error)

    def finish(self, message: Message) -> None:
        """Let the caller have what came of it; an error where the message is not what it should be."""
        try:
            result = self.finished(message)
        except Exception:
            self.fail(ImpastoError("a worker answered what nobody understands; try again"))
        else:
            self._end()
            self.future.set_result(result)

    def _end(self) -> None:
        # Not as a callback of the future, which would hold on to it, and both to the pictures, when all is over.
        heed, self._heed = self._heed, None
        if self.cancel is not None and heed is not None:
            self.cancel.forget(heed)
