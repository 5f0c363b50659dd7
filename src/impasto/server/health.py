"""Health: whether jobs can be read and stored, asked so that nobody waits for a database that does not answer."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Mapping
from concurrent.futures import Future

from impasto.jobs.service import Jobs

__all__ = ["Health"]

_LOG = logging.getLogger("impasto.server")
_PATIENCE = 2.0
"""Seconds after which what does not answer is away."""


class Health:
    """Of one server. One question at a time, in a thread of its own: those that requests have may all be waiting."""

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs
        self._pending: Future[Mapping[str, int]] | None = None
        self._was_well = True

    async def ask(self) -> Mapping[str, int] | None:
        """Jobs by state; none where they cannot be read or stored now."""
        if self._pending is None or self._pending.done():
            self._pending = Future()
            # A daemon: one that hangs must not keep the process from ending.
            threading.Thread(target=self._look, args=(self._pending,), name="impasto-health", daemon=True).start()
        try:
            async with asyncio.timeout(_PATIENCE):
                found = await asyncio.shield(asyncio.wrap_future(self._pending))
        except TimeoutError:
            self._note(f"no answer within {_PATIENCE:g} seconds")
            return None
        except Exception as error:
            self._note(str(error))
            return None
        self._note(None)
        return found

    def _look(self, asked: Future[Mapping[str, int]]) -> None:
        try:
            asked.set_result(self._jobs.stored())
        except BaseException as error:
            asked.set_exception(error)

    def _note(self, amiss: str | None) -> None:
        """Tell the log of a change."""
        if amiss is not None and self._was_well:
            _LOG.error("jobs cannot be read and stored: %s", amiss)
        elif amiss is None and not self._was_well:
            _LOG.info("jobs can be read and stored again")
        self._was_well = amiss is None
