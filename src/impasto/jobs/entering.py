"""Entering: the job that an order becomes."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable

from impasto.jobs.job import Item, Job
from impasto.jobs.order import Order

__all__ = ["entered"]


def entered(order: Order, owner: str, fingerprint: str, put: Callable[[bytes], str], kept_seconds: float) -> Job:
    """The job of an order, as it begins. ``put`` stores bytes and gives their sha256."""
    styles = [
        (weight, {"name": style} if isinstance(style, str) else {"blob": put(style)}) for weight, style in order.styles
    ]
    contents = [(name, put(data)) for name, data in order.contents]
    files = {role: put(data) for role, data in order.files.items()}
    settings = dict(order.settings)
    if order.training is not None:
        ((_, style),) = styles
        files = {f"photo:{number}": sha256 for number, (_, sha256) in enumerate(contents)}
        settings = order.training.to_json()
        parts = [(order.training.name, style["blob"], styles)]
    elif order.kind == "grid":
        ((_, sha256),) = contents
        parts = [(style.get("name", f"style {i + 1}"), sha256, [(1.0, style)]) for i, (_, style) in enumerate(styles)]
    else:
        parts = [(name, sha256, styles) for name, sha256 in contents]
    now = time.time()
    return Job(
        id=order.id or uuid.uuid4().hex,
        owner=owner,
        kind=order.kind,
        state="queued",
        priority=order.priority,
        lane=order.lane,
        settings=settings,
        items=tuple(
            Item(index=i, name=name, content=sha256, style=style) for i, (name, sha256, style) in enumerate(parts)
        ),
        files=files,
        created=now,
        expires=now + kept_seconds,
        fingerprint=fingerprint,
    )
