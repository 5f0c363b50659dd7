"""Imported by every Python process that has this folder on ``PYTHONPATH``, before anything else.

Whatever would leave the machine is written down and raises, and every file that is opened to be written is written
down: a line of JSON each, in the file ``IMPASTO_WATCHED``. What code in C opens by itself is not seen.
"""

from __future__ import annotations

import ipaddress
import json
import os
import sys
from typing import Any

_FILE = os.environ.get("IMPASTO_WATCHED", "")
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
_LOCAL = ("localhost", "")


class Leaving(OSError):
    """Something would have left the machine."""


def _note(event: str, what: object) -> None:
    file = os.open(_FILE, os.O_WRONLY | os.O_APPEND)
    try:
        os.write(file, json.dumps([event, str(what)]).encode() + b"\n")
    finally:
        os.close(file)


def _is_local(host: object) -> bool:
    text = os.fsdecode(host) if isinstance(host, (str, bytes)) else ""
    try:
        return text in _LOCAL or ipaddress.ip_address(text).is_loopback
    except ValueError:
        return False


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg", "socket.bind"):
        address = arguments[1]
        if isinstance(address, tuple) and not _is_local(address[0]):
            _leave(event, address)
    elif event in ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"):
        if arguments[0] is not None and not _is_local(arguments[0]):
            _leave(event, arguments[0])
    elif event == "urllib.Request":
        _leave(event, arguments[0])
    elif event == "open":
        path, _, flags = arguments
        if isinstance(flags, int) and flags & _WRITES and isinstance(path, (str, bytes)) and os.fsdecode(path) != _FILE:
            _note("write", os.path.abspath(os.fsdecode(path)))
    elif event in ("os.mkdir", "os.link", "os.symlink"):
        _note("write", os.path.abspath(os.fsdecode(arguments[0 if event == "os.mkdir" else 1])))
    elif event == "os.rename":
        _note("write", os.path.abspath(os.fsdecode(arguments[1])))


def _leave(event: str, what: object) -> None:
    _note(event, what)
    raise Leaving(f"{event}: {what}")


if _FILE:
    _note("process", " ".join(sys.orig_argv[1:4]))
    sys.addaudithook(_watch)
