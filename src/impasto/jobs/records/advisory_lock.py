"""AdvisoryLock: that a PostgreSQL database is one server's, by an advisory lock of a session that lives as long as it
does."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping

from sqlalchemy import URL, Connection, create_engine, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from impasto.errors import RequestError

__all__ = ["AdvisoryLock", "connection_settings"]

_LOG = logging.getLogger("impasto.jobs")
_KEY = 0x1A9A571
"""Of PostgreSQL's advisory locks, which are the database's: queues are the whole database's, whatever the schema."""
_PATIENCE = 5.0
"""Seconds to wait for the lock: a server that was killed a moment ago has a session that is just being ended."""
_BEAT = 1.0
"""Seconds between looks whether it is still held, and between tries to have it again."""
_NETWORK = {
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
"""A connection that hangs is one that is lost: the server at the other end may have
given it up already."""
_TAKEN = "55P03"
"""What PostgreSQL calls a lock that was not to be had in time."""

_HELD = text(
    "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = 0 AND objid = :key AND objsubid = 1 "
    "AND granted AND pid = :session "
    "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)


def connection_settings(url: URL, usual: Mapping[str, int]) -> dict[str, int]:
    """What of the ``usual`` settings of a connection the URL does not say otherwise."""
    return {name: value for name, value in usual.items() if name not in url.query}


class AdvisoryLock:
    """Held from :meth:`take` on; once it is lost, it is asked for again until :meth:`close`."""

    def __init__(
        self,
        url: URL,
        *,
        lost: Callable[[], None],
        beaten: Callable[[], None],
        regained: Callable[[], None],
    ) -> None:
        """``lost`` is called when the session has ended, ``beaten`` when another server was quicker to have the lock
        then, and ``regained`` when it is held again; all from another thread."""
        self._engine = create_engine(
            url, poolclass=NullPool, isolation_level="AUTOCOMMIT", connect_args=connection_settings(url, _NETWORK)
        )
        self._name = url.render_as_string()  # without the password
        self._lost, self._beaten, self._regained = lost, beaten, regained
        self._connection: Connection | None = None
        self._session: int | None = None
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="impasto-claim", daemon=True)

    @property
    def is_held(self) -> bool:
        """Whether it was held at the last look."""
        return self._session is not None

    def take(self) -> None:
        """Raises :class:`RequestError` where another server has the database."""
        if not self._ask(_PATIENCE):
            raise RequestError(
                f"another server has its jobs in {self._name}; stop it, or give another database with --database"
            )
        self._thread.start()

    def holds(self, connection: Connection) -> bool:
        """Whether it is held, as the database itself says in this transaction."""
        return self._session is not None and bool(
            connection.execute(_HELD, {"key": _KEY, "session": self._session}).scalar()
        )

    def close(self) -> None:
        """Cancel it."""
        self._closing.set()
        if self._thread.ident is not None:
            # Not for long: one that asks a database that is away waits for its answer.
            self._thread.join(_BEAT)
        self._drop()

    def _ask(self, patience: float) -> bool:
        """Whether the lock could be had."""
        connection = self._engine.connect()
        try:
            connection.execute(text(f"SET lock_timeout = {int(1000 * patience)}"))
            connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _KEY})
            session = int(connection.execute(text("SELECT pg_backend_pid()")).scalar_one())
        except DBAPIError as error:
            connection.invalidate()
            connection.close()
            if getattr(error.orig, "sqlstate", None) == _TAKEN:
                return False
            raise
        except BaseException:
            connection.close()
            raise
        self._connection, self._session = connection, session
        return True

    def _watch(self) -> None:
        is_beaten = False
        while not self._closing.wait(_BEAT):
            try:
                if self._session is not None:
                    if self._still():
                        continue
                    self._drop()
                    _LOG.error("the lock on %s is lost: nothing is done until it is held again", self._name)
                    self._lost()
                if self._ask(_BEAT):
                    if self._closing.is_set():
                        self._drop()
                        return
                    is_beaten = False
                    _LOG.warning("the lock on %s is held again", self._name)
                    self._regained()
                elif not is_beaten:
                    is_beaten = True
                    _LOG.error("another server has its jobs in %s now; this one does nothing meanwhile", self._name)
                    self._beaten()
            except SQLAlchemyError:
                # The database is away: that is found out again at the next look, and told by whoever needs it.
                continue
            except Exception:
                _LOG.exception("the change of the lock on %s could not be handled", self._name)

    def _still(self) -> bool:
        try:
            assert self._connection is not None
            return self.holds(self._connection)
        except SQLAlchemyError:
            return False

    def _drop(self) -> None:
        connection, self._connection, self._session = self._connection, None, None
        if connection is not None:
            try:
                connection.invalidate()
                connection.close()
            except SQLAlchemyError:
                return  # it is gone already
