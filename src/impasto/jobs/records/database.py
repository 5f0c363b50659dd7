"""Database: where the ledger's tables are, SQLite or PostgreSQL, and turns at writing in it."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from threading import Lock
from typing import Any

from sqlalchemy import URL, Connection, create_engine, event, insert, make_url, select, text
from sqlalchemy.exc import (
    ArgumentError,
    DatabaseError,
    DataError,
    DBAPIError,
    IntegrityError,
    InterfaceError,
    ProgrammingError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import QueuePool

from impasto.errors import MissingExtra, OutputError, RequestError
from impasto.jobs.errors import Suspended
from impasto.jobs.records.advisory_lock import AdvisoryLock, connection_settings
from impasto.jobs.records.blobs import make_folder
from impasto.jobs.records.home_lock import lock_database
from impasto.jobs.records.schema import COUNTERS, TABLES

__all__ = ["Database"]

_VERSION = 1
_PATIENCE = 30.0  # seconds to wait for whoever else writes
_ADVISORY = 0x1A9A570  # a number of PostgreSQL's locks that is ours


class Database:
    """Connections to one database, made when they are needed.

    All writing goes one at a time, in this process and in others, and each turn sees all that was written
    before. So a number that is counted up in a turn is never seen before a smaller one, nor left out.
    """

    def __init__(self, url: str) -> None:
        """Opens it and makes what tables are missing; raises as :class:`impasto.jobs.records.ledger.Ledger` does."""
        where = _checked(url)
        self.name = where.render_as_string()  # without the password
        self._on_sqlite = where.get_backend_name() == "sqlite"
        try:
            if self._on_sqlite:
                make_folder(Path(str(where.database)).parent)
                # The timeout is SQLite's busy_timeout. A writer's turn is waited for without a connection.
                engine = create_engine(where, poolclass=QueuePool, connect_args={"timeout": _PATIENCE}, **_POOL)
                self._turn: Lock | nullcontext[None] = Lock()
                event.listen(engine, "connect", _set_up_sqlite)
                event.listen(engine, "begin", _begin_sqlite)
                self._reader, self._writer = engine, engine.execution_options(impasto_writes=True)
            else:
                engine = create_engine(
                    where, pool_pre_ping=True, connect_args=connection_settings(where, _NETWORK), **_POOL
                )
                self._turn = nullcontext()
                event.listen(engine, "connect", _set_up_postgresql)
                # A reader's two queries see one state; a writer's see what was written before its turn.
                self._reader = engine.execution_options(isolation_level="REPEATABLE READ")
                self._writer = engine.execution_options(isolation_level="READ COMMITTED")
        except ModuleNotFoundError as error:
            raise MissingExtra("a ledger in PostgreSQL", "serve") from error
        except OSError as error:
            raise OutputError(f"cannot make the folder of {where.database}: {error.strerror or error}") from error
        self._engine, self._where = engine, where
        self._claim: AdvisoryLock | None = None
        self._held: int | None = None
        try:
            self._make_tables()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the connections that are not in use, and give up the claim."""
        if self._claim is not None:
            self._claim.close()
        if self._held is not None:
            os.close(self._held)
            self._held = None
        self._engine.dispose()

    def claim(self, *, lost: Callable[[], None], beaten: Callable[[], None], regained: Callable[[], None]) -> None:
        """Keep other servers out until :meth:`close`; see :class:`impasto.jobs.records.advisory_lock.AdvisoryLock` for
        what is called when.

        From now on nothing is written while the claim is not held. Raises :class:`RequestError` where another server
        has it.
        """
        if self._on_sqlite:
            # A file's lock cannot be lost.
            self._held = lock_database(Path(str(self._where.database)))
            return
        claim = AdvisoryLock(self._where, lost=lost, beaten=beaten, regained=regained)
        with self._storage_errors():
            claim.take()
        self._claim = claim

    @property
    def is_held(self) -> bool:
        """Whether no claim is needed, or it is held."""
        return self._claim is None or self._claim.is_held

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that sees one state of all tables. Raises :class:`OutputError` where it cannot be had."""
        with self._storage_errors(), self._reader.begin() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction in which nobody else writes; on disk when it is left, or not at all after an error.

        Raises :class:`Suspended` where the database was claimed and another server may have it by now.
        """
        with self._storage_errors(), self._turn, self._writer.begin() as connection:
            if not self._on_sqlite:
                connection.execute(_TAKE_TURN)
                # Asked when the turn is had: whoever else has the claim since then writes after this.
                if self._claim is not None and not self._claim.holds(connection):
                    raise Suspended("another server holds this server's database; try again in a few seconds")
            yield connection

    def _make_tables(self) -> None:
        with self._storage_errors(), self._turn, self._writer.begin() as connection:
            if not self._on_sqlite:
                connection.execute(text(f"SELECT pg_advisory_xact_lock({_ADVISORY})"))
            TABLES.create_all(connection)
            found = {row.name: row.value for row in connection.execute(select(COUNTERS))}
            if not found:
                rows = [{"name": "event", "value": 0}, {"name": "version", "value": _VERSION}]
                connection.execute(insert(COUNTERS), rows)
        if found and found.get("version") != _VERSION:
            raise OutputError(
                f"the ledger {self.name} is of version {found.get('version')}, and this Impasto keeps {_VERSION}; "
                "name another database, or use the Impasto that made it"
            )

    @contextmanager
    def _storage_errors(self) -> Iterator[None]:
        try:
            yield
        except (IntegrityError, ProgrammingError, DataError):
            raise  # ours, and no fault of the database
        except (DatabaseError, InterfaceError, PoolTimeout) as error:
            reason = error.orig if isinstance(error, DBAPIError) else error
            raise OutputError(
                f"the ledger {self.name} cannot be used: {str(reason).strip()}; see that the database is there, "
                "has space, and is not locked by another program"
            ) from error


_POOL: dict[str, Any] = {"pool_size": 8, "max_overflow": 32, "pool_timeout": _PATIENCE}
_NETWORK = {"connect_timeout": 5, "keepalives_idle": 30, "tcp_user_timeout": 10_000}
"""Seconds, seconds and milliseconds after which a database that does not answer is taken to be away."""
# The turn is the counter's row, which whoever takes a number would lock anyway: a commit gives it free when
# others see what was written, so that a reader who sees an event sees all with smaller numbers.
_TAKE_TURN = select(COUNTERS.c.value).where(COUNTERS.c.name == "event").with_for_update()


def _checked(url: str) -> URL:
    try:
        found = make_url(url)
    except ArgumentError as error:
        raise RequestError(
            f"{url.rpartition('@')[2]!r} is not a URL of a ledger; give sqlite:///FILE or postgresql://HOST/NAME"
        ) from error
    if found.drivername in ("postgresql", "postgres"):
        return found.set(drivername="postgresql+psycopg")
    if found.drivername == "postgresql+psycopg":
        return found
    if found.drivername not in ("sqlite", "sqlite+pysqlite"):
        raise RequestError(f"a ledger cannot be in {found.drivername}; give sqlite:///FILE or postgresql://HOST/NAME")
    if not found.database or found.database == ":memory:" or "memory" in found.query.values():
        raise RequestError("a ledger in memory would forget its jobs; name a file, like sqlite:///jobs.db")
    return found


def _set_up_sqlite(connection: sqlite3.Connection, _: object) -> None:
    connection.isolation_level = None  # the module begins transactions where it likes; here BEGIN is said below
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL").close()
            break
        except sqlite3.OperationalError as error:
            # Of several that open a new file at once one is told off, without the patience of the others' locks.
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
    connection.execute("PRAGMA synchronous = FULL").close()
    connection.execute("PRAGMA foreign_keys = ON").close()


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("impasto_writes")
    # IMMEDIATE: one that begins with reading could find at its first write that others were quicker.
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _set_up_postgresql(connection: Any, _: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SET lock_timeout = {int(_PATIENCE * 1000)}")
    connection.commit()
