"""Job: a request that outlives the caller, and its items."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, get_args

from impasto.errors import RequestError
from impasto.jobs.records.blobs import is_sha256
from impasto.jobs.records.style_ref import WeightedStyles

__all__ = [
    "EVERYONE",
    "FINAL",
    "LEFT_OUT",
    "Item",
    "ItemState",
    "Job",
    "JobKind",
    "JobState",
    "Lane",
    "check_id",
    "is_id",
    "is_owner",
    "outcome",
]

JobState = Literal["queued", "running", "done", "partial", "failed", "cancelled"]
JobKind = Literal["stylize", "grid", "batch", "train-style"]
ItemState = Literal["waiting", "done", "failed"]
Lane = Literal["interactive", "bulk", "training"]

EVERYONE = "local"
"""The owner of all where nobody is asked who they are."""
LEFT_OUT = "left_out"
"""Among a job's settings, which of the files that were sent it does without: each with ``name`` and ``message``."""
FINAL: frozenset[JobState] = frozenset({"done", "partial", "failed", "cancelled"})
"""``partial`` is done but for some items, which failed; ``failed`` is that no item is done.

States that a job leaves only by :meth:`impasto.jobs.records.ledger.Ledger.reopen`."""

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_LONGEST_OWNER = 128
_LOWEST_PRIORITY = 9


@dataclass(frozen=True, kw_only=True)
class Item:
    """One pastiche of a job, or the sheet of samples of a network.

    ``content`` and ``result`` are blobs' sha256. ``style`` is what it is painted in.
    ``width`` and ``height`` are in pixels. ``complete`` is false where it was ended early and kept.
    ``error`` is ``{"code", "message"}`` of a failed item. Raises :class:`RequestError` for what cannot be.
    """

    index: int
    name: str
    content: str
    style: WeightedStyles = ()
    state: ItemState = "waiting"
    result: str | None = None
    media_type: str | None = None
    width: int | None = None
    height: int | None = None
    seconds: float | None = None
    complete: bool = True
    error: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        if self.state not in get_args(ItemState):
            raise RequestError(f"the item's state is {self.state!r}; give one of {', '.join(get_args(ItemState))}")
        for role, sha256 in (("content", self.content), ("result", self.result)):
            if not is_sha256(sha256) and not (role == "result" and sha256 is None):
                raise RequestError(f"the item's {role} is {sha256!r}; give the sha256 of a blob")

    def to_json(self) -> dict[str, Any]:
        """The fields, JSON-ready."""
        plain = {f.name: getattr(self, f.name) for f in fields(self)}
        return plain | {"style": [[weight, style.to_json()] for weight, style in self.style]}


@dataclass(frozen=True, kw_only=True)
class Job:
    """What was asked for, and how far it is.

    ``id`` is unique for its ``owner``. ``priority`` is 0, the first, to 9. ``settings`` are those of the request
    without content and style, or a :class:`impasto.jobs.training_order.Training`, and
    :data:`LEFT_OUT`; ``files`` are blobs' sha256 by role: ``mask``, ``guide``, ``initial``, of a training ``photo:0``
    and so on.
    Times are seconds since 1970. ``cancelling`` and ``keep`` say that somebody asked a running job to give up, or to
    stop with the best so far; ``attempt`` is how often it was started. Two jobs with one ``fingerprint`` ask for
    the same. Raises :class:`RequestError` for what cannot be.
    """

    id: str
    owner: str
    kind: JobKind
    state: JobState = "queued"
    priority: int = 5
    lane: Lane
    settings: Mapping[str, Any] = field(default_factory=dict)
    items: tuple[Item, ...]
    files: Mapping[str, str] = field(default_factory=dict)
    created: float
    started: float | None = None
    finished: float | None = None
    expires: float
    error: dict[str, Any] | None = None
    cancelling: bool = False
    keep: bool = False
    fingerprint: str
    attempt: int = 0

    def __post_init__(self) -> None:
        check_id(self.id)
        if not is_owner(self.owner):
            raise RequestError(f"the owner is {str(self.owner)[:160]!r}; give 1 to 128 characters that can be printed")
        for name, kinds in (("kind", JobKind), ("state", JobState), ("lane", Lane)):
            if getattr(self, name) not in get_args(kinds):
                raise RequestError(
                    f"the job's {name} is {getattr(self, name)!r}; give one of {', '.join(get_args(kinds))}"
                )
        if self.priority not in range(_LOWEST_PRIORITY + 1):
            raise RequestError(f"priority is {self.priority}; give 0 (the first) to {_LOWEST_PRIORITY}")
        if not (math.isfinite(self.created) and math.isfinite(self.expires)):
            raise RequestError(f"created is {self.created} and expires {self.expires}; give seconds since 1970")
        if not is_id(self.fingerprint):
            raise RequestError(f"the fingerprint is {str(self.fingerprint)[:80]!r}; give a sha256")
        for role, sha256 in self.files.items():
            if not is_sha256(sha256):
                raise RequestError(f"the file {role!r} is {sha256!r}; give the sha256 of a blob")
        if not self.items or [item.index for item in self.items] != list(range(len(self.items))):
            raise RequestError(f"the job has {len(self.items)} items; give one or more, with indices from 0 on")
        if self.kind in ("stylize", "train-style") and len(self.items) > 1:
            raise RequestError(f"a job of the kind {self.kind} has one item, not {len(self.items)}; make it a batch")

    @property
    def is_final(self) -> bool:
        """Whether nothing will happen to it any more by itself."""
        return self.state in FINAL

    @property
    def done_items(self) -> int:
        """How many items are done."""
        return sum(item.state == "done" for item in self.items)

    @property
    def blobs(self) -> set[str]:
        """The sha256 of every blob it refers to: contents, styles, files and results."""
        found = {item.content for item in self.items} | set(self.files.values())
        for item in self.items:
            found |= {style.blob for _, style in item.style if style.blob is not None}
            if item.result is not None:
                found.add(item.result)
        return found

    def to_json(self) -> dict[str, Any]:
        """The fields, JSON-ready."""
        plain = {f.name: getattr(self, f.name) for f in fields(self)}
        return plain | {
            "settings": dict(self.settings),
            "files": dict(self.files),
            "items": [item.to_json() for item in self.items],
        }


def check_id(text: str) -> str:
    """``text``, if it can be a job's id; raises :class:`RequestError`."""
    if not is_id(text):
        raise RequestError(f"the job's id is {str(text)[:80]!r}; give 1 to 64 letters of A-Z and a-z, digits, _ and -")
    return text


def is_id(text: object) -> bool:
    """Whether ``text`` can be a job's id: 1..64 of ``A-Za-z0-9_-``."""
    return isinstance(text, str) and _ID.fullmatch(text) is not None


def is_owner(text: object) -> bool:
    """Whether ``text`` can be an owner: 1..128 characters that can be printed."""
    return isinstance(text, str) and 1 <= len(text) <= _LONGEST_OWNER and text.isprintable()


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
