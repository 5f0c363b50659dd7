"""Folders: where a user's own styles, models and jobs lie."""

from __future__ import annotations

import os
from pathlib import Path

from impasto.errors import OutputError

__all__ = ["ELSEWHERE", "make_folder", "own_folder", "somewhere", "unwritable_error"]

ELSEWHERE = "make room there, or set IMPASTO_HOME to a folder elsewhere"
"""What to do where something in a folder of the user's own cannot be written."""

_NOWHERE = Path(os.devnull, "impasto")
"""In place of a home folder where there is none: nothing is ever found there, and nothing can be made."""


def own_folder(name: str) -> Path:
    """The folder ``name`` in ``$IMPASTO_HOME``, else in the user's data folder. It is not made.

    Containers run as users whom the system does not know, without ``$HOME``: they have nothing of their own, which is
    no error until something is to be kept, and then :func:`make_folder` tells.
    """
    if home := os.environ.get("IMPASTO_HOME"):
        return Path(home) / name
    from platformdirs import user_data_path

    try:
        data = user_data_path("impasto", appauthor=False)
    except RuntimeError:
        data = _NOWHERE
    # Older versions give what begins with "~" or another path that depends on the working folder.
    return (data if data.is_absolute() else _NOWHERE) / name


def somewhere(folder: Path) -> Path:
    """``folder``. Raises :class:`OutputError` where it is in the home of a user who has none."""
    if folder.is_relative_to(_NOWHERE):
        raise OutputError(
            f"there is no home folder to keep {folder.relative_to(_NOWHERE).parts[0]} in; set IMPASTO_HOME to a folder "
            "that you may write"
        )
    return folder


def make_folder(folder: Path) -> Path:
    """``folder``, made where it is not there. Raises :class:`OutputError`."""
    try:
        somewhere(folder).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable_error(folder, error) from error
    return folder


def unwritable_error(path: Path, error: OSError) -> OutputError:
    """What to raise where ``path``, in a folder of the user's own, cannot be written because of ``error``."""
    return OutputError(f"{path} cannot be written: {error.strerror or error}; {ELSEWHERE}")
