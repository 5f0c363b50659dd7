"""Home: the folder of one server's jobs, and its database if that is a file, which no other may use meanwhile."""

from __future__ import annotations

import os
from pathlib import Path

from impasto.errors import RequestError
from impasto.user_folders import made, unwritable

try:
    import fcntl
except ImportError:  # on Windows
    fcntl = None  # type: ignore[assignment]

__all__ = ["hold", "hold_database"]


def hold(folder: Path) -> int:
    """Make ``folder``, and keep others out as long as this process lives or :func:`os.close` is called.

    Two servers there would take up each other's jobs. Returns a file descriptor. Raises :class:`RequestError` where
    another has it, and :class:`OutputError` where it cannot be written.
    """
    return _locked(made(folder) / "held", f"{folder}; stop it, or give another folder with --home")


def hold_database(file: Path) -> int:
    """The same for a database that is a file, which several folders may name."""
    return _locked(file.with_name(f"{file.name}.held"), f"{file}; stop it, or give another database with --database")


def _locked(file: Path, refusal: str) -> int:
    try:
        held = os.open(file, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise unwritable(file.parent, error) from error
    if fcntl is not None:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(held)
            raise RequestError(f"another server has its jobs in {refusal}") from None
    return held
