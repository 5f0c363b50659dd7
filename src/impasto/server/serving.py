"""Serving: the application on an address, until it is told to stop."""

from __future__ import annotations

import signal
from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path
from types import FrameType

import uvicorn
from fastapi import FastAPI

from impasto.errors import RequestError
from impasto.jobs.limits import Limits
from impasto.jobs.service import Jobs
from impasto.server.app import make_app
from impasto.server.client_limits import ClientLimits
from impasto.server.compat.compat import Compat
from impasto.server.connection import Connection
from impasto.server.hosts import Hosts, is_loopback
from impasto.server.keys import Keys
from impasto.server.rooted import check_root

__all__ = ["serve"]

_DRAIN = 2
"""Seconds that answers in the making have, once the server is told to stop; jobs have the rest of ten."""
_GRACE = 6.0


def serve(
    home: Path,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    database: str | None = None,
    key_file: Path | None = None,
    insecure: bool = False,
    names: Collection[str] = (),
    root: str = "",
    clients: ClientLimits | None = None,
    interactive: int | None = None,
    bulk: int | None = None,
    limits: Limits | None = None,
    compat: bool = False,
    storage: Path | None = None,
    ready: Callable[[str], None] | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM: then nothing new is begun, what runs is saved, and it ends within ten seconds.

    ``names`` are what else the server may be called by, and ``root`` the path that a proxy has it at; ``ready`` is told
    the address once it listens. With ``compat`` it has the doors of other public programs, and pictures for their
    clients in ``storage``, by default a folder in ``home``. Raises :class:`RequestError` for an address that others
    reach, without keys and without ``insecure``.
    """
    keys = Keys(key_file)
    if not is_loopback(host) and not keys.asked and not insecure:
        raise RequestError(
            f"{host} can be reached from other machines; give --api-key-file, or --insecure to let everyone in"
        )
    hosts, root = Hosts.of(host, names), check_root(root)
    clients = ClientLimits() if clients is None else clients
    jobs = Jobs(home, database=database, limits=limits, interactive=interactive, bulk=bulk)
    doors = Compat(jobs, storage=storage or home / "storage", promises=home / "promises") if compat else None
    app = make_app(jobs, keys, hosts=hosts, clients=clients, root=root, grace=_GRACE, compat=doors)
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_DRAIN,
        timeout_keep_alive=30,
        ws="none",
        http=partial(Connection, clients=clients),  # type: ignore[arg-type]
    )
    _Server(config, app, ready).run()


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, app: FastAPI, ready: Callable[[str], None] | None) -> None:
        super().__init__(config)
        self._app, self._ready = app, ready

    async def startup(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]
        await super().startup(sockets)  # type: ignore[arg-type]
        if self.started and self._ready is not None:
            (address, *_) = self.servers[0].sockets[0].getsockname()[:2]
            port = self.servers[0].sockets[0].getsockname()[1]
            self._ready(f"http://{f'[{address}]' if ':' in address else address}:{port}")

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002
        # Streams of events never end by themselves.
        if closing := getattr(self._app.state, "closing", None):
            closing.set()
        # Not as uvicorn does it, which dies of the signal in the end: to be told to stop is no failure.
        self.force_exit = self.should_exit and sig == signal.SIGINT
        self.should_exit = True
