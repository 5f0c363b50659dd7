"""Admission of many photographs: those that are broken fail alone, within bounds."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest

from impasto.errors import PictureError, PictureTooLarge
from impasto.jobs.admission import Admission
from impasto.jobs.errors import WorkerLost
from impasto.jobs.limits import Limits
from impasto.jobs.order import Order
from impasto.server.problems import drop_traceback


class Probing:
    """A pool that says of a picture what its bytes say."""

    def __init__(self) -> None:
        self.asked: list[bytes] = []

    def probe(self, pictures: Sequence[bytes], _: int, owner: str) -> list[tuple[int, int]]:
        (data,) = pictures
        self.asked.append(data)
        if data == b"torn":
            raise PictureError("the picture cannot be read")
        if data == b"slow":
            raise PictureError("the picture takes too long to read") from WorkerLost("it took too long", "time")
        side = 10_000 if data == b"large" else 10
        return [(side, side)]


def checked(*photographs: bytes, pool: Probing | None = None, **more: Any) -> dict[int, PictureError]:
    galleries = SimpleNamespace(for_owner=lambda _: {"udnie": None})
    admission = Admission(
        cast(Any, None), cast(Any, pool or Probing()), cast(Any, galleries), cast(Any, None), Limits()
    )
    contents = tuple((f"{number}.jpg", data) for number, data in enumerate(photographs))
    order = Order(kind="batch", contents=contents, styles=((1.0, "udnie"),), **more)
    return admission._check_pictures(order, "ann")


def test_broken_ones_are_told_by_index_and_name() -> None:
    broken = checked(b"good", b"torn", b"good", b"torn")
    assert {index: str(error) for index, error in broken.items()} == {
        1: "content '1.jpg': the picture cannot be read",
        3: "content '3.jpg': the picture cannot be read",
    }
    assert all(error.__traceback__ is None for error in broken.values())


def test_one_that_is_too_large_for_its_steps_fails_alone() -> None:
    broken = checked(b"good", b"large", settings={"engine": "iterative", "steps": 1000})
    assert [(index, type(error)) for index, error in broken.items()] == [(1, PictureTooLarge)]


def test_where_all_are_broken_there_is_no_job() -> None:
    with pytest.raises(PictureError, match=r"^content '1\.jpg': "):
        checked(b"torn", b"torn")
    with pytest.raises(PictureError, match=r"^content '0\.jpg': "):
        checked(b"torn")


def test_not_many_may_cost_a_worker_each() -> None:
    pool = Probing()
    assert len(checked(b"good", b"slow", b"slow")) == 2
    with pytest.raises(PictureError, match=r"^content '3\.jpg': the picture takes too long"):
        checked(b"good", *[b"slow"] * 200, pool=pool)
    assert pool.asked.count(b"slow") == 3


def test_an_error_that_is_answered_lets_what_was_sent_go() -> None:
    class Sent:
        pass

    def fail(sent: object) -> None:
        try:
            raise WorkerLost(f"of {type(sent)}")
        except WorkerLost as lost:
            raise PictureError("broken") from lost

    sent = Sent()
    seen = weakref.ref(sent)
    kept: list[BaseException] = []
    try:
        fail(sent)
    except PictureError as error:
        kept.append(error)
        drop_traceback(error)
    del sent
    assert kept
    assert seen() is None
