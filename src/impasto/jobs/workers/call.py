"""WorkerCall: a message for a worker, with the future that its caller waits for; Cancel, which ends it from
elsewhere."""

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

__all__ = ["Cancel", "ReportListener", "WorkerCall"]

T = TypeVar("T")
ReportListener = Callable[[dict[str, Any]], None]
"""Receives a worker's report, in another thread than the caller's; must not block."""


class Cancel:
    """Ends tasks from elsewhere, before or while they run. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._listeners: list[Callable[[], None]] = []
        self.cancelled = False
        """Whether the tasks are cancelled."""
        self.kept = False
        """Whether the tasks end early with the best result so far."""

    def cancel(self) -> None:
        """Cancel the tasks."""
        self.cancelled = True
        self._notify()

    def keep(self) -> None:
        """End early with the best result so far; a task that cannot be ended early runs to its end."""
        self.kept = True
        self._notify()

    def listen(self, listener: Callable[[], None]) -> None:
        """Call ``listener`` whenever the tasks are cancelled or kept."""
        with self._lock:
            self._listeners.append(listener)

    def forget(self, listener: Callable[[], None]) -> None:
        """Stop calling ``listener``."""
        with self._lock:
            self._listeners.remove(listener)

    def _notify(self) -> None:
        with self._lock:
            listeners = list(self._listeners)
        for listener in listeners:
            listener()


@dataclass(eq=False, slots=True)
class WorkerCall(Generic[T]):
    """A request to a worker, and the future of its caller.

    ``decode_result`` makes of the worker's last message what the caller gets. ``limit`` is what the worker may take, in
    seconds of all the processors that it computes with; ``patience`` is how many seconds it may wait for one, by
    default as many. ``owner`` is whose it is: lanes are fair between owners. ``due`` is the moment, of the monotonic
    clock, at which the answer is of no use any more as an instant one.
    """

    header: Mapping[str, Any]
    blobs: Sequence[bytes]
    decode_result: Callable[[Message], T]
    limit: float
    on_report: ReportListener | None = None
    cancel: Cancel | None = None
    owner: str = ""
    patience: float | None = None
    due: float | None = None
    future: Future[T] = field(default_factory=Future)
    created: float = field(default_factory=time.monotonic)
    about: Mapping[str, str] = field(default_factory=logs.log_facts)
    _listener: Callable[[], None] | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        # Who wants it ended says so to its Cancel.
        self.future.set_running_or_notify_cancel()

    @property
    def is_late(self) -> bool:
        """Whether it has waited too long for a worker."""
        patience = self.limit if self.patience is None else self.patience
        return time.monotonic() - self.created > patience

    @property
    def cancelled(self) -> bool:
        return self.cancel is not None and self.cancel.cancelled

    @property
    def kept(self) -> bool:
        return self.cancel is not None and self.cancel.kept

    def listen(self, listener: Callable[[], None]) -> None:
        """Call ``listener`` whenever it is cancelled or kept, until it is over."""
        if self.cancel is not None:
            self._listener = listener
            self.cancel.listen(listener)

    def fail(self, error: BaseException) -> None:
        """Give the caller an error instead of a result."""
        self._end()
        self.future.set_exception(error)

    def finish(self, message: Message) -> None:
        """Give the caller the decoded result, or an error if the message is malformed."""
        try:
            result = self.decode_result(message)
        except Exception:
            self.fail(ImpastoError("a worker sent an answer that cannot be decoded; try again"))
        else:
            self._end()
            self.future.set_result(result)

    def _end(self) -> None:
        # Not as a callback of the future, which would hold on to it, and both to the pictures, when all is over.
        heed, self._listener = self._listener, None
        if self.cancel is not None and heed is not None:
            self.cancel.forget(heed)
