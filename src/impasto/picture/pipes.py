"""Pipes: files that are read once only, from their beginning to their end."""

from __future__ import annotations

import os
import stat

__all__ = ["is_pipe"]


def is_pipe(path: str | os.PathLike[str]) -> bool:
    """Whether ``path`` is a pipe with a name, as a shell makes one of ``<(command)``, or another kind of stream."""
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError):
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISCHR(mode) or stat.S_ISSOCK(mode)
