"""The job that an order becomes."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from impasto.errors import ImpastoError
from impasto.jobs.order import Order
from impasto.jobs.records.job import LEFT_OUT, Item, Job
from impasto.jobs.records.style_ref import StyleRef

__all__ = ["job_from_order"]

_TOLD = 100
"""Files that a job names which it does without; of more, it tells how many."""


def job_from_order(
    order: Order,
    owner: str,
    fingerprint: str,
    put: Callable[[bytes], str],
    kept_seconds: float,
    broken: Mapping[int, ImpastoError] = MappingProxyType({}),
) -> Job:
    """The job of an order, as it begins. ``put`` stores bytes and gives their sha256.

    Photographs that are ``broken``, by their number, have failed, each by itself, and nothing is learnt on them.
    """
    styles = tuple((weight, StyleRef.of(given).stored(put)) for weight, given in order.styles)
    contents = [(name, put(data)) for name, data in order.contents]
    files = {role: put(data) for role, data in order.files.items()}
    settings = dict(order.settings) | _left_out_files(order, {})
    if order.training is not None:
        ((_, style),) = styles
        files = {f"photo:{number}": sha256 for number, (_, sha256) in enumerate(contents) if number not in broken}
        settings = order.training.to_json() | _left_out_files(order, broken)
        broken = {}
        parts = [(order.training.name, str(style.blob), styles)]
    elif order.kind == "grid":
        ((_, sha256),) = contents
        parts = [(style.name or f"style {i + 1}", sha256, ((1.0, style),)) for i, (_, style) in enumerate(styles)]
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
            Item(index=i, name=name, content=sha256, style=style, **_item_error(broken.get(i)))
            for i, (name, sha256, style) in enumerate(parts)
        ),
        files=files,
        created=now,
        expires=now + kept_seconds,
        fingerprint=fingerprint,
    )


def _item_error(error: ImpastoError | None) -> dict[str, Any]:
    """How an item begins whose photograph is broken, if it is."""
    return {} if error is None else {"state": "failed", "error": {"code": error.code, "message": str(error)}}


def _left_out_files(order: Order, broken: Mapping[int, ImpastoError]) -> dict[str, Any]:
    """Which of the files that were sent a job does without, where it has to, and why."""
    left = [*order.left_out, *((order.contents[index][0], str(error)) for index, error in broken.items())]
    if (more := len(left) - _TOLD) > 0:
        left[_TOLD:] = [(f"{more} more", "were left out as well")]
    return {LEFT_OUT: [{"name": name, "message": why} for name, why in left]} if left else {}
