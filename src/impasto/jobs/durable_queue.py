"""DurableQueue: durable execution of jobs by DBOS Transact, in a database of its own or a shared one."""

from __future__ import annotations

import os
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from impasto.errors import MissingExtra, OutputError
from impasto.jobs.records.job import Job

if TYPE_CHECKING:
    from dbos import DBOS

__all__ = ["DurableQueue", "Interrupted"]

_POLLING = {"interactive": 0.05, "bulk": 0.25, "training": 1.0}
"""Seconds between looks at a queue: one that somebody waits for, and those that nobody does. A look takes 2 ms of a
core, which an idle server spends all day."""


class Interrupted(BaseException):
    """The work ends here and goes on after a restart. No Exception: those are a workflow's outcome, and final."""


class DurableQueue:
    """Queues by lane, fair between owners, and one workflow a job; what was cut off begins again at the next start.

    There is one in a process.
    """

    def __init__(self, url: str, work: Callable[[str, str], None], concurrency: dict[str, int]) -> None:
        """``work(owner, id)`` does a job, and does nothing where it is done; ``concurrency`` is by lane.

        Raises :class:`MissingExtra` without dbos.
        """
        try:
            from dbos import DBOS
        except ImportError as error:
            raise MissingExtra("jobs", "serve") from error
        self._transact: type[DBOS] = DBOS
        self._url, self._work, self._concurrency = url, work, concurrency
        self._is_running = False

    def start(self) -> None:
        """Take up what was cut off, and begin to look at the queues; nothing where that is done already."""
        if self._is_running:
            return
        transact = self._transact
        transact(
            config={
                "name": "impasto",
                "system_database_url": self._url,
                # The same at every start: that is whose work is taken up again.
                "executor_id": "local",
                "application_version": "1",
                "console_log_level": os.environ.get("IMPASTO_DBOS_LOG", "ERROR"),
            }
        )
        work = self._work

        @transact.workflow(name="impasto.job")
        def do(owner: str, id: str) -> None:
            work(owner, id)

        self._run_job = do
        transact.launch()
        self._queues = {
            lane: transact.register_queue(
                lane,
                worker_concurrency=most,
                # One owner's many jobs leave room for another's.
                partition_worker_concurrency=most,
                polling_interval_sec=_POLLING[lane],
                on_conflict="always_update",
            )
            for lane, most in self._concurrency.items()
        }
        self._is_running = True

    def enqueue(self, job: Job) -> None:
        """Have a job done. Once this returned, it will be."""
        from dbos import SetEnqueueOptions, SetWorkflowID

        # DBOS counts priorities from 1.
        options = SetEnqueueOptions(queue_partition_key=job.owner, priority=job.priority + 1)
        with _storage_errors(), SetWorkflowID(f"{job.owner}/{job.id}/{uuid.uuid4().hex[:12]}"), options:
            self._queues[job.lane].enqueue(self._run_job, job.owner, job.id)

    def enqueue_missing(self, jobs: Iterable[Job], doing: Iterable[tuple[str, str]] | None = None) -> None:
        """Those that no workflow is for: a crash, or a full disk, came between the ledger and the queue.

        ``doing`` is the owner and id of what is being done: what else was begun is lost. Right after the start there is
        none, for what was begun is taken up by itself. To enqueue one more than is needed does no harm.
        """
        status = ["ENQUEUED", "PENDING"] if doing is None else ["ENQUEUED"]
        found = self._transact.list_workflows(status=status, load_input=False, load_output=False)
        there = {workflow.workflow_id.rpartition("/")[0] for workflow in found}
        there |= {f"{owner}/{id}" for owner, id in doing or ()}
        for job in jobs:
            if f"{job.owner}/{job.id}" not in there:
                self.enqueue(job)

    def forget(self, owner: str, id: str) -> None:
        """Remove what is known of a deleted job."""
        with _storage_errors():
            found = self._transact.list_workflows(
                workflow_id_prefix=f"{owner}/{id}/", load_input=False, load_output=False
            )
            if found:
                self._transact.delete_workflows([workflow.workflow_id for workflow in found])

    def stop(self, seconds: float | None = None) -> None:
        """Look at the queues no more, until :meth:`start`. What runs is to be interrupted by then.

        Its threads may wait long for a database that is busy or away. They are left behind after so many ``seconds``,
        if that is given: nothing is lost with them.
        """
        self._is_running = False
        ending = threading.Thread(target=self._transact.destroy, name="impasto-queue-end", daemon=True)
        ending.start()
        ending.join(seconds)


@contextmanager
def _storage_errors() -> Iterator[None]:
    from sqlalchemy.exc import DBAPIError

    try:
        yield
    except DBAPIError as error:
        raise OutputError(f"the queue's database cannot be used: {error.orig}") from error
