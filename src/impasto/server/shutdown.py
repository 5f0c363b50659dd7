"""Shutdown: ends a server that was told to stop, in time."""

from __future__ import annotations

import logging
import os
import sys
import threading
from contextlib import suppress
from typing import NoReturn

__all__ = ["Shutdown", "exit_now"]

_LOG = logging.getLogger("impasto.server")
_SECONDS = 8.5
"""After so many, the process ends whatever it does: within the ten that are promised."""


class Shutdown:
    """Sees to it that the process ends in time, once it was told to.

    Whoever waits for a database that is away, or for threads of a library, would wait long. What is not saved by then
    is done again at the next start, as after a kill.
    """

    def __init__(self) -> None:
        self._over = threading.Event()
        self._is_near = False

    def begin(self) -> None:
        """Called by a signal's handler, perhaps several times."""
        if not self._is_near:
            self._is_near = True
            threading.Thread(target=self._watch, name="impasto-ending", daemon=True).start()

    def finish(self) -> None:
        """It has all ended by itself."""
        self._over.set()

    def _watch(self) -> None:
        if not self._over.wait(_SECONDS):
            _LOG.warning("not all has ended in %g seconds; what is left goes on at the next start", _SECONDS)
            exit_now()


def exit_now(status: int = 0) -> NoReturn:
    """End this process now, whatever its other threads wait for. Its workers end with it."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):
            stream.flush()
    os._exit(status)
