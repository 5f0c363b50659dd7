"""Locks on the folder of a server's jobs, and on its database if that is a file, so that no other server uses them."""

from __future__ import annotations

import os
from pathlib import Path

from impasto.errors import RequestError
from impasto.user_folders import make_folder, unwritable_error

try:
    import fcntl
except ImportError:  # on Windows
    fcntl = None  # type: ignore[assignment]

__all__ = ["lock_database", "lock_home"]


def lock_home(folder: Path) -> int:
    """Make ``folder``, and keep others out as long as this process lives or :func:`os.close` is called.

    Two servers there would take up each other's jobs. Returns a file descriptor. Raises :class:`RequestError` where
    another has it, and :class:`OutputError` where it cannot be written.
    """
    return _lock_file(make_folder(folder) / "held", f"{folder}; stop it, or give another folder with --home")


def lock_database(file: Path) -> int:
    """The same for a database that is a file, which several folders may name."""
    return _lock_file(file.with_name(f"{file.name}.held"), f"{file}; stop it, or give another database with --database")


def _lock_file(file: Path, refusal: str) -> int:
    try:
        held = os.open(file, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise unwritable_error(file.parent, error) from error
    if fcntl is not None:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(held)
            raise RequestError(f"another server has its jobs in {refusal}") from None
    return held
