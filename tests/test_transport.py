"""Messages between a pool and its workers: the connection, tasks, and errors."""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from waiting import WAIT

import impasto.jobs.errors as jobs_errors
from impasto import client, errors
from impasto.errors import ImpastoError, MissingExtra, RequestError
from impasto.jobs.errors import QueueFull, WorkerLost
from impasto.jobs.records.error_codec import decode_error, encode_error
from impasto.jobs.records.style_ref import StyleRef
from impasto.jobs.workers.messages import Painted, Task
from impasto.jobs.workers.transport import MessageSocket

HEADERS = st.dictionaries(
    st.text(max_size=9),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
        max_leaves=5,
    ),
    max_size=4,
)


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


@given(HEADERS, st.lists(st.binary(max_size=50), max_size=5))
def test_what_is_sent_arrives(header: dict[str, Any], blobs: list[bytes]) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        MessageSocket(ours).send(header, blobs)
        MessageSocket(ours).send({"next": 1})
        connection = MessageSocket(theirs)
        assert connection.receive() == (header, blobs)
        assert connection.receive() == ({"next": 1}, [])


def test_large_messages_go_through_whoever_waits(ends: tuple[socket.socket, socket.socket]) -> None:
    blobs = [bytes([i]) * 3_000_000 for i in range(3)]
    sending, receiving = MessageSocket(ends[0], blocks=False), MessageSocket(ends[1])
    waited: list[bool] = []
    sending.wait = waited.append
    found = []
    thread = threading.Thread(target=lambda: found.append(receiving.receive()))
    thread.start()
    sending.send({"a": 1}, blobs)
    thread.join(WAIT)
    assert found == [({"a": 1}, blobs)]
    assert set(waited) == {True}

    receiving, sending = MessageSocket(ends[0], blocks=False), MessageSocket(ends[1])
    waited.clear()
    receiving.wait = waited.append
    thread = threading.Thread(target=sending.send, args=({"b": 2}, blobs))
    thread.start()
    assert receiving.receive() == ({"b": 2}, blobs)
    thread.join(WAIT)
    assert set(waited) <= {False}


def test_a_wire_that_is_cut_says_so(ends: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = ends
    ours.sendall(struct.pack(">II", 9, 0) + b"{")
    ours.close()
    with pytest.raises(EOFError):
        MessageSocket(theirs).receive()
    with pytest.raises(EOFError):
        MessageSocket(theirs).send({"a": 1}, [b"x" * 9])


@pytest.mark.parametrize(
    "data",
    [
        struct.pack(">II", 1 << 31, 0),
        struct.pack(">II", 2, 1 << 20),
        struct.pack(">II", 2, 2) + struct.pack(">2Q", 1 << 60, 1 << 60),
        struct.pack(">II", 3, 0) + b"{,}",
        struct.pack(">II", 3, 0) + b"\xff{}",
        struct.pack(">II", 2, 0) + b"[]",
        struct.pack(">II", 100_000, 0) + b"[" * 100_000,
    ],
    ids=["header", "count", "bytes", "broken", "text", "list", "deep"],
)
def test_what_is_no_message_is_refused(ends: tuple[socket.socket, socket.socket], data: bytes) -> None:
    ours, theirs = ends
    thread = threading.Thread(target=ours.sendall, args=(data,))
    thread.start()
    with pytest.raises(EOFError):
        MessageSocket(theirs).receive()
    thread.join(WAIT)


def test_tasks_and_what_comes_of_them_arrive(tmp_path: Path) -> None:
    task = Task(
        content=b"photo",
        styles=[(1.0, StyleRef("starry-night")), (2.5, StyleRef(file=b"card")), (3, StyleRef(file=tmp_path / "a.jpg"))],
        files={"mask": tmp_path / "mask.png", "guide": b"guide"},
        settings={"strength": 0.5, "engine": "iterative"},
        state=tmp_path / "run.state",
        preview=True,
        format="png",
        max_pixels=1000,
    )
    header, blobs = task.to_message()
    assert blobs == [b"photo", b"card", b"guide"]
    assert Task.from_message((json.loads(json.dumps(header)), blobs)) == task
    plain = Task(tmp_path / "photo.jpg", [(1, StyleRef("x"))])
    assert Task.from_message(plain.to_message()) == plain
    painted = Painted(b"data", "image/png", 3, 4, 0.5, "instant@2", False, {"style": "x"})
    assert Painted.from_message(painted.to_message()) == painted
    assert "data" not in repr(painted)


def every(root: type[ImpastoError]) -> Iterator[type[ImpastoError]]:
    yield root
    for kind in root.__subclasses__():
        yield from every(kind)


@pytest.mark.parametrize("kind", list(dict.fromkeys(every(ImpastoError))), ids=str)
def test_an_error_is_raised_again_as_it_was(kind: type[ImpastoError]) -> None:
    if kind.__module__ not in (errors.__name__, jobs_errors.__name__):
        pytest.skip("of another test")
    error = kind.__new__(kind, "strength is 2; give 1")
    failure = json.loads(json.dumps(encode_error(error)))
    again = decode_error(failure)
    assert type(again) is kind
    assert str(again) == "strength is 2; give 1"
    assert (again.code, again.status) == (kind.code, kind.status)


def test_errors_keep_their_facts_and_unknown_ones_are_errors() -> None:
    missing = decode_error(encode_error(MissingExtra("the engine iterative", "iterative")))
    assert isinstance(missing, MissingExtra)
    assert missing.extra == "iterative"
    assert "pip install 'impasto[iterative]'" in str(missing)
    full = decode_error(encode_error(QueueFull("7 wait", 60)))
    assert isinstance(full, QueueFull)
    assert full.retry_after == 60
    lost = decode_error(encode_error(WorkerLost("gone", "memory")))
    assert isinstance(lost, WorkerLost)
    assert lost.reason == "memory"
    assert isinstance(decode_error(encode_error(RequestError("x"))), ValueError)
    for failure in ({"code": "of another version", "message": "x"}, {}, {"code": None, "facts": 3}):
        assert type(decode_error(failure)) is ImpastoError


def test_a_code_is_of_one_class() -> None:
    assert issubclass(client.Busy, ImpastoError)
    classes = [ImpastoError]
    for kind in classes:
        classes += kind.__subclasses__()
    codes = [kind.code for kind in classes if "code" in vars(kind) and kind.__module__.startswith("impasto.")]
    assert sorted(codes) == sorted(set(codes))
