"""Outcome: how a job ended, by its items."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from impasto.jobs.records.job import Job, JobState

__all__ = ["outcome"]


def outcome(job: Job, failed: Mapping[int, dict[str, Any]]) -> tuple[JobState, dict[str, Any] | None]:
    """The state of a job whose items are all done or ``failed``, and what to say of those."""
    if not failed:
        return "done", None
    index, error = min(failed.items())
    if len(job.items) == 1:
        return "failed", error
    name, said = repr(job.items[index].name[:80]), str(error["message"])
    # What is wrong with a photograph begins with its name already.
    told = said if said.startswith(f"content {name}") else f"of {name}: {said}"
    message = f"{len(failed)} of {len(job.items)} failed; {told}"
    return ("partial" if len(failed) < len(job.items) else "failed"), {"code": error["code"], "message": message}
