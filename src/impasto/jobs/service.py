"""Jobs: the one door to this room."""

from __future__ import annotations

import builtins
import logging
import os
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

from impasto.errors import RequestError, StyleError
from impasto.jobs.admission import Admission
from impasto.jobs.durable_queue import DurableQueue
from impasto.jobs.errors import NotReady, QueueFull, StorageLost, TooDear, UnknownJob, WorkerLost
from impasto.jobs.job_from_order import job_from_order
from impasto.jobs.limits import Limits, RateLimit, WaitingLimit
from impasto.jobs.maintenance import Maintenance
from impasto.jobs.name_resolution import NameResolver
from impasto.jobs.order import Order, unknown_model_error
from impasto.jobs.owners.models import Networks
from impasto.jobs.owners.styles import Galleries
from impasto.jobs.progress_hub import Listener, Message, ProgressHub
from impasto.jobs.records.blobs import Blobs
from impasto.jobs.records.home_lock import lock_home
from impasto.jobs.records.job import Item, Job, Lane
from impasto.jobs.records.ledger import Ledger
from impasto.jobs.records.style_ref import StyleRef
from impasto.jobs.runner import JobRunner
from impasto.jobs.view import view
from impasto.jobs.workers.messages import Painted, Task
from impasto.jobs.workers.pool import Cancel, Pool
from impasto.models import Model
from impasto.picture.error_context import naming_errors
from impasto.styles import Gallery, StyleCard

__all__ = ["Jobs"]

_LOG = logging.getLogger("impasto.jobs")


class Jobs:
    """Takes orders, at once or as jobs that outlive the process. Safe to use from several threads; one in a process."""

    def __init__(
        self,
        home: Path,
        *,
        database: str | None = None,
        limits: Limits | None = None,
        interactive: int | None = None,
        bulk: int | None = None,
        gallery: Gallery | None = None,
    ) -> None:
        """``home`` is the folder for everything, ``database`` the URL of PostgreSQL in place of SQLite files there;
        ``interactive`` and ``bulk`` are how many workers each lane has. Raises :class:`RequestError` where another
        process has that folder or that database."""
        self._held = lock_home(home)
        self.limits = Limits() if limits is None else limits
        self._galleries = Galleries(Gallery() if gallery is None else gallery, home / "styles")
        self._blobs = Blobs(home / "blobs")
        self._ledger = Ledger(database or f"sqlite:///{home / 'jobs.sqlite'}")
        self._pool = Pool(
            interactive=interactive,
            bulk=bulk,
            probing=1,
            training=1,
            memory_limit=self.limits.worker_memory,
            time_limit=self.limits.job_seconds,
            home=self._galleries.base.folder,
        )
        self._networks, self._resolver = Networks(self._galleries), NameResolver(self._galleries, self._blobs)
        self._admission = Admission(self._ledger, self._pool, self._galleries, self._networks, self.limits)
        self._progress = ProgressHub(self.messages, self._ledger.last_event)
        (home / "runs").mkdir(exist_ok=True)
        self._storing = threading.Lock()
        self._runner = JobRunner(
            home / "runs",
            self._ledger,
            self._blobs,
            self._storing,
            self._pool,
            self._progress,
            self._galleries,
            self._networks,
            self._resolver,
            self.limits,
        )
        lanes = {lane: max(1, self._pool.workers(lane)) for lane in get_args(Lane)}
        self._queue = DurableQueue(database or f"sqlite:///{home / 'workflows.sqlite'}", self._runner, lanes)
        self._waiting, self._rate = WaitingLimit(), RateLimit(self.limits.requests_per_minute)
        self._maintenance = upkeep = Maintenance(
            self._ledger,
            self._blobs,
            self._storing,
            self._queue,
            self._runner,
            self._progress,
            self.delete,
            self.limits,
        )
        try:
            self._ledger.claim(lost=upkeep.on_lock_lost, beaten=upkeep.on_lock_taken, regained=upkeep.on_lock_regained)
        except BaseException:
            self._pool.stop(0)
            self._ledger.close()
            os.close(self._held)
            raise

    def start(self) -> None:
        """Start workers, take up what was cut off, and begin to expire what is old."""
        self._pool.start()
        self._queue.start()
        self._queue.enqueue_missing(self._ledger.unfinished())
        self._maintenance.start()

    def stop(self, grace: float = 8.0, last: float | None = None) -> None:
        """Take no more; let what runs end within ``grace`` seconds, or save it to go on at the next start.

        The queue's own threads are waited for, or ``last`` seconds at most, where the process ends with this.
        """
        self._maintenance.end()
        self._pool.stop(grace)
        with self._maintenance.turning:
            self._queue.stop(last)
        self._ledger.close()
        os.close(self._held)

    def paint(self, order: Order, owner: str, cancel: Cancel | None = None, *, or_job: bool = False) -> Painted:
        """Paint at once, in the interactive lane, and wait for it.

        Raises :class:`QueueFull` where too many do, :class:`QuotaExceeded` where the owner asks too often, and, where
        it could be a job (``or_job``), :class:`TooDear` for what would not be there in time.
        """
        self._rate.take(owner)
        self._admission.check_model(order, owner)
        limit = self.limits.instant_seconds
        with self._waiting.place(owner, self.limits.at_once):
            task = Task(
                content=order.contents[0][1],
                styles=[(weight, StyleRef.of(given)) for weight, given in order.styles],
                files=dict(order.files),
                settings=dict(order.settings),
                max_pixels=self.limits.max_pixels,
                gallery=self._galleries.folder(owner),
            )
            try:
                return self._pool.paint(
                    task, lane="interactive", cancelled=cancel, timeout=limit, owner=owner, is_instant=or_job
                )
            except (QueueFull, WorkerLost) as error:
                if not or_job or (isinstance(error, WorkerLost) and error.reason != "time"):
                    raise
                self._rate.give_back(owner)
                raise TooDear(f"it takes more than {limit:g} seconds here just now; make it a job") from error

    def size_of(self, picture: bytes, owner: str) -> tuple[int, int]:
        """Width and height of a photograph that is sent, turned as it will be painted.

        Raises what :meth:`paint` does of a photograph that cannot be read, and :class:`QueueFull`.
        """
        with self._waiting.place(owner, self.limits.at_once), naming_errors("content"):
            ((width, height),) = self._pool.probe([picture], self.limits.max_pixels, owner=owner)
        return width, height

    def gallery(self, owner: str) -> Gallery:
        """The styles that an owner may name. Those of a server without keys are those of the command on its machine."""
        return self._galleries.for_owner(owner)

    def add_style(self, owner: str, name: str, pictures: Sequence[bytes], **texts: str) -> StyleCard:
        """Make a style of paintings, or take in a style card, and keep it in the owner's gallery.

        ``texts`` are its title, artist, date and source. Raises the pictures' errors, :class:`StyleError`,
        :class:`StyleExists`, :class:`QuotaExceeded`, and :class:`QueueFull` as :meth:`paint`.
        """
        limits = self.limits
        self._rate.take(owner)
        if not 1 <= len(pictures) <= limits.pictures_per_style:
            raise RequestError(f"there are {len(pictures)} pictures; send 1 to {limits.pictures_per_style}")
        self._admission.check_name(name, owner)
        with self._waiting.place(owner, limits.at_once):
            card = StyleCard.from_bytes(
                self._pool.card(name, pictures, texts, limits.max_pixels, timeout=limits.card_seconds, owner=owner)
            )
        if card.network and not self._networks.is_visible(owner, card.network):
            # That of another owner, to whom it is to stay.
            if not card.codes:
                raise unknown_model_error("model", card.network)
            card = replace(card, network="")
        self.gallery(owner).add(card)
        return card

    def remove_style(self, owner: str, name: str) -> None:
        """Remove one of the owner's own styles, and the network that a job trained for it, unless another style has it.

        Raises :class:`StyleError` for a style that is not the owner's, and :class:`UnknownStyle`.
        """
        gallery, network = self.gallery(owner), ""
        # A broken one can be removed as well.
        with suppress(StyleError):
            network = gallery.get(name).network
        gallery.remove(name)
        if network:
            self._networks.withdraw(network)

    def models(self, owner: str) -> builtins.list[Model]:
        """The models that an owner may name: all that are here, but for those of other owners."""
        return self._networks.visible(owner)

    def submit(self, order: Order, owner: str, *, counts: bool = True) -> tuple[Job, bool]:
        """A job for ``order``, and whether it is a new one; durable when this returns. It ``counts`` as a
        request of its owner's, unless it belongs to one that was counted.

        The same order under the same id, or under none while a job of its content is there, is that job. Raises the
        pictures' own errors, :class:`JobConflict` for an id with other content, :class:`QueueFull` and
        :class:`QuotaExceeded`.
        """
        if counts:
            self._rate.take(owner)
        styles = [style for _, style in order.styles]
        fingerprint = self._resolver.fingerprint(order.digest, owner, order.settings, styles)
        if order.id is not None:
            with suppress(UnknownJob):
                there = self._ledger.get(owner, order.id)
                if there.fingerprint == fingerprint:
                    return there, False
        elif (twin := self._ledger.find_twin(owner, fingerprint)) and not self._is_result_gone(twin):
            return twin, False
        broken = self._admission.check(order, owner)
        with self._storing:
            if order.training is not None:
                # Once more: another may have taken the name while the pictures were looked at.
                self._admission.check_name(order.training.name, owner)
            sizes: dict[str, int] = {}

            def put(data: bytes) -> str:
                sha256 = self._blobs.put(data)
                sizes[sha256] = len(data)
                return sha256

            job, new = self._ledger.add(
                job_from_order(order, owner, fingerprint, put, self.limits.kept_seconds, broken), sizes
            )
        if new:
            _LOG.info("job %s is queued", job.id, extra={"facts": {"job": job.id, "owner": owner}})
            self._queue.enqueue(job)
            self._progress.announce(owner)
        return job, new

    def get(self, owner: str, id: str) -> Job:
        """Raises :class:`UnknownJob`."""
        return self._ledger.get(owner, id)

    def list(
        self, owner: str, *, states: Iterable[str] | None = None, before: float | None = None, limit: int = 50
    ) -> list[Job]:
        """Newest first."""
        return self._ledger.list(owner, states=states, before=before, limit=limit)

    def cancel(self, owner: str, id: str) -> Job:
        """Cancel a job: a queued one at once, a running one within a step."""
        job = self._ledger.request_cancel(owner, id)
        self._runner.cancel(owner, id)
        self._progress.announce(owner)
        return job

    def keep(self, owner: str, id: str) -> Job:
        """End a running job with the best so far."""
        job = self._ledger.request_keep(owner, id)
        self._runner.keep(owner, id)
        return job

    def retry(self, owner: str, id: str) -> Job:
        """Queue a failed or cancelled job again; what was done stays done."""
        before = self._ledger.get(owner, id)
        job = self._ledger.reopen(owner, id)
        if before.is_final and not job.is_final:
            self._queue.enqueue(job)
        self._progress.announce(owner)
        return job

    def delete(self, owner: str, id: str) -> None:
        """Remove a job with its bytes; a running one is given up first."""
        job = self._ledger.get(owner, id)
        self._runner.cancel(owner, id)
        # Or the same id, given again at once, would be taken for what is being done already.
        self._runner.wait(owner, id)
        # Not while the same bytes are stored for another job that is not entered yet.
        with self._storing:
            for sha256 in self._ledger.delete(owner, id):
                self._blobs.remove(sha256)
        self._runner.forget(job)
        self._queue.forget(owner, id)
        self._progress.announce(owner)

    def result(self, job: Job, index: int = 0) -> tuple[Path, Item]:
        """File and facts of a finished item. Raises :class:`NotReady`, :class:`UnknownJob` for no such item, or where
        the job was deleted meanwhile, and :class:`StorageLost` where the file is gone by itself."""
        if not 0 <= index < len(job.items):
            raise UnknownJob(f"job {job.id} has no item {index}; it has {len(job.items)}")
        item = job.items[index]
        if item.result is None:
            raise NotReady(f"item {index} of job {job.id} is {item.state}; ask again when it is done")
        path = self._blobs.path(item.result)
        if not path.is_file():
            self._ledger.get(job.owner, job.id)
            raise StorageLost(f"the server has lost the picture of item {index}; make the job again")
        return path, item

    def preview(self, owner: str, id: str) -> bytes | None:
        """The latest preview of a running job, a JPEG."""
        return self._progress.preview(owner, id)

    def trace(self, owner: str, id: str) -> builtins.list[dict[str, Any]]:
        """Losses by step. Raises :class:`UnknownJob`."""
        self._ledger.get(owner, id)
        return self._runner.trace(owner, id)

    def view(self, job: Job) -> dict[str, Any]:
        """A job as JSON, with how far it is."""
        progress = self._progress.progress(job.owner, job.id) if job.state == "running" else {}
        return view(job, progress, self._ledger.position(job) if job.state == "queued" else None)

    def messages(self, owner: str, after: int) -> builtins.list[Message]:
        """What happened to an owner's jobs after the event of that number."""
        # Each tells a job as it is now: of several about one, the last says it all.
        last = {event.job: event.number for event in self._ledger.events(owner, after)}
        numbered = sorted(last.items(), key=lambda pair: pair[1])
        return [{"event": "job", "id": number, "data": self._current_job(owner, id)} for id, number in numbered]

    def last_event(self, owner: str) -> int:
        """The number of the owner's last event."""
        return self._ledger.last_event(owner)

    def listen(self, owner: str, listener: Listener) -> Callable[[], None]:
        """Tell ``listener`` what happens from now on, to this owner's jobs and others'; returns what ends it."""
        # In this order: while nobody listens, nobody is attended to.
        end = self._progress.listen(listener)
        try:
            self._progress.follow(owner)
        except BaseException:
            end()
            raise
        return end

    def status(self) -> dict[str, Any]:
        """Workers, and jobs by state."""
        return self.workers() | {"jobs": self._ledger.counts()}

    def workers(self) -> dict[str, Any]:
        """Workers, and how many requests wait for them; the ledger is not asked."""
        return {"workers": self._pool.status(), "waiting": len(self._waiting)}

    def ready(self) -> bool:
        """Whether a worker has its model warm, and nothing is being shut down."""
        return self._pool.ready and self._ledger.is_held and not self._maintenance.has_ended

    def stored(self) -> dict[str, int]:
        """Jobs by state. Raises :class:`OutputError` where nothing can be read or stored."""
        self._blobs.check_writable()
        return self._ledger.counts()

    def sweep(self) -> None:
        """Delete what is older than it is kept, and queue again what has fallen out of its queue."""
        self._maintenance.sweep()

    def check_line(self, owner: str) -> None:
        """Raise :class:`QueueFull` or :class:`QuotaExceeded` where one more request of that owner would not be
        answered: asked before its upload is read."""
        self._rate.check(owner)
        self._waiting.check(owner, self.limits.at_once)

    def check_shelf(self, owner: str) -> None:
        """The same for one more style of that owner."""
        self.check_line(owner)
        self._admission.check_shelf(owner)

    def check_room(self, owner: str, id: str | None = None) -> None:
        """The same for one more job of that owner. That of ``id``, where it is there, needs no room."""
        self._rate.check(owner)
        if id is not None:
            with suppress(UnknownJob):
                self._ledger.get(owner, id)
                return
        self._admission.check_room(owner)

    def _is_result_gone(self, job: Job) -> bool:
        """Whether what a job made is gone: the style of a training that was removed since."""
        return job.kind == "train-style" and job.is_final and not self._networks.is_published(job)

    def _current_job(self, owner: str, id: str) -> dict[str, Any]:
        try:
            return self.view(self._ledger.get(owner, id))
        except UnknownJob:
            return {"id": id, "state": "deleted"}
