"""View: a job as JSON, for who asks how it is."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from impasto.jobs.records.job import LEFT_OUT, Item, Job

__all__ = ["view"]


def view(job: Job, progress: Mapping[str, Any], position: int | None) -> dict[str, Any]:
    """``progress`` is what its worker said last, nothing where it does not run; ``position`` that of a queued one."""
    return {
        "id": job.id,
        "kind": job.kind,
        "state": job.state,
        "cancelling": job.cancelling,
        "priority": job.priority,
        "position": position,
        "progress": 1.0 if job.state in ("done", "partial") else progress.get("done", job.done_items / len(job.items)),
        "stage": progress.get("stage"),
        "step": progress.get("step"),
        "steps": progress.get("steps"),
        "seconds_left": progress.get("seconds_left"),
        "losses": progress.get("losses"),
        "settings": _settings(job),
        "left_out": list(job.settings.get(LEFT_OUT, ())),
        "styles": _styles(job),
        "items": [_item(item) for item in job.items],
        "created": _iso(job.created),
        "started": _iso(job.started),
        "finished": _iso(job.finished),
        "expires": _iso(job.expires),
        "error": job.error,
    }


def _settings(job: Job) -> dict[str, Any]:
    """Of a training, with what it does without; others' can be sent again as they are."""
    return {name: value for name, value in job.settings.items() if name != LEFT_OUT or job.kind == "train-style"}


def _item(item: Item) -> dict[str, Any]:
    return {
        "index": item.index,
        "name": item.name,
        "state": item.state,
        "media_type": item.media_type,
        "width": item.width,
        "height": item.height,
        "seconds": item.seconds,
        "complete": item.complete,
        "error": item.error,
    }


def _styles(job: Job) -> list[dict[str, Any]]:
    """The styles' names with their weights; paintings that were sent have none."""
    found = job.items if job.kind == "grid" else job.items[:1]
    return [{"name": style.name, "weight": weight} for item in found for weight, style in item.style]


def _iso(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
