"""Server process: one that is measured, in a process of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from urllib.parse import urlsplit

from impasto.errors import ImpastoError

__all__ = ["running_server"]

_START = 60.0
_STOP = 20.0
_PAUSE = 0.05


@contextmanager
def running_server(*program: str, ready: str) -> Iterator[str]:
    """Run ``python program`` and yield its address, which it tells on standard error; end it afterwards.

    It is waited for until it answers GET ``ready`` with 200. Raises :class:`ImpastoError`, with the last it said, where
    it ends before, or takes more than a minute.
    """
    # A server that is measured has no business in the database of another, nor with its other options.
    environment = {
        name: value
        for name, value in os.environ.items()
        if name != "IMPASTO_DATABASE" and not name.startswith("IMPASTO_SERVE_")
    }
    with tempfile.TemporaryDirectory() as folder:
        said = Path(folder, "said")
        with said.open("wb") as stream:
            command = [sys.executable, *program]
            process = subprocess.Popen(command, env=environment, stdout=stream, stderr=stream)  # noqa: S603
        try:
            yield _address(process, said, ready)
        finally:
            process.terminate()
            try:
                process.wait(_STOP)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _address(process: subprocess.Popen[bytes], said: Path, ready: str) -> str:
    end = time.monotonic() + _START
    while process.poll() is None and time.monotonic() < end:
        told = re.search(r"http://\S+(?=\s)", said.read_text("utf-8", "replace"))
        if told and _answers(told[0], ready):
            return told[0]
        time.sleep(_PAUSE)
    what = f"did not answer {ready} within {_START:.0f} s" if process.poll() is None else "exited during startup"
    last = said.read_text("utf-8", "replace").strip().rpartition("\n")[2] or "nothing"
    raise ImpastoError(f"the server {what}; its last line of output was: {last}")


def _answers(address: str, path: str) -> bool:
    try:
        with closing(HTTPConnection(urlsplit(address).netloc, timeout=_START)) as connection:
            connection.request("GET", path)
            return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
