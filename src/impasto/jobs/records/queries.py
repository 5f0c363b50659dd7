"""Rows: jobs and items read from the ledger's tables, within a transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, Table, and_, select, tuple_
from sqlalchemy.sql import ColumnElement

from impasto.jobs.errors import UnknownJob
from impasto.jobs.records.job import Item, Job, is_id, is_owner
from impasto.jobs.records.schema import ITEM_COLUMNS, ITEMS, JOB_COLUMNS, JOBS

__all__ = ["find_row", "get_row", "is_item", "is_job", "is_owned", "read_job", "read_jobs"]

_JOB_NAMES = [column.name for column in JOB_COLUMNS]
_ITEM_NAMES = [column.name for column in ITEM_COLUMNS]
_TOGETHER = 500  # jobs whose items are asked for in one query


def is_owned(table: Table, owner: str) -> ColumnElement[bool]:
    """The condition of being that owner's."""
    return table.c.owner == (owner if is_owner(owner) else "")  # nobody's: a database may choke on what is none


def is_job(owner: str, id: str) -> ColumnElement[bool]:
    """The condition of being that job."""
    return and_(JOBS.c.owner == owner, JOBS.c.id == id)


def is_item(owner: str, id: str, index: int | None = None) -> ColumnElement[bool]:
    """The condition of being an item of that job, or the one with that index."""
    items = and_(ITEMS.c.owner == owner, ITEMS.c.job == id)
    return items if index is None else and_(items, ITEMS.c.index == index)


def find_row(connection: Connection, owner: str, id: str) -> Row[Any] | None:
    """The job's row in :data:`JOBS`, if there is one."""
    if not is_id(id) or not is_owner(owner):  # nobody's, as above
        return None
    return connection.execute(select(JOBS).where(is_job(owner, id))).one_or_none()


def get_row(connection: Connection, owner: str, id: str) -> Row[Any]:
    """The job's row in :data:`JOBS`. Raises :class:`UnknownJob`."""
    row = find_row(connection, owner, id)
    if row is None:
        raise UnknownJob(f"there is no job {str(id)[:64]!r}; it may have been deleted, or have expired")
    return row


def read_job(connection: Connection, owner: str, id: str) -> Job:
    """The job with its items. Raises :class:`UnknownJob`."""
    return read_jobs(connection, [get_row(connection, owner, id)])[0]


def read_jobs(connection: Connection, rows: Sequence[Row[Any]]) -> list[Job]:
    """The jobs of ``rows`` of :data:`JOBS`, in that order, with their items."""
    items: dict[tuple[str, str], list[Item]] = {(row.owner, row.id): [] for row in rows}
    keys = list(items)
    query = select(*ITEM_COLUMNS, ITEMS.c.owner, ITEMS.c.job).order_by(ITEMS.c.owner, ITEMS.c.job, ITEMS.c.index)
    for start in range(0, len(keys), _TOGETHER):
        some = tuple_(ITEMS.c.owner, ITEMS.c.job).in_(keys[start : start + _TOGETHER])
        for row in connection.execute(query.where(some)):
            items[row[-2], row[-1]].append(Item(**dict(zip(_ITEM_NAMES, row, strict=False))))
    return [Job(**_job_facts(row), items=tuple(items[row.owner, row.id])) for row in rows]


def _job_facts(row: Row[Any]) -> dict[str, Any]:
    return {name: getattr(row, name) for name in _JOB_NAMES}
