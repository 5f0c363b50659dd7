"""ProgressHub: the progress of running jobs, which the ledger does not hold, and its listeners."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Listener", "Message", "ProgressHub", "Running"]

Message = Mapping[str, Any]
Listener = Callable[[str, Message], None]
"""Receives the owner and a message: ``event``, ``id`` where it can be replayed, ``data``. Called from any thread."""

_LOG = logging.getLogger("impasto.jobs")
_STEPS = 5000
"""Points of a loss curve that are kept."""


@dataclass(slots=True)
class Running:
    """One job while it runs."""

    progress: dict[str, Any] = field(default_factory=dict)
    preview: bytes | None = None
    trace: list[dict[str, Any]] = field(default_factory=list)


class ProgressHub:
    """Progress of running jobs by owner and id, and those who listen to it. Safe to use from several threads."""

    def __init__(self, messages: Callable[[str, int], list[Message]], last: Callable[[str], int]) -> None:
        """``messages(owner, after)`` are the ledger's events after that number, ``last(owner)`` the last's."""
        self._messages, self._last = messages, last
        self._lock, self._announcing = threading.Lock(), threading.Lock()
        self._announced: dict[str, int] = {}
        self._running: dict[tuple[str, str], Running] = {}
        self._listeners: list[Listener] = []

    def begin(self, owner: str, id: str) -> None:
        with self._lock:
            self._running[owner, id] = Running()

    def end(self, owner: str, id: str) -> Running | None:
        """What was known in the end."""
        with self._lock:
            return self._running.pop((owner, id), None)

    def update(self, owner: str, id: str, report: Mapping[str, Any], done: float) -> None:
        """Store a worker's report and publish it; ``done`` is the share of the whole job, 0..1."""
        shown = _jsonable({k: v for k, v in report.items() if k not in ("preview", "trace")}) | {"done": done}
        with self._lock:
            running = self._running.get((owner, id))
            if running is None:
                return
            running.progress = shown
            running.preview = report.get("preview") or running.preview
            running.trace += _jsonable(report.get("trace") or [])[: _STEPS - len(running.trace)]
        data = {"id": id, **shown, "preview": report.get("preview") is not None}
        self.publish(owner, {"event": "progress", "id": None, "data": data})

    def progress(self, owner: str, id: str) -> dict[str, Any]:
        with self._lock:
            running = self._running.get((owner, id))
            return {} if running is None else dict(running.progress)

    def preview(self, owner: str, id: str) -> bytes | None:
        with self._lock:
            running = self._running.get((owner, id))
            return None if running is None else running.preview

    def trace(self, owner: str, id: str) -> list[dict[str, Any]] | None:
        """None where the job is not running."""
        with self._lock:
            running = self._running.get((owner, id))
            return None if running is None else list(running.trace)

    def announce(self, owner: str) -> None:
        """Send all events of an owner that were not sent yet, in order.

        Raises nothing: events that cannot be read now are sent the next time.
        """
        with self._announcing:
            if not self._listeners:
                # Who comes next begins with what is new then.
                self._announced.clear()
                return
            if owner not in self._announced:
                return
            try:
                while messages := self._messages(owner, self._announced[owner]):
                    for message in messages:
                        self.publish(owner, message)
                        self._announced[owner] = message["id"]
            except Exception:
                _LOG.exception("events of the jobs of %s could not be sent yet", owner)

    def announce_all(self) -> None:
        """The same for every owner whose jobs are followed."""
        with self._announcing:
            owners = [*self._announced]
        for owner in owners:
            self.announce(owner)

    def follow(self, owner: str) -> None:
        """Announce events of this owner's jobs from now on. The listener has to be registered already."""
        with self._announcing:
            if owner not in self._announced:
                self._announced[owner] = self._last(owner)

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Register ``listener``; returns a function that removes it."""
        with self._lock:
            self._listeners = [*self._listeners, listener]

        def end() -> None:
            with self._lock:
                self._listeners = [other for other in self._listeners if other is not listener]

        return end

    def publish(self, owner: str, message: Mapping[str, Any]) -> None:
        """Send a message to all listeners; what one of them raises does not affect the others, nor the job."""
        for listener in self._listeners:
            try:
                listener(owner, message)
            except Exception:
                _LOG.exception("a listener to jobs failed")


def _jsonable(value: Any) -> Any:
    """What JSON can hold: a loss that is not a number becomes null."""
    if isinstance(value, Mapping):
        return {key: _jsonable(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_jsonable(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
