"""Ledger: the jobs, their items and what happened to them, in a database."""

from __future__ import annotations

import builtins
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, get_args

from sqlalchemy import delete, exists, func, literal, select, tuple_, update

from impasto.errors import RequestError
from impasto.jobs.errors import JobConflict
from impasto.jobs.records.blobs import is_sha256
from impasto.jobs.records.database import Database
from impasto.jobs.records.event import Event
from impasto.jobs.records.job import FINAL, Job, JobState
from impasto.jobs.records.mutations import (
    add_blob_reference,
    append_event,
    count_items,
    finish_job,
    insert_job,
    settle_item,
    update_job,
)
from impasto.jobs.records.queries import find_row, get_row, is_item, is_job, is_owned, read_job, read_jobs
from impasto.jobs.records.schema import BLOBS, EVENTS, ITEMS, JOBS

__all__ = ["Event", "Ledger"]

_UNFINISHED = ("queued", "running")
_WORKED = ("done", "partial")
_STATES: tuple[JobState, ...] = get_args(JobState)


class Ledger:
    """All jobs of all owners. Safe to use from several threads and processes.

    A change is on disk when its method returns, and every change of a job's or an item's state is told by exactly
    one :class:`Event`, written with it. Changes that came too late are not errors: their methods say what is there
    now, or ``False``. Every method that is given a job's id raises :class:`UnknownJob` where the owner has no such
    job, and any method :class:`OutputError` where the database cannot be used.
    """

    def __init__(self, url: str) -> None:
        """``url`` is ``sqlite:///FILE`` or ``postgresql://...``; tables that are missing are made.

        Raises :class:`RequestError` for other URLs, :class:`MissingExtra` without a driver, and
        :class:`OutputError` where the database cannot be used.
        """
        self._database = Database(url)

    def close(self) -> None:
        """Close all connections."""
        self._database.close()

    def claim(self, *, lost: Callable[[], None], beaten: Callable[[], None], regained: Callable[[], None]) -> None:
        """Keep other servers out; see :meth:`impasto.jobs.records.database.Database.claim`."""
        self._database.claim(lost=lost, beaten=beaten, regained=regained)

    @property
    def is_held(self) -> bool:
        """Whether this server may write."""
        return self._database.is_held

    def add(self, job: Job, sizes: Mapping[str, int]) -> tuple[Job, bool]:
        """What is there now under the job's owner and id, and whether it is new.

        ``sizes`` are the bytes of its blobs by sha256, for :meth:`stored_bytes`. ``created`` becomes a moment later
        where the owner has another job of the same microsecond, so that :meth:`list` can go on from it.

        Raises :class:`JobConflict` where the id is taken by a job with another fingerprint, and
        :class:`RequestError` for one that is not all before it, but for items that failed before it began.
        """
        states = {item.state for item in job.items}
        if job.state != "queued" or "done" in states or "waiting" not in states:
            raise RequestError(
                f"the job {job.id} is {job.state}, or has items that are done, or none that waits; add it as it began"
            )
        with self._database.writing() as connection:
            row = find_row(connection, job.owner, job.id)
            if row is not None:
                if row.fingerprint != job.fingerprint:
                    raise JobConflict(f"there is a job {job.id!r} with other content already; give another id")
                return read_jobs(connection, [row])[0], False
            insert_job(connection, job, {blob: sizes.get(blob, 0) for blob in job.blobs})
            return read_job(connection, job.owner, job.id), True

    def get(self, owner: str, id: str) -> Job:
        """The job as it is now."""
        with self._database.reading() as connection:
            return read_job(connection, owner, id)

    def find_twin(self, owner: str, fingerprint: str) -> Job | None:
        """The owner's newest job that makes or has made the same, all of it, and is not expired."""
        query = (
            select(JOBS)
            .where(is_owned(JOBS, owner), JOBS.c.fingerprint == fingerprint, JOBS.c.state.in_([*_UNFINISHED, "done"]))
            # Given up or ended early, it is not the same.
            .where(~JOBS.c.cancelling, ~JOBS.c.keep, JOBS.c.expires > time.time())
            .order_by(JOBS.c.created.desc())
            .limit(1)
        )
        with self._database.reading() as connection:
            found = read_jobs(connection, connection.execute(query).all())
        return found[0] if found else None

    def list(
        self, owner: str, *, states: Iterable[str] | None = None, before: float | None = None, limit: int = 50
    ) -> builtins.list[Job]:
        """The owner's jobs that were made ``before``, newest first. Raises :class:`RequestError`."""
        if limit < 1:
            raise RequestError(f"limit is {limit}; give 1 or more")
        query = select(JOBS).where(is_owned(JOBS, owner)).order_by(JOBS.c.created.desc()).limit(limit)
        if states is not None:
            wanted = sorted(set(states))
            for state in wanted:
                if state not in _STATES:
                    raise RequestError(f"there is no state {state!r}; give some of {', '.join(_STATES)}")
            query = query.where(JOBS.c.state.in_(wanted))
        if before is not None:
            query = query.where(JOBS.c.created < before)
        with self._database.reading() as connection:
            return read_jobs(connection, connection.execute(query).all())

    def unfinished(self) -> builtins.list[Job]:
        """Queued and running jobs of all owners, in the queue's order."""
        query = select(JOBS).where(JOBS.c.state.in_(_UNFINISHED)).order_by(JOBS.c.priority, JOBS.c.created)
        with self._database.reading() as connection:
            return read_jobs(connection, connection.execute(query).all())

    def counts(self) -> dict[str, int]:
        """How many jobs there are in each state."""
        query = select(JOBS.c.state, func.count()).group_by(JOBS.c.state)
        with self._database.reading() as connection:
            found = {row[0]: row[1] for row in connection.execute(query)}
        return {state: found.get(state, 0) for state in _STATES}

    def count_queued(self, owner: str) -> int:
        """How many jobs of the owner are queued."""
        query = select(func.count()).where(is_owned(JOBS, owner), JOBS.c.state == "queued")
        with self._database.reading() as connection:
            return connection.execute(query).scalar_one()

    def others_queued(self, owner: str) -> int:
        """How many other owners have queued jobs."""
        query = select(func.count(JOBS.c.owner.distinct())).where(JOBS.c.state == "queued", ~is_owned(JOBS, owner))
        with self._database.reading() as connection:
            return connection.execute(query).scalar_one()

    def position(self, job: Job) -> int:
        """How many queued jobs of its lane are before it; 0 for one that is not queued."""
        if job.state != "queued":
            return 0
        mine = tuple_(JOBS.c.priority, JOBS.c.created, JOBS.c.owner, JOBS.c.id)
        query = select(func.count()).where(
            JOBS.c.state == "queued",
            JOBS.c.lane == job.lane,
            JOBS.c.priority <= job.priority,
            mine < tuple_(*map(literal, (job.priority, job.created, job.owner, job.id))),
        )
        with self._database.reading() as connection:
            return connection.execute(query).scalar_one()

    def start(self, owner: str, id: str) -> Job:
        """From queued to running; one that runs already is counted as started once more; a final one stays."""
        with self._database.writing() as connection:
            row = get_row(connection, owner, id)
            if row.state in _UNFINISHED:
                values: dict[str, Any] = {"attempt": row.attempt + 1}
                if row.state == "queued":
                    values |= {"state": "running", "started": time.time()}
                    append_event(connection, owner, id, "running", {"attempt": row.attempt + 1})
                update_job(connection, owner, id, **values)
            return read_job(connection, owner, id)

    def publish(
        self,
        owner: str,
        id: str,
        index: int,
        result: str,
        *,
        media_type: str,
        width: int,
        height: int,
        seconds: float,
        complete: bool,
        size: int,
    ) -> bool:
        """An item of a running job is done: ``result`` is its blob, of ``size`` bytes.

        ``False``, and nothing is written, where the item waits no more or the job does not run. Raises
        :class:`IndexError` where there is no such item.
        """
        if not is_sha256(result):
            raise RequestError(f"the result is {result!r}; give the sha256 of a blob")
        with self._database.writing() as connection:
            if not settle_item(
                connection,
                owner,
                id,
                index,
                {"state": "done", "result": result},
                media_type=media_type,
                width=width,
                height=height,
                seconds=seconds,
                complete=complete,
            ):
                return False
            add_blob_reference(connection, owner, id, result, size)
            return True

    def fail_item(self, owner: str, id: str, index: int, code: str, message: str) -> bool:
        """An item of a running job has failed; as :meth:`publish`."""
        with self._database.writing() as connection:
            error = {"code": code, "message": message}
            return settle_item(connection, owner, id, index, {"state": "failed", "error": error})

    def finish(self, owner: str, id: str, state: JobState, error: dict[str, Any] | None = None) -> bool:
        """To a final state; ``False`` where it is in one already, or is to be done, or partly, and does not run.

        From now on it is kept as long as it was to be kept when it was added.
        """
        if state not in FINAL:
            raise RequestError(f"a job cannot finish as {state!r}; give one of {', '.join(sorted(FINAL))}")
        with self._database.writing() as connection:
            row = get_row(connection, owner, id)
            if row.state in FINAL or (state in _WORKED and row.state != "running"):
                return False
            finish_job(connection, row, state, error)
            return True

    def set_fingerprint(self, owner: str, id: str, fingerprint: str) -> None:
        """What the job has come to be, where that is not what was asked for at first."""
        with self._database.writing() as connection:
            get_row(connection, owner, id)
            update_job(connection, owner, id, fingerprint=fingerprint)

    def request_cancel(self, owner: str, id: str) -> Job:
        """A queued job is cancelled at once; a running one is told to give up; a final one stays."""
        with self._database.writing() as connection:
            row = get_row(connection, owner, id)
            if row.state == "queued":
                finish_job(connection, row, "cancelled", None)
            elif row.state == "running":
                update_job(connection, owner, id, cancelling=True)
            return read_job(connection, owner, id)

    def request_keep(self, owner: str, id: str) -> Job:
        """A running job is told to stop with the best so far; others stay."""
        with self._database.writing() as connection:
            if get_row(connection, owner, id).state == "running":
                update_job(connection, owner, id, keep=True)
            return read_job(connection, owner, id)

    def reopen(self, owner: str, id: str) -> Job:
        """To the queue again, with failed items waiting: a failed, partial or cancelled job."""
        failed = update(ITEMS).where(is_item(owner, id), ITEMS.c.state == "failed")
        with self._database.writing() as connection:
            row = get_row(connection, owner, id)
            if row.state in FINAL:
                again = connection.execute(failed.values(state="waiting", error=None)).rowcount
                if again or row.state != "done":
                    new = {"started": None, "finished": None, "error": None, "cancelling": False, "keep": False}
                    update_job(connection, owner, id, state="queued", attempt=0, **new)
                    append_event(
                        connection, owner, id, "queued", {"kind": row.kind, **count_items(connection, owner, id)}
                    )
            return read_job(connection, owner, id)

    def delete(self, owner: str, id: str) -> builtins.list[str]:
        """Remove the job, whatever its state; the blobs that no job refers to any more."""
        other = BLOBS.alias()
        shared = exists().where(
            other.c.sha256 == BLOBS.c.sha256, tuple_(other.c.owner, other.c.job) != tuple_(BLOBS.c.owner, BLOBS.c.job)
        )
        query = select(BLOBS.c.sha256).where(BLOBS.c.owner == owner, BLOBS.c.job == id, ~shared)
        with self._database.writing() as connection:
            get_row(connection, owner, id)
            orphans = connection.execute(query.order_by(BLOBS.c.sha256)).scalars().all()
            connection.execute(delete(JOBS).where(is_job(owner, id)))  # the rest goes with it
            append_event(connection, owner, id, "deleted", {})
            return [*orphans]

    def expired(self, now: float) -> builtins.list[Job]:
        """Final jobs of all owners that need not be kept at ``now``, oldest first."""
        query = select(JOBS).where(JOBS.c.expires <= now, JOBS.c.state.in_(sorted(FINAL))).order_by(JOBS.c.expires)
        with self._database.reading() as connection:
            return read_jobs(connection, connection.execute(query).all())

    def referenced(self) -> set[str]:
        """The blobs that some job refers to."""
        with self._database.reading() as connection:
            return set(connection.execute(select(BLOBS.c.sha256).distinct()).scalars())

    def events(self, owner: str, after: int, limit: int = 500) -> builtins.list[Event]:
        """What happened to the owner's jobs after the event of that number, in order."""
        query = select(EVENTS).where(is_owned(EVENTS, owner), EVENTS.c.number > after)
        with self._database.reading() as connection:
            rows = connection.execute(query.order_by(EVENTS.c.number).limit(limit)).all()
        return [Event(*row) for row in rows]

    def last_event(self, owner: str) -> int:
        """The number of the owner's last event; 0 before the first."""
        with self._database.reading() as connection:
            return connection.execute(select(func.max(EVENTS.c.number)).where(is_owned(EVENTS, owner))).scalar() or 0

    def forget_events(self, before: float) -> int:
        """Delete the events of before that time, in seconds since 1970; how many. Numbers are not used again."""
        with self._database.writing() as connection:
            return connection.execute(delete(EVENTS).where(EVENTS.c.at < before)).rowcount

    def stored_bytes(self, owner: str) -> int:
        """Bytes of the blobs that the owner's jobs refer to, each counted once."""
        once = select(func.max(BLOBS.c.size).label("size")).where(is_owned(BLOBS, owner)).group_by(BLOBS.c.sha256)
        with self._database.reading() as connection:
            return int(connection.execute(select(func.sum(once.subquery().c.size))).scalar() or 0)
