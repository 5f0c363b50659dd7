"""Maintenance: removes old jobs, queues lost ones again, and gives way to another server."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from itertools import count

from impasto.jobs.durable_queue import DurableQueue
from impasto.jobs.errors import UnknownJob
from impasto.jobs.limits import Limits
from impasto.jobs.progress_hub import ProgressHub
from impasto.jobs.records.blobs import Blobs
from impasto.jobs.records.ledger import Ledger
from impasto.jobs.runner import JobRunner

__all__ = ["Maintenance"]

_LOG = logging.getLogger("impasto.jobs")
_SWEEP_SECONDS = 60
_LOOKS = 6
"""So often between two sweeps, what was left undone is queued again."""
_UNUSED_SECONDS = 3600
"""How long a blob may lie without a job: one that was uploaded while the job was refused, or is not entered yet."""


class Maintenance:
    """In a thread of its own from :meth:`start` to :meth:`end`; :meth:`on_lock_lost`, :meth:`on_lock_taken` and
    :meth:`on_lock_regained` are for the ledger's claim."""

    def __init__(
        self,
        ledger: Ledger,
        blobs: Blobs,
        storing: threading.Lock,
        queue: DurableQueue,
        runner: JobRunner,
        progress: ProgressHub,
        delete: Callable[[str, str], None],
        limits: Limits,
    ) -> None:
        """``storing`` is as of :class:`JobRunner`; ``delete(owner, id)`` removes a job with all that is kept of it."""
        self._ledger, self._blobs, self._storing = ledger, blobs, storing
        self._queue, self._runner, self._progress = queue, runner, progress
        self._delete, self._limits = delete, limits
        self._ended = threading.Event()
        self.turning = threading.Lock()
        """Held while the queue is being stopped or started."""

    @property
    def has_ended(self) -> bool:
        """Whether everything is being shut down."""
        return self._ended.is_set()

    def start(self) -> None:
        """Begin to look after them."""
        threading.Thread(target=self._run, name="impasto-sweep", daemon=True).start()

    def end(self) -> None:
        """Begin nothing more."""
        self._ended.set()

    def on_lock_lost(self) -> None:
        """The database may be another server's by now."""
        self._runner.suspend()

    def on_lock_taken(self) -> None:
        """It is."""
        with self.turning:
            self._queue.stop()

    def on_lock_regained(self) -> None:
        """It is this one's again."""
        with self.turning:
            if self.has_ended:
                return
            self._runner.resume()
            self._queue.start()
            self._take_up()

    def sweep(self) -> None:
        """Delete what is older than it is kept, and queue again what has fallen out of its queue."""
        if not self._ledger.is_held:
            return
        for job in self._ledger.expired(time.time()):
            with suppress(UnknownJob):
                self._delete(job.owner, job.id)
        self._ledger.forget_events(time.time() - self._limits.kept_seconds)
        with self._storing:
            self._blobs.sweep(self._ledger.referenced(), _UNUSED_SECONDS)
        self._take_up()

    def _run(self) -> None:
        rounds = count(1)
        while not self._ended.wait(_SWEEP_SECONDS / _LOOKS):
            try:
                self._progress.announce_all()
                if next(rounds) % _LOOKS == 0:
                    self.sweep()
                elif self._ledger.is_held and self._runner.has_failures.is_set():
                    self._take_up()
            except Exception:  # a full disk, say, that is not full the next time
                _LOG.exception("old jobs could not be removed; this is tried again")

    def _take_up(self) -> None:
        """Queue again what has fallen out of its queue."""
        self._runner.has_failures.clear()
        self._queue.enqueue_missing(self._ledger.unfinished(), self._runner.doing)
