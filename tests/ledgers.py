"""Ledgers to test, and jobs to enter. In PostgreSQL where ``IMPASTO_TEST_DATABASE`` is its URL, else in SQLite."""

from __future__ import annotations

import hashlib
import os
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from impasto.jobs.records.job import Item, Job
from impasto.jobs.records.ledger import Ledger
from impasto.jobs.records.style_ref import StyleRef

DATABASE = os.environ.get("IMPASTO_TEST_DATABASE", "")
NOW = 1_700_000_000.0
LATER = time.time() + 1e6


def blob(name: str) -> str:
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()


def a_job(id: str = "one", owner: str = "ann", items: int = 1, **more: Any) -> Job:
    of = {
        "kind": "stylize" if items == 1 else "batch",
        "lane": "interactive",
        "settings": {"size": 512, "strength": 0.5, "colours": None},
        "items": tuple(
            Item(index=i, name=f"{i}.jpg", content=blob(f"photo {i}"), style=((1.0, StyleRef("starry-night")),))
            for i in range(items)
        ),
        "files": {"mask": blob("mask")},
        "created": NOW,
        "expires": LATER,
        "fingerprint": blob(id),
    }
    return Job(id=id, owner=owner, **{**of, **more})


def publish(ledger: Ledger, owner: str, id: str, index: int, result: str = "", size: int = 10) -> bool:
    return ledger.publish(
        owner,
        id,
        index,
        result or blob(f"{owner} {id} {index}"),
        media_type="image/png",
        width=640,
        height=480,
        seconds=1.25,
        complete=True,
        size=size,
    )


@contextmanager
def a_database(folder: Path) -> Iterator[str]:
    """The URL of an empty one: a file, or a schema."""
    if not DATABASE:
        yield f"sqlite:///{folder / 'jobs.db'}"
        return
    import psycopg

    name = f"impasto_{uuid.uuid4().hex}"
    with psycopg.connect(DATABASE, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {name}")
        try:
            yield f"{DATABASE}{'&' if '?' in DATABASE else '?'}options=-csearch_path%3D{name}"
        finally:
            connection.execute(f"DROP SCHEMA {name} CASCADE")


def told(ledger: Ledger, owner: str = "ann", after: int = 0) -> list[tuple[str, str]]:
    return [(event.job, event.kind) for event in ledger.events(owner, after)]
