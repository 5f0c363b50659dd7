"""Changes of jobs and items within a turn at writing, each with the event that tells of it."""

from __future__ import annotations

import math
import time
from typing import Any, cast

from sqlalchemy import Connection, Row, exists, func, insert, literal, select, update

from impasto.jobs.records.event import EventKind
from impasto.jobs.records.job import Job, JobState
from impasto.jobs.records.queries import get_row, is_item, is_job
from impasto.jobs.records.schema import BLOBS, COUNTERS, EVENTS, ITEM_COLUMNS, ITEMS, JOB_COLUMNS, JOBS

__all__ = ["add_blob_reference", "append_event", "count_items", "finish_job", "insert_job", "settle_item", "update_job"]


def insert_job(connection: Connection, job: Job, sizes: dict[str, int]) -> None:
    """A job that is not there yet, with its items; ``sizes`` are bytes of its blobs."""
    values = {column.name: getattr(job, column.name) for column in JOB_COLUMNS}
    values |= {"settings": dict(job.settings), "files": dict(job.files)}
    values |= {"created": _unique_creation_time(connection, job), "kept_seconds": max(0.0, job.expires - job.created)}
    connection.execute(insert(JOBS), values)
    place = {"owner": job.owner, "job": job.id}
    items = [place | {column.name: getattr(item, column.name) for column in ITEM_COLUMNS} for item in job.items]
    connection.execute(insert(ITEMS), items)
    connection.execute(insert(BLOBS), [place | {"sha256": blob, "size": size} for blob, size in sorted(sizes.items())])
    append_event(connection, job.owner, job.id, "queued", {"kind": job.kind, "done": 0, "items": len(items)})


def update_job(connection: Connection, owner: str, id: str, **values: Any) -> None:
    """Update columns of a job, without an event."""
    connection.execute(update(JOBS).where(is_job(owner, id)).values(**values))


def settle_item(connection: Connection, owner: str, id: str, index: int, outcome: dict[str, Any], **facts: Any) -> bool:
    """A waiting item of a running job gets its outcome; ``False`` where it is none."""
    job = get_row(connection, owner, id)
    item = is_item(owner, id, index)
    state = connection.execute(select(ITEMS.c.state).where(item)).scalar()
    if state is None:
        raise IndexError(f"the job {id!r} has no item {index}")
    if job.state != "running" or state != "waiting":
        return False
    connection.execute(update(ITEMS).where(item).values(**outcome, **facts))
    append_event(connection, owner, id, "item", {"index": index, **outcome})
    return True


def add_blob_reference(connection: Connection, owner: str, id: str, sha256: str, size: int) -> None:
    """The job refers to a blob of ``size`` bytes, perhaps already."""
    there = exists().where(BLOBS.c.sha256 == sha256, BLOBS.c.owner == owner, BLOBS.c.job == id)
    new = select(*map(literal, (sha256, owner, id, size))).where(~there)
    connection.execute(insert(BLOBS).from_select(["sha256", "owner", "job", "size"], new))


def finish_job(connection: Connection, row: Row[Any], state: JobState, error: dict[str, Any] | None) -> None:
    """The job of ``row`` comes to a final state, and is kept from now on as long as it was to be kept."""
    now = time.time()
    expires = max(row.expires, now + row.kept_seconds)
    values = {"state": state, "error": error, "finished": now, "expires": expires, "cancelling": False}
    update_job(connection, row.owner, row.id, **values)
    kind = cast(EventKind, state)  # final states and what tells of them have one name
    append_event(connection, row.owner, row.id, kind, {**count_items(connection, row.owner, row.id), "error": error})


def count_items(connection: Connection, owner: str, id: str) -> dict[str, int]:
    """How many items there are, and how many are done."""
    done = func.count().filter(ITEMS.c.state == "done")
    found = connection.execute(select(done, func.count()).where(is_item(owner, id))).one()
    return {"done": found[0], "items": found[1]}


def append_event(connection: Connection, owner: str, id: str, kind: EventKind, data: dict[str, Any]) -> None:
    """One event."""
    # Counted, not from a sequence: that leaves out the numbers of transactions that came to nothing.
    count = update(COUNTERS).where(COUNTERS.c.name == "event").values(value=COUNTERS.c.value + 1)
    number = connection.execute(count.returning(COUNTERS.c.value)).scalar_one()
    values = {"number": number, "owner": owner, "job": id, "kind": kind, "data": data, "at": time.time()}
    connection.execute(insert(EVENTS), values)


def _unique_creation_time(connection: Connection, job: Job) -> float:
    """``created`` to the microsecond, or the first moment after it that no job of the owner has."""
    moment = round(job.created, 6)
    while connection.execute(select(JOBS.c.id).where(JOBS.c.owner == job.owner, JOBS.c.created == moment)).first():
        moment = max(round(moment + 1e-6, 6), math.nextafter(moment, math.inf))
    return moment
