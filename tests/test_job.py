"""Jobs and items as records."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ledgers import a_job, blob

from impasto.errors import RequestError
from impasto.jobs.records.job import Item

WRONG: list[tuple[dict[str, Any], str]] = [
    ({"owner": ""}, "the owner is ''"),
    ({"owner": "a\nb"}, "characters that can be printed"),
    ({"owner": "x" * 129}, "give 1 to 128 characters"),
    ({"kind": "sculpt"}, "the job's kind is 'sculpt'; give one of stylize, grid, batch"),
    ({"state": "lost"}, "the job's state is 'lost'; give one of queued, running"),
    ({"lane": "fast"}, "the job's lane is 'fast'; give one of interactive, bulk"),
    ({"priority": 10}, "priority is 10; give 0"),
    ({"priority": -1}, "priority is -1"),
    ({"created": float("nan")}, "created is nan"),
    ({"expires": float("inf")}, "expires inf; give seconds since 1970"),
    ({"fingerprint": ""}, "the fingerprint is ''"),
    ({"files": {"mask": "../mask.png"}}, "the file 'mask' is '../mask.png'; give the sha256"),
    ({"items": ()}, "the job has 0 items; give one or more, with indices from 0 on"),
    ({"items": (Item(index=1, name="", content=blob("photo")),)}, "indices from 0 on"),
    ({"items": tuple(Item(index=i, name="", content=blob("photo")) for i in range(2))}, "has one item, not 2"),
]


@pytest.mark.parametrize(("wrong", "said"), WRONG)
def test_jobs_that_cannot_be(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(RequestError, match=said):
        replace(a_job(), **wrong)


def test_items_that_cannot_be() -> None:
    with pytest.raises(RequestError, match=r"the item's content is 'photo.jpg'; give the sha256 of a blob"):
        Item(index=0, name="", content="photo.jpg")
    with pytest.raises(RequestError, match="the item's result is ''"):
        Item(index=0, name="", content=blob(""), result="")
    with pytest.raises(RequestError, match="the item's state is 'lost'; give one of waiting, done, failed"):
        Item(index=0, name="", content=blob(""), state="lost")  # type: ignore[arg-type]
