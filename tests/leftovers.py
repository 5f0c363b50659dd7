"""Processes that tests leave behind: known by a mark that all have inherited, and ended."""

from __future__ import annotations

import os
from contextlib import suppress

import psutil

__all__ = ["end", "mark"]

_MARK = "IMPASTO_TESTS"
_PYTHONS_OWN = "multiprocessing.resource_tracker"
"""Ends with the process that started it."""
_SECONDS = 10.0
"""What is being killed, or follows who was, is gone by then."""


def mark() -> str:
    """Mark what this process starts from now on, and return the mark: within that of the process that started it."""
    whose = os.environ.get(_MARK, "")
    os.environ[_MARK] = f"{whose}/{os.getpid()}"
    return os.environ[_MARK]


def end(mark: str) -> list[str]:
    """The command lines of those that are still there; they are not any more."""
    _, left = psutil.wait_procs(_marked(mark), _SECONDS)
    told = []
    for process in left:
        with suppress(psutil.Error):
            told.append(f"{process.pid}: {' '.join(process.cmdline())}")
            process.kill()
    psutil.wait_procs(left, _SECONDS)
    return told


def _marked(mark: str) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        # What belongs to others cannot be read.
        with suppress(psutil.Error):
            its = process.environ().get(_MARK, "")
            is_ours = process.pid != os.getpid() and f"{its}/".startswith(f"{mark}/")
            if is_ours and not any(_PYTHONS_OWN in word for word in process.cmdline()):
                found.append(process)
    return found
