"""Clients that are slow, or many: each is cut off or answered, and holds nobody else up."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from fastapi.responses import Response
from test_guard import an_app

from impasto.jobs.limits import Limits
from impasto.jobs.service import Jobs
from impasto.server.app import make_app
from impasto.server.auth import Keys
from impasto.server.client_limits import ClientLimits
from impasto.server.connection import Connection

PATIENT = 120
"""Seconds after which a connection that should have ended fails its test."""
SOON = ClientLimits(head_timeout=0.2, body_timeout=0.2, body_rate=1e9, write_timeout=0.2, write_rate=1e9)
HEAD = b"POST /v1/stylize HTTP/1.1\r\nHost: 127.0.0.1\r\n"
FORM = b"Content-Type: multipart/form-data; boundary=x\r\n"


def open_jobs() -> Jobs:
    """Jobs that turn nobody away, and take nothing either."""
    return cast(Jobs, SimpleNamespace(limits=Limits(), check_line=lambda owner: None, check_room=lambda owner: None))


@contextmanager
def listening(app: FastAPI, clients: ClientLimits) -> Iterator[int]:
    """The application on a real socket, in a thread; its port."""
    # What it is made of is not started: no route that is asked here needs it.
    config = uvicorn.Config(
        app,
        port=0,
        lifespan="off",
        log_level="critical",
        ws="none",
        http=partial(Connection, clients=clients),  # type: ignore[arg-type]
    )
    server, started = uvicorn.Server(config), threading.Event()
    startup = server.startup

    async def starting(sockets: Any = None) -> None:
        await startup(sockets)
        started.set()

    server.startup = starting  # type: ignore[method-assign]
    thread = threading.Thread(target=asyncio.run, args=(server.serve(),), daemon=True)
    thread.start()
    assert started.wait(PATIENT)
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = server.force_exit = True
        thread.join(PATIENT)
        assert not thread.is_alive()


def connected(port: int, sent: bytes = b"") -> socket.socket:
    client = socket.create_connection(("127.0.0.1", port), PATIENT)
    client.sendall(sent)
    return client


def told(client: socket.socket) -> bytes:
    """All that comes until the server ends the connection. Fails where it does not."""
    found = b""
    try:
        while part := client.recv(1 << 16):
            found += part
    except ConnectionResetError:
        pass
    return found


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"GET /healthz HT", id="half a line"),
        pytest.param(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n", id="half a head"),
        pytest.param(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\nGET /he", id="half of a second head"),
    ],
)
def test_a_head_that_does_not_come_ends_the_connection(sent: bytes) -> None:
    with listening(an_app(), SOON) as port, closing(connected(port, sent)) as client:
        assert told(client).count(b"HTTP/1.1 200 OK") == sent.count(b"\r\n\r\n")


def test_a_second_head_in_pieces_is_cut_off_too() -> None:
    with listening(an_app(), SOON) as port, closing(connected(port)) as client:
        client.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        answer = client.recv(1 << 16)
        assert answer.startswith(b"HTTP/1.1 200 OK")
        # From here on, uvicorn would wait for ever.
        client.sendall(b"G")
        told(client)


def test_a_body_that_does_not_come_is_answered_408() -> None:
    app = make_app(open_jobs(), Keys(), clients=SOON)
    with listening(app, SOON) as port:
        for sent in (b"", b'--x\r\ncontent-disposition: form-data; name="content"; filename="a"\r\n\r\nabc'):
            with closing(connected(port, HEAD + FORM + b"Content-Length: 100000\r\n\r\n" + sent)) as client:
                answer = told(client)
                assert answer.startswith(b"HTTP/1.1 408 Request Timeout"), answer
                assert b'"code":"upload_too_slow"' in answer
                assert b"connection: close" in answer.lower()


def test_a_slow_body_may_take_its_time_while_enough_of_it_comes() -> None:
    limits = ClientLimits(body_timeout=30, body_rate=1000)
    assert limits.body_seconds(0) == 30
    assert limits.body_seconds(60_000) == 90


def test_who_is_turned_away_is_told_at_once_and_may_not_go_on_for_ever() -> None:
    # With 100: nothing has to be sent before the answer.
    with listening(an_app(), SOON) as port:
        head = HEAD + FORM + b"Content-Length: 60000000\r\nExpect: 100-continue\r\n\r\n"
        with closing(connected(port, head)) as client:
            answer = told(client)
            assert answer.startswith(b"HTTP/1.1 429 Too Many Requests"), answer
    # Who sends it all the same hears of it, and can go on.
    patient = ClientLimits()
    with listening(an_app(), patient) as port, closing(connected(port)) as client:
        client.sendall(HEAD + FORM + b"Content-Length: 3000000\r\n\r\n" + b"x" * 3_000_000)
        assert client.recv(1 << 16).startswith(b"HTTP/1.1 429")
        client.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        assert b"HTTP/1.1 200 OK" in told(client)


def test_an_answer_that_nobody_takes_is_given_up() -> None:
    app, size = an_app(), 50_000_000

    @app.get("/large")
    def large() -> Response:
        return Response(bytes(size))

    gone = threading.Event()

    class Watched(Connection):
        def connection_lost(self, exc: Exception | None) -> None:
            super().connection_lost(exc)
            gone.set()

    ask = b"GET /large HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(globals(), "Connection", Watched)
        with listening(app, SOON) as port, closing(connected(port, ask)) as client:
            assert gone.wait(PATIENT)
            assert len(told(client)) < size


def test_half_open_connections_lock_nobody_out() -> None:
    limits = ClientLimits(connections=5, head_timeout=PATIENT)
    with listening(an_app(), limits) as port:
        held = [connected(port, b"GET /heal") for _ in range(20)]
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENT) as client:
            assert client.get("/healthz").status_code == 200
        # Those that had waited longest made room.
        for one in held[:15]:
            assert told(one) == b""
        for one in held:
            one.close()


def test_beyond_what_is_answered_at_once_one_is_told_to_come_back() -> None:
    limits = ClientLimits(connections=2, body_timeout=PATIENT)
    app = make_app(open_jobs(), Keys(), clients=limits)
    with listening(app, limits) as port:
        started = HEAD + FORM + b"Expect: 100-continue\r\nContent-Length: 100\r\n\r\n"
        held = [connected(port, started) for _ in range(2)]
        for one in held:
            assert one.recv(1 << 16).startswith(b"HTTP/1.1 100 ")
        with closing(connected(port, b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")) as late:
            answer = told(late)
            assert answer.startswith(b"HTTP/1.1 503 Service Unavailable"), answer
            assert b"retry-after: 5" in answer.lower()
            assert b"x-request-id: " in answer.lower()
            assert b'"code":"too_many_connections"' in answer
        for one in held:
            one.close()
