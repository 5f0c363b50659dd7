"""Where a ledger can be, and what it asks of a database."""

from __future__ import annotations

import sqlite3
import sys
from pathlib import Path

import pytest
from ledgers import a_job, publish
from sqlalchemy import event

from impasto.errors import MissingExtra, OutputError, RequestError
from impasto.jobs.records.database import Database
from impasto.jobs.records.ledger import Ledger
from impasto.jobs.records.schema import TABLES


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("nonsense", "'nonsense' is not a URL of a ledger; give sqlite:///FILE or postgresql://HOST/NAME"),
        ("mysql://u:secret@h/n", "a ledger cannot be in mysql; give sqlite:///FILE"),
        ("sqlite://", "a ledger in memory would forget its jobs; name a file"),
        ("sqlite:///:memory:", "a ledger in memory"),
        ("sqlite:///file:x?mode=memory&uri=true", "a ledger in memory"),
    ],
)
def test_where_no_ledger_can_be(url: str, said: str) -> None:
    with pytest.raises(RequestError, match=said):
        Ledger(url)


def test_postgresql_is_spoken_to_by_psycopg(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    for scheme in ("postgresql", "postgres", "postgresql+psycopg"):
        with pytest.raises(MissingExtra, match="a ledger in PostgreSQL needs a package that is not installed"):
            Ledger(f"{scheme}://user:secret@localhost:1/none")


def test_a_database_that_cannot_be_used_is_told_without_its_password(tmp_path: Path) -> None:
    (tmp_path / "broken.db").write_bytes(b"no database" * 1000)
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match="cannot be used: file is not a database; see that the database is there"):
        Ledger(f"sqlite:///{tmp_path / 'broken.db'}")
    with pytest.raises(OutputError, match="cannot make the folder of"):
        Ledger(f"sqlite:///{tmp_path / 'file' / 'jobs.db'}")
    pytest.importorskip("psycopg")
    with pytest.raises(OutputError, match="cannot be used") as told:
        Ledger("postgresql://user:secret@127.0.0.1:1/none?connect_timeout=2")
    assert "secret" not in str(told.value)


def test_a_ledger_of_another_version_is_refused(tmp_path: Path) -> None:
    Ledger(f"sqlite:///{tmp_path / 'jobs.db'}").close()
    with sqlite3.connect(tmp_path / "jobs.db") as connection:
        connection.execute("UPDATE impasto_counters SET value = 2 WHERE name = 'version'")
    connection.close()
    with pytest.raises(OutputError, match="is of version 2, and this Impasto keeps 1; name another database"):
        Ledger(f"sqlite:///{tmp_path / 'jobs.db'}")


def test_sqlite_is_told_to_lose_nothing(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'new' / 'jobs.db'}")
    with database.reading() as connection:

        def asked(pragma: str) -> object:
            return connection.exec_driver_sql(f"PRAGMA {pragma}").scalar()

        found = {name: asked(name) for name in ("journal_mode", "synchronous", "busy_timeout", "foreign_keys")}
    database.close()
    assert found == {"journal_mode": "wal", "synchronous": 2, "busy_timeout": 30000, "foreign_keys": 1}


def test_no_table_is_read_from_end_to_end_and_no_index_is_idle(tmp_path: Path) -> None:
    ledger = Ledger(f"sqlite:///{tmp_path / 'jobs.db'}")
    engine = ledger._database._engine
    plans: list[str] = []

    def explain(_: object, cursor: sqlite3.Cursor, statement: str, values: object, *__: object) -> None:
        if statement.startswith(("SELECT", "UPDATE", "DELETE", "INSERT")):
            plan = cursor.execute(f"EXPLAIN QUERY PLAN {statement}", values)  # type: ignore[arg-type]
            plans.extend(f"{row[3]} in {statement}" for row in plan.fetchall())

    job, _ = ledger.add(a_job(items=3), {})
    event.listen(engine, "before_cursor_execute", explain)
    ledger.add(job, {})
    ledger.start("ann", "one")
    publish(ledger, "ann", "one", 0)
    ledger.fail_item("ann", "one", 1, "error", "no")
    ledger.find_twin("ann", job.fingerprint)
    ledger.list("ann", before=1.0)
    ledger.list("ann", states=["done", "failed"])
    ledger.unfinished()
    ledger.position(job)
    ledger.count_queued("ann")
    ledger.others_queued("ann")
    ledger.stored_bytes("ann")
    ledger.events("ann", 0)
    ledger.last_event("ann")
    ledger.request_keep("ann", "one")
    ledger.request_cancel("ann", "one")
    ledger.finish("ann", "one", "failed")
    ledger.expired(1.0)
    ledger.reopen("ann", "one")
    ledger.delete("ann", "one")
    ledger.close()
    text = "\n".join(plans)
    assert all(index.name and f"{index.name} (" in text for table in TABLES.sorted_tables for index in table.indexes)
    assert [plan for plan in plans if plan.startswith("SCAN") and "impasto" in plan.partition(" in ")[0]] == []
