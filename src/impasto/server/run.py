"""Serving: the application on an address, until it is told to stop."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path
from types import FrameType

import uvicorn
from fastapi import FastAPI

from impasto.errors import OutputError, RequestError
from impasto.inference.heap import return_memory
from impasto.jobs.limits import Limits
from impasto.jobs.records.blobs import make_folder
from impasto.jobs.service import Jobs
from impasto.server.app import make_app
from impasto.server.auth import Keys
from impasto.server.client_limits import ClientLimits
from impasto.server.compat.compat import Compat
from impasto.server.connection import Connection
from impasto.server.middleware.allowed_hosts import AllowedHosts, is_loopback
from impasto.server.middleware.root_path import check_root
from impasto.server.shutdown import Shutdown

__all__ = ["serve"]

_LOG = logging.getLogger("impasto.server")
_DRAIN = 2
"""Seconds that answers in the making have, once the server is told to stop."""
_GRACE = 3.0
"""Seconds after which what still runs then is told to save itself; workers that do not are ended five seconds later."""


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
    compat_size: int | None = None,
    ready: Callable[[str], None] | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM: then nothing new is begun, what runs is saved, and it ends within ten seconds.

    ``names`` are what else the server may be called by, and ``root`` the path that a proxy has it at; ``ready`` is told
    the address once it listens. With ``compat`` it has the doors of other public programs, and pictures for their
    clients in ``storage``, by default a folder in ``home``, none longer than ``compat_size`` pixels. Raises
    :class:`RequestError` for an address that others reach, without keys and without ``insecure``.
    """
    keys = Keys(key_file)
    if not is_loopback(host) and not keys.asked and not insecure:
        raise RequestError(
            f"{host} can be reached from other machines; give --api-key-file, or --insecure to let everyone in"
        )
    hosts, root = AllowedHosts.of(host, names), check_root(root)
    clients = ClientLimits() if clients is None else clients
    # Uploads are large, and come in threads.
    return_memory()
    ending = Shutdown()
    jobs = Jobs(home, database=database, limits=limits, interactive=interactive, bulk=bulk)
    _use_spool_folder(home / "uploads")
    doors = None
    if compat:
        doors = Compat(
            jobs, storage=storage or home / "storage", pending_files=home / "pending_files", size=compat_size
        )
    app = make_app(jobs, keys, hosts=hosts, clients=clients, root=root, grace=_GRACE, compat=doors)
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_DRAIN,
        timeout_keep_alive=30,
        ws="none",
        http=partial(Connection, clients=clients),  # type: ignore[arg-type]
    )
    _handle_hangup(keys, key_file)
    _Server(config, app, ending, ready).run()
    ending.finish()


def _handle_hangup(keys: Keys, file: Path | None) -> None:
    """SIGHUP has the key file read again. Without one, in a terminal, it tells that this was closed: it ends the server
    as ever."""

    def read(_: int, __: FrameType | None) -> None:
        try:
            keys.read_again()
        except RequestError as error:
            _LOG.error("the keys stay as they were: %s", error)
        else:
            _LOG.info("the keys were read again")

    is_terminal = sys.stdin is not None and sys.stdin.isatty()
    if (file is not None or not is_terminal) and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGHUP, read)


def _use_spool_folder(folder: Path) -> None:
    """Have what is uploaded wait in a folder beside the jobs, by this process and its workers: the machine's own may be
    small, full or read-only. What a server that was killed left there is removed."""
    shutil.rmtree(folder, ignore_errors=True)
    try:
        make_folder(folder)
    except OSError as error:
        raise OutputError(f"cannot make {folder}: {error.strerror}; give another folder with --home") from error
    tempfile.tempdir = os.environ["TMPDIR"] = str(folder.absolute())


class _Server(uvicorn.Server):
    def __init__(
        self, config: uvicorn.Config, app: FastAPI, ending: Shutdown, ready: Callable[[str], None] | None
    ) -> None:
        super().__init__(config)
        self._app, self._ending, self._ready = app, ending, ready

    async def startup(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]
        await super().startup(sockets)  # type: ignore[arg-type]
        if self.started and self._ready is not None:
            (address, *_) = self.servers[0].sockets[0].getsockname()[:2]
            port = self.servers[0].sockets[0].getsockname()[1]
            self._ready(f"http://{f'[{address}]' if ':' in address else address}:{port}")

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002
        self._ending.begin()
        if not self.should_exit:
            self._app.state.told = time.monotonic()
        # Streams of events never end by themselves.
        if closing := getattr(self._app.state, "closing", None):
            closing.set()
        # Not as uvicorn does it, which dies of the signal in the end: being told to stop is not a failure.
        self.force_exit = self.should_exit and sig == signal.SIGINT
        self.should_exit = True
