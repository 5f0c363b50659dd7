"""Home: the folder of one server's jobs, which no other may use meanwhile."""

from __future__ import annotations

import os
from pathlib import Path

from impasto.errors import RequestError
from impasto.folders import made, unwritable

try:
    import fcntl
except ImportError:  # on Windows
    fcntl = None  # type: ignore[assignment]

__all__ = ["hold"]


def hold(folder: Path) -> int:
    """Make ``folder``, and keep others out as long as this process lives or :func:`os.close` is called.

    Two servers there would take up each other's jobs. Returns a file descriptor. Raises :class:`RequestError` where
    another has it, and :class:`OutputError` where it cannot be written.
    """
    try:
        held = os.open(made(folder) / "held", os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise unwritable(folder, error) from error
    if fcntl is not None:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(held)
            raise RequestError(
                f"another server has its jobs in {folder}; stop it, or give another folder with --home"
            ) from None
    return held
