"""PostgreSQL of a test's own, where its programs are on this machine: it can be killed and started again."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import psutil
import psycopg

__all__ = ["Cluster", "programs"]

_STARTS = 120
"""Seconds after which one that does not answer fails its test."""


def programs() -> Path | None:
    """The folder of its programs, the newest."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda file: float(file.parts[-3]))
    return found[-1].parent if found else None


class Cluster:
    """Its own folder and port; as the user ``postgres`` where tests run as root, which it refuses."""

    def __init__(self) -> None:
        found = programs()
        assert found is not None
        self._programs = found
        self._folder = Path(tempfile.mkdtemp(prefix="impasto-postgresql-"))
        self._as: dict[str, Any] = {}
        if os.geteuid() == 0:
            user = pwd.getpwnam("postgres")
            self._as = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
            os.chown(self._folder, user.pw_uid, user.pw_gid)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port: int = probe.getsockname()[1]
        self.url = f"postgresql://postgres@127.0.0.1:{self._port}/postgres"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        arguments = ["-D", "data", "-U", "postgres", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale", "C"]
        command = [str(self._programs / "initdb"), *arguments]
        subprocess.run(command, cwd=self._folder, check=True, capture_output=True, **self._as)
        return self.start()

    def start(self) -> Self:
        # What was killed may still hold the port for a moment.
        settings = ["-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={self._folder}"]
        command = [str(self._programs / "postgres"), "-D", "data", "-p", str(self._port), *settings, "-c", "fsync=off"]
        until = time.monotonic() + _STARTS
        while True:
            with (self._folder / "log").open("ab") as log:
                self._process = subprocess.Popen(command, cwd=self._folder, stderr=log, **self._as)
            while self._process.poll() is None:
                try:
                    psycopg.connect(self.url).close()
                except psycopg.OperationalError:
                    assert time.monotonic() < until, (self._folder / "log").read_text()
                    time.sleep(0.05)
                else:
                    return self
            assert time.monotonic() < until, (self._folder / "log").read_text()
            time.sleep(0.2)

    def kill(self) -> None:
        """All of its processes at once, as by kill -9."""
        assert self._process is not None
        parent = psutil.Process(self._process.pid)
        every = [parent, *parent.children(recursive=True)]
        for process in every:
            with suppress(psutil.NoSuchProcess):  # gone by itself, since the list was made
                process.send_signal(signal.SIGKILL)
        self._process.wait()
        psutil.wait_procs(every[1:], _STARTS)

    def database(self) -> str:
        """The URL of a new one."""
        name = f"impasto_{uuid.uuid4().hex}"
        self.run(f"CREATE DATABASE {name}")
        return f"{self.url.rpartition('/')[0]}/{name}"

    def run(self, command: str) -> None:
        """One command by itself."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(command)

    def __exit__(self, *_: object) -> None:
        if self._process is not None and self._process.poll() is None:
            self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)
