"""Connection: a client's connection, which is closed if the client is too slow."""

from __future__ import annotations

import asyncio
from typing import Any

import h11
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from impasto.server.client_limits import ClientLimits
from impasto.server.middleware.access_log import AccessLog
from impasto.server.problems import problem

__all__ = ["Connection"]


class Connection(H11Protocol):
    """uvicorn's, with bounds to what it waits for.

    uvicorn itself ends a connection that is silent between two requests, and :class:`UploadLimit` one whose body comes
    too slowly while it is read. Here it is for the head of a request, for what is left of a body after its answer, and
    for an answer that is not taken.
    """

    def __init__(self, *arguments: Any, clients: ClientLimits, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._clients = clients
        self._owed: asyncio.TimerHandle | None = None
        self._untaken: asyncio.TimerHandle | None = None
        self._unsent = 0
        self._idle_since = self.loop.time()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._make_room()
        super().connection_made(transport)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        for timer in (self._owed, self._untaken):
            if timer is not None:
                timer.cancel()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._idle_since = self.loop.time()
        self._watch()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._start_write_timer()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._untaken is not None:
            self._untaken.cancel()
            self._untaken = None

    @property
    def _is_idle(self) -> bool:
        """Whether no request of it is being answered."""
        return self.cycle is None or self.cycle.response_complete

    def _make_room(self) -> None:
        """Where there are enough connections, end the one that has been idle longest, or let this one do nothing."""
        there = [one for one in self.connections if not one.transport.is_closing()]
        if len(there) < self._clients.connections:
            return
        idle = [one for one in there if isinstance(one, Connection) and one._is_idle]
        if idle:
            min(idle, key=lambda one: one._idle_since).transport.abort()
        else:
            self.app = _FULL

    def _watch(self) -> None:
        """Count the time while the client is to send something, and nobody else counts it."""
        # Between two requests, uvicorn does.
        is_owed = self._is_idle and (self.conn.their_state is h11.SEND_BODY or self.timeout_keep_alive_task is None)
        if is_owed and self._owed is None:
            self._owed = self.loop.call_later(self._clients.head_timeout, self.transport.abort)
        elif not is_owed and self._owed is not None:
            self._owed.cancel()
            self._owed = None

    def _start_write_timer(self) -> None:
        self._unsent = self.transport.get_write_buffer_size()
        self._untaken = self.loop.call_later(self._clients.write_timeout, self._check_write_rate)

    def _check_write_rate(self) -> None:
        """End it where the client has not taken enough of an answer. While some of it waits, nothing is added."""
        taken = self._unsent - self.transport.get_write_buffer_size()
        if taken < self._clients.write_timeout * self._clients.write_rate:
            self.transport.abort()
        else:
            self._start_write_timer()


async def _full(scope: Scope, receive: Receive, send: Send) -> None:
    told = "too many clients are connected; try again in a few seconds"
    answer = problem(503, "too_many_connections", told, {"Connection": "close"})
    await answer(scope, receive, send)


_FULL = AccessLog(_full)
"""It has an id and a line in the log, as every answer has."""
