"""Compat: what the doors of other programs share."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path

from fastapi import Request

from impasto.jobs.service import Jobs
from impasto.server.compat.names import Chosen
from impasto.server.compat.promises import Promises
from impasto.server.compat.storage import Storage

__all__ = ["STAND_IN", "Compat", "compat_of"]

STAND_IN = "Impasto-Stand-In"
"""The header that names the style which was painted in place of one that is not here."""
_LOG = logging.getLogger("impasto.server")


class Compat:
    """The storage with what is promised to be in it."""

    def __init__(self, jobs: Jobs, *, storage: Path, promises: Path) -> None:
        """``storage`` is the folder that clients look into, ``promises`` one of the server's own. Raises
        :class:`OutputError` where one cannot be made."""
        self.storage = Storage(storage)
        self.promises = Promises(jobs, self.storage, promises)
        self._said: set[Chosen] = set()

    def start(self) -> None:
        """After the jobs."""
        self.promises.start()

    def stop(self) -> None:
        """Before the jobs."""
        self.promises.stop()

    def say(self, painted: Iterable[Chosen]) -> None:
        """Tell the log about stand-ins, once about each."""
        for one in painted:
            if one.stand_in and one not in self._said:
                self._said.add(one)
                _LOG.warning("there is no style %s here: %s stands in for it", one.model, one.style)


def compat_of(request: Request) -> Compat:
    """What the application was made with."""
    compat: Compat = request.app.state.compat
    return compat
