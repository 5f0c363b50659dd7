"""Load generator: clients that ask a server for one answer after the other, and how it bears that."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection
from urllib.parse import urlsplit

from impasto.errors import ImpastoError

__all__ = ["Form", "Load", "repeat", "run_load"]

_PROBES = 50
"""Probes a second."""
_PATIENCE = 60
"""Seconds to wait for one answer."""


@dataclass(frozen=True, slots=True)
class Load:
    """How many milliseconds each answer and each probe took, and the seconds until the last answer was there."""

    answers: tuple[float, ...]
    probes: tuple[float, ...]
    seconds: float

    @property
    def rate(self) -> float:
        """Answers a second."""
        return len(self.answers) / self.seconds


class Form:
    """A multipart form, put together once: ``path`` is where it is sent; texts are fields, bytes are files."""

    def __init__(self, path: str, **fields: str | bytes) -> None:
        boundary = secrets.token_hex(16)
        parts = []
        for name, value in fields.items():
            file = f'; filename="{name}.jpg"\r\nContent-Type: image/jpeg' if isinstance(value, bytes) else ""
            head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'
            parts.append(head.encode() + (value if isinstance(value, bytes) else value.encode()) + b"\r\n")
        self.path = path
        self.body = b"".join(parts) + f"--{boundary}--\r\n".encode()
        self.headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}


def repeat(call: Callable[[], object], seconds: float) -> Load:
    """Call again and again for so long, once at least."""
    start = time.perf_counter()
    answers = _until(start + seconds, call)
    return Load(tuple(answers), (), time.perf_counter() - start)


def run_load(address: str, forms: Sequence[Form], seconds: float, *, probe: str = "") -> Load:
    """Let as many clients as there are ``forms`` send one each, over and over for so long, on connections kept open.

    ``probe`` is a path to ask for besides, some fifty times a second on a connection of its own. Raises
    :class:`ImpastoError` for an answer other than 200, and ``OSError`` where none comes.
    """

    def client(form: Form) -> list[float]:
        with closing(_connected(address)) as connection:
            return _until(until, lambda: _ask(connection, "POST", form.path, form.body, form.headers))

    def prober() -> list[float]:
        spent, due = [], time.perf_counter()
        with closing(_connected(address)) as connection:
            while due < until:
                if (wait := due - time.perf_counter()) > 0:
                    time.sleep(wait)
                    due = time.perf_counter()
                _ask(connection, "GET", probe)
                # What waited for the answer before counts from when it was due.
                spent.append(1000 * (time.perf_counter() - due))
                due += 1 / _PROBES
        return spent

    with ThreadPoolExecutor(len(forms) + 1) as threads:
        start = time.perf_counter()
        until = start + seconds
        probes = threads.submit(prober) if probe else None
        clients = [threads.submit(client, form) for form in forms]
        answers = [spent for found in clients for spent in found.result()]
        end = time.perf_counter()
        return Load(tuple(answers), tuple(probes.result()) if probes else (), end - start)


def _until(end: float, call: Callable[[], object]) -> list[float]:
    """Milliseconds of each call."""
    spent = []
    while True:
        start = time.perf_counter()
        call()
        spent.append(1000 * (time.perf_counter() - start))
        if time.perf_counter() >= end:
            return spent


def _connected(address: str) -> HTTPConnection:
    return HTTPConnection(urlsplit(address).netloc, timeout=_PATIENCE)


def _ask(
    connection: HTTPConnection, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
) -> None:
    connection.request(method, path, body, headers or {})
    answer = connection.getresponse()
    data = answer.read()
    if answer.status != 200:
        told = " ".join(data[:300].decode("utf-8", "replace").split())
        raise ImpastoError(f"the server at {connection.host}:{connection.port} answered {answer.status}: {told}")
