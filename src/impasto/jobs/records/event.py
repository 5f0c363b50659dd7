"""Event: what happened to a job."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["Event", "EventKind"]

EventKind = Literal["queued", "running", "item", "done", "partial", "failed", "cancelled", "deleted"]


@dataclass(frozen=True)
class Event:
    """One change of a job's state, or of one of its items'.

    Numbers count up from 1 over all owners, in the order in which readers see what happened. ``at`` is in seconds
    since 1970. ``data`` is of ``queued`` ``{"kind", "done", "items"}``, of ``running`` ``{"attempt"}``, of ``item``
    ``{"index", "state", "result" | "error"}``, and of a final state ``{"done", "items", "error"}``; ``done`` and
    ``items`` are numbers of items.
    """

    number: int
    owner: str
    job: str
    kind: EventKind
    data: dict[str, Any]
    at: float
