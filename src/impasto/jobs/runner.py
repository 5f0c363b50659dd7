"""JobRunner: runs one job item by item; each is painted by a worker and published once."""

from __future__ import annotations

import hashlib
import json
import logging
import math
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar

from impasto.errors import ImpastoError, OutputError
from impasto.jobs.durable_queue import Interrupted
from impasto.jobs.errors import Cancelled, StorageAway, StorageLost, Suspended, UnknownJob, WorkerLost
from impasto.jobs.limits import Limits
from impasto.jobs.name_resolution import NameResolver
from impasto.jobs.owners.models import Networks
from impasto.jobs.owners.styles import Galleries
from impasto.jobs.progress_hub import ProgressHub
from impasto.jobs.records.blobs import Blobs, make_folder
from impasto.jobs.records.error_codec import client_error, without_places
from impasto.jobs.records.job import LEFT_OUT, Item, Job, JobState, outcome
from impasto.jobs.records.ledger import Ledger
from impasto.jobs.training_order import Training
from impasto.jobs.workers.messages import Painted, Task
from impasto.jobs.workers.pool import Cancel, Pool
from impasto.jobs.workers.train_task import TrainTask
from impasto.logs import log_context
from impasto.picture.files import write_atomically

__all__ = ["JobRunner"]

Made = TypeVar("Made")

_LOG = logging.getLogger("impasto.jobs")
_SAVE_SECONDS = 12.0
"""Between checkpoints of a training: what a crash costs it."""
_DOWN_SECONDS = 1.0
"""How long to wait before asking again, where no worker can be started."""


class JobRunner:
    """Runs jobs of the ledger, as many at a time as it is called. Safe to use from several threads."""

    def __init__(
        self,
        home: Path,
        ledger: Ledger,
        blobs: Blobs,
        storing: threading.Lock,
        pool: Pool,
        progress: ProgressHub,
        galleries: Galleries,
        networks: Networks,
        resolver: NameResolver,
        limits: Limits,
    ) -> None:
        """``home`` is the folder for states of unfinished runs and for loss curves; ``storing`` is held from storing
        bytes to entering them in the ledger."""
        self._ledger, self._blobs, self._storing = ledger, blobs, storing
        self._pool, self._progress, self._limits = pool, progress, limits
        self._galleries, self._networks, self._resolver = galleries, networks, resolver
        self._home = home
        self._lock = threading.Lock()
        self._cancels: dict[tuple[str, str], Cancel] = {}
        self._failures: Counter[tuple[str, str]] = Counter()
        self._finished = threading.Condition(self._lock)
        self._suspended = False
        self._interrupted = set[Cancel]()
        self.has_failures = threading.Event()
        """Something was left undone since this was cleared: it is to be queued again."""

    def __call__(self, owner: str, id: str) -> None:
        """Do a job to its end; one that is done, deleted or being done already is left alone.

        Raises :class:`Interrupted` where the server stops: the job goes on at the next start.
        """
        cancel = Cancel()
        with self._lock:
            if (owner, id) in self._cancels:
                return
            if self._suspended:
                raise _suspended_error()
            self._cancels[owner, id] = cancel
        try:
            with log_context(job=id, owner=owner):
                self._do(owner, id, cancel)
        except UnknownJob:
            pass
        except Exception:
            self.has_failures.set()
            raise
        finally:
            with self._lock:
                del self._cancels[owner, id]
                self._interrupted.discard(cancel)
                self._finished.notify_all()

    def suspend(self) -> None:
        """Save and leave what is being done, and begin nothing: another server may have the jobs. What is left undone
        is to be queued again after :meth:`resume`."""
        with self._lock:
            self._suspended = True
            running = {*self._cancels.values()}
            self._interrupted |= running
        for cancel in running:
            cancel.cancel()

    def resume(self) -> None:
        """Begin jobs again."""
        self._suspended = False

    def cancel(self, owner: str, id: str) -> None:
        """Give up what is running of a job."""
        if found := self._cancel_of(owner, id):
            found.cancel()

    def keep(self, owner: str, id: str) -> None:
        """End what is running of a job with the best so far."""
        if found := self._cancel_of(owner, id):
            found.keep()

    def wait(self, owner: str, id: str, seconds: float = 10.0) -> None:
        """Until a job is not being done, or for so many seconds."""
        with self._lock:
            self._finished.wait_for(lambda: (owner, id) not in self._cancels, seconds)

    @property
    def doing(self) -> frozenset[tuple[str, str]]:
        """Owner and id of what is being done."""
        with self._lock:
            return frozenset(self._cancels)

    def forget(self, job: Job) -> None:
        """Remove what is kept of a job beside the ledger."""
        self._failures.pop((job.owner, job.id), None)
        self._trace_file(job.owner, job.id).unlink(missing_ok=True)
        self._forget_states(job)
        if job.kind == "train-style":
            # Unless it was published: then it is its style's.
            self._networks.withdraw(self._networks.identity(job))

    def trace(self, owner: str, id: str) -> list[dict[str, Any]]:
        """The losses by step of a running or finished job."""
        running = self._progress.trace(owner, id)
        if running is not None:
            return running
        try:
            found: list[dict[str, Any]] = json.loads(self._trace_file(owner, id).read_text())
        except FileNotFoundError:
            return []
        return found

    def _cancel_of(self, owner: str, id: str) -> Cancel | None:
        with self._lock:
            return self._cancels.get((owner, id))

    def _do(self, owner: str, id: str, cancel: Cancel) -> None:
        job = self._ledger.start(owner, id)
        if job.is_final:
            return
        _LOG.info("it runs")
        self._progress.begin(owner, id)
        self._progress.announce(owner)
        # Asked for before this server started.
        if job.cancelling:
            cancel.cancel()
        if job.keep:
            cancel.keep()
        try:
            state, error = self._items(job, cancel)
        except UnknownJob:
            raise
        except Exception as slip:  # a full disk, or a bug
            _LOG.warning("it was cut off: %s", slip, exc_info=not isinstance(slip, ImpastoError))
            # That the ledger or the blobs are away, or another's, is not the job's fault, however long it lasts.
            if self._suspended or isinstance(slip, (OutputError, StorageAway, Suspended)):
                raise
            self._failures[owner, id] += 1
            if self._failures[owner, id] < self._limits.attempts:
                raise
            message = without_places(f"the server could not do it: {type(slip).__name__}: {slip}")[:500]
            state, error = "failed", {"code": ImpastoError.code, "message": message}
        finally:
            running = self._progress.end(owner, id)
        if running is not None and running.trace:
            write_atomically(self._trace_file(owner, id), json.dumps(running.trace).encode())
        self._ledger.finish(owner, id, state, error)
        _LOG.info("it is %s", state)
        self._failures.pop((owner, id), None)
        if job.kind != "train-style" or state == "done":
            self._forget_states(job)
        else:
            # What was learnt is kept for a retry.
            self._networks.withdraw(self._networks.identity(job))
        self._progress.announce(owner)

    def _items(self, job: Job, cancel: Cancel) -> tuple[JobState, dict[str, Any] | None]:
        """The state that the job ends in, and what to say of the items that failed.

        What the server has lost is left for another try, and raised once the others are done; what it cannot store just
        now, at once.
        """
        failed = {item.index: item.error for item in job.items if item.error is not None}
        finished = sum(item.state != "waiting" for item in job.items)
        fault: ImpastoError | None = None
        meant = {self._resolver.current_fingerprint(job)}
        if any(item.state == "done" for item in job.items):
            # Those were made when it was what it is noted as.
            meant.add(job.fingerprint)
        for item in job.items:
            if item.state != "waiting":
                continue
            try:
                if job.kind == "train-style":
                    painted = self._train(job, item, cancel)
                else:
                    painted = self._paint(job, item, cancel, finished)
            except Cancelled:
                # Though it may be over by now: nobody asked for this job's end.
                if cancel in self._interrupted:
                    raise _suspended_error() from None
                return "cancelled", None
            except ImpastoError as failure:
                _LOG.info("item %d failed: %s", item.index, failure)
                seen = client_error(failure)
                if isinstance(seen, StorageAway):
                    raise seen from failure  # no fault of the picture's: it is tried again
                if isinstance(seen, StorageLost) and self._failures[job.owner, job.id] + 1 < self._limits.attempts:
                    fault = seen
                    continue
                failed[item.index] = {"code": seen.code, "message": str(seen)}
                self._ledger.fail_item(job.owner, job.id, item.index, seen.code, str(seen))
            else:
                self._publish(job, item, painted)
            finished += 1
            meant.add(self._resolver.current_fingerprint(job))
            self._progress.announce(job.owner)
        if meant != {job.fingerprint}:
            # A style or a model was replaced meanwhile: who orders what it was at first, or is now, gets a new job.
            mixed = hashlib.sha256("".join(sorted(meant)).encode()).hexdigest()
            self._ledger.set_fingerprint(job.owner, job.id, meant.pop() if len(meant) == 1 else mixed)
        if fault is not None:
            raise fault
        return outcome(job, failed)

    def _paint(self, job: Job, item: Item, cancel: Cancel, finished: int) -> Painted:
        task = Task(
            content=self._blobs.path(item.content),
            styles=[(weight, style.located(self._blobs.path)) for weight, style in item.style],
            files={role: self._blobs.path(sha256) for role, sha256 in job.files.items()},
            settings={name: value for name, value in job.settings.items() if name != LEFT_OUT},
            state=self._state_file(job, item),
            preview=True,
            max_pixels=self._limits.max_pixels,
            gallery=self._galleries.folder(job.owner),
        )

        def on_report(report: Mapping[str, Any]) -> None:
            self._progress.update(job.owner, job.id, report, (finished + report["done"]) / len(job.items))

        lane: Literal["interactive", "bulk"] = "bulk" if job.lane == "bulk" else "interactive"
        limit = self._limits.job_seconds
        # It was acknowledged: it waits for a worker as long as it takes.
        return self._with_retries(
            lambda: self._pool.paint(
                task,
                lane=lane,
                on_report=on_report,
                cancelled=cancel,
                timeout=limit,
                patience=math.inf,
                owner=job.owner,
            )
        )

    def _train(self, job: Job, item: Item, cancel: Cancel) -> Painted:
        """Have a network learn, and put its style into the owner's gallery; the last sheet of samples."""
        training, ((_, style),) = Training.from_json(job.settings), item.style
        run = self._run_folder(job)
        try:
            make_folder(run)
        except OSError as error:
            raise OutputError(f"cannot make {run}: {error.strerror}; see that the disk has space") from error
        task = TrainTask(
            painting=self._blobs.path(str(style.blob)),
            photos=tuple(self._blobs.path(sha256) for _, sha256 in sorted(job.files.items(), key=_number)),
            run=run,
            network=self._networks.identity(job),
            minutes=training.minutes,
            source=", ".join(text for text in training.texts.values() if text),
            max_pixels=self._limits.max_pixels,
            save_every=_SAVE_SECONDS,
            origin=self._networks.origin(job),
        )

        def on_report(report: Mapping[str, Any]) -> None:
            self._progress.update(job.owner, job.id, report, report["done"])

        limit = 60 * training.minutes + self._limits.train_seconds
        sample = self._with_retries(
            lambda: self._pool.train(task, on_report=on_report, cancelled=cancel, timeout=limit, owner=job.owner)
        )
        texts, limits = {**training.texts, "network": task.network}, self._limits
        # Not by the worker that has let all others go first: a server full of work has a place for this.
        card = self._with_retries(
            lambda: self._pool.card(
                training.name,
                [task.painting],
                texts,
                limits.max_pixels,
                timeout=limits.train_seconds,
                patience=math.inf,
                owner=job.owner,
            )
        )
        self._networks.publish(job.owner, card)
        return sample

    def _with_retries(self, do: Callable[[], Made]) -> Made:
        """Again, where the worker is lost through no fault of the job's."""
        deaths, deadline = 0, time.monotonic() + self._limits.job_seconds
        while True:
            try:
                return do()
            except WorkerLost as lost:
                if lost.reason == "stopped":
                    raise Interrupted from lost
                if lost.reason == "down" and time.monotonic() < deadline:
                    # Nobody's fault here: whatever keeps workers from starting may pass.
                    time.sleep(_DOWN_SECONDS)
                    continue
                deaths += 1
                # What takes too much memory or time once does so again.
                if lost.reason != "died" or deaths == self._limits.attempts:
                    raise

    def _publish(self, job: Job, item: Item, painted: Painted) -> None:
        with self._storing:
            sha256 = self._blobs.put(painted.data)
            self._ledger.publish(
                job.owner,
                job.id,
                item.index,
                result=sha256,
                media_type=painted.media_type,
                width=painted.width,
                height=painted.height,
                seconds=painted.seconds,
                complete=painted.complete,
                size=len(painted.data),
            )

    def _forget_states(self, job: Job) -> None:
        """Remove the saved runs of a job that is over."""
        for item in job.items:
            self._state_file(job, item).unlink(missing_ok=True)
        shutil.rmtree(self._run_folder(job), ignore_errors=True)

    def _state_file(self, job: Job, item: Item) -> Path:
        return self._home / f"{_file_key(job.owner, job.id)}.{item.index}.state"

    def _run_folder(self, job: Job) -> Path:
        return self._home / f"{_file_key(job.owner, job.id)}.style"

    def _trace_file(self, owner: str, id: str) -> Path:
        return self._home / f"{_file_key(owner, id)}.trace.json"


def _suspended_error() -> Suspended:
    return Suspended("another server holds this server's database; the job goes on when it is free")


def _number(file: tuple[str, str]) -> int:
    """Of a photograph, ``photo:3``."""
    return int(file[0].partition(":")[2])


def _file_key(owner: str, id: str) -> str:
    """A file's name that no owner can choose."""
    return hashlib.sha256(f"{owner}/{id}".encode()).hexdigest()[:40]
