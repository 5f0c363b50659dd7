"""The ledger's tables."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Dialect,
    Double,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
)
from sqlalchemy.types import TypeDecorator

from impasto.jobs.records.job import Item, Job
from impasto.jobs.records.style_ref import StyleRef, WeightedStyles

__all__ = ["BLOBS", "COUNTERS", "EVENTS", "ITEMS", "ITEM_COLUMNS", "JOBS", "JOB_COLUMNS", "TABLES"]


class JsonText(TypeDecorator[Any]):
    """A value as JSON text, in ASCII: a file's name may hold what no database takes. ``None`` is NULL."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:  # noqa: ARG002
        return None if value is None else json.dumps(value, separators=(",", ":"))

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:  # noqa: ARG002
        return None if value is None else json.loads(value)


class StylesText(JsonText):
    """Styles with their weights as JSON text; none is NULL."""

    cache_ok = True

    def process_bind_param(self, value: WeightedStyles | None, dialect: Dialect) -> str | None:
        return super().process_bind_param([[w, style.to_json()] for w, style in value or ()] or None, dialect)

    def process_result_value(self, value: Any, dialect: Dialect) -> WeightedStyles:
        found = super().process_result_value(value, dialect) or ()
        return tuple((float(weight), StyleRef.from_json(style)) for weight, style in found)


TABLES = MetaData()

JOBS = Table(
    "impasto_jobs",
    TABLES,
    Column("owner", String(128), nullable=False),
    Column("id", String(64), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("state", String(16), nullable=False),
    Column("priority", Integer, nullable=False),
    Column("lane", String(16), nullable=False),
    Column("settings", JsonText, nullable=False),
    Column("files", JsonText, nullable=False),
    Column("created", Double, nullable=False),
    Column("started", Double),
    Column("finished", Double),
    Column("expires", Double, nullable=False),
    Column("kept_seconds", Double, nullable=False),
    Column("error", JsonText),
    Column("cancelling", Boolean, nullable=False),
    Column("keep", Boolean, nullable=False),
    Column("fingerprint", String(64), nullable=False),
    Column("attempt", Integer, nullable=False),
    PrimaryKeyConstraint("owner", "id"),
    Index("impasto_jobs_newest", "owner", "created", unique=True),
    Index("impasto_jobs_newest_of_state", "owner", "state", "created"),
    Index("impasto_jobs_twins", "owner", "fingerprint", "created"),
    Index("impasto_jobs_queue", "state", "lane", "priority", "created"),
    Index("impasto_jobs_expiry", "state", "expires"),
    sqlite_with_rowid=False,
)

ITEMS = Table(
    "impasto_items",
    TABLES,
    Column("owner", String(128), nullable=False),
    Column("job", String(64), nullable=False),
    Column("index", Integer, nullable=False),
    Column("name", JsonText, nullable=False),
    Column("content", String(64), nullable=False),
    Column("style", StylesText),
    Column("state", String(16), nullable=False),
    Column("result", String(64)),
    Column("media_type", String(64)),
    Column("width", Integer),
    Column("height", Integer),
    Column("seconds", Double),
    Column("complete", Boolean, nullable=False),
    Column("error", JsonText),
    PrimaryKeyConstraint("owner", "job", "index"),
    ForeignKeyConstraint(["owner", "job"], ["impasto_jobs.owner", "impasto_jobs.id"], ondelete="CASCADE"),
    sqlite_with_rowid=False,
)

BLOBS = Table(
    "impasto_blobs",  # which blobs a job refers to, and their bytes
    TABLES,
    Column("sha256", String(64), nullable=False),
    Column("owner", String(128), nullable=False),
    Column("job", String(64), nullable=False),
    Column("size", BigInteger, nullable=False),
    PrimaryKeyConstraint("sha256", "owner", "job"),
    ForeignKeyConstraint(["owner", "job"], ["impasto_jobs.owner", "impasto_jobs.id"], ondelete="CASCADE"),
    Index("impasto_blobs_of_owner", "owner", "job", "sha256", "size"),
    sqlite_with_rowid=False,
)

EVENTS = Table(
    "impasto_events",  # these outlive their jobs: somebody has to hear that one was deleted
    TABLES,
    Column("number", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False),
    Column("owner", String(128), nullable=False),
    Column("job", String(64), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("data", JsonText, nullable=False),
    Column("at", Double, nullable=False),
    Index("impasto_events_of_owner", "owner", "number"),
)

COUNTERS = Table(
    "impasto_counters",  # the last event's number, and the version of these tables
    TABLES,
    Column("name", String(16), primary_key=True),
    Column("value", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

JOB_COLUMNS = [JOBS.c[f.name] for f in fields(Job) if f.name != "items"]
ITEM_COLUMNS = [ITEMS.c[f.name] for f in fields(Item)]
