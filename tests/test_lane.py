"""Who has the next turn, who is let in, and who asks too often: owners are treated alike."""

from __future__ import annotations

import gc
import weakref
from contextlib import ExitStack
from typing import Any

import pytest

from impasto.jobs.errors import Cancelled, QueueFull, QuotaExceeded
from impasto.jobs.limits import Line, Rate
from impasto.jobs.workers.call import Cancel, Errand
from impasto.jobs.workers.queue import Lane
from impasto.jobs.workers.watchdog import Watch


def errand(owner: str, **more: Any) -> Errand[None]:
    return Errand({}, (), lambda _: None, 60, owner=owner, **more)


class Taker:
    """Notes what it is given."""

    def __init__(self) -> None:
        self.given: list[Errand[Any]] = []

    def give(self, errand: Errand[Any]) -> None:
        self.given.append(errand)

    def wake(self) -> None:
        pass


def served(lane: Lane, taker: Taker) -> str:
    """Whose errand is next, done at once."""
    found = lane.take(taker)
    assert found is not None
    lane.done(found)
    return found.owner


def test_owners_take_turns_however_many_errands_one_has() -> None:
    lane, taker = Lane("interactive"), Taker()
    lane.join(taker)
    for _ in range(40):
        lane.put(errand("ann"))
    assert served(lane, taker) == "ann"
    for _ in range(3):
        lane.put(errand("bob"))
    lane.put(errand("eve"))
    assert [served(lane, taker) for _ in range(8)] == ["bob", "eve", "ann", "bob", "ann", "bob", "ann", "ann"]
    assert len(lane) == 35


def test_who_has_nothing_being_done_goes_before_who_has() -> None:
    lane, takers = Lane("interactive"), [Taker() for _ in range(3)]
    for _ in range(6):
        lane.put(errand("ann"))
    first = lane.take(takers[0])
    lane.put(errand("bob"))
    lane.put(errand("bob"))
    owners = [found.owner for taker in takers[1:] if (found := lane.take(taker))]
    assert first is not None
    # Ann has one in hand: bob is even with her after his first, and then it is hers again, for she waited longer.
    assert owners == ["bob", "ann"]


def test_what_is_put_back_or_given_up_or_late_leaves_the_order_right() -> None:
    lane, taker = Lane("interactive"), Taker()
    lane.join(taker)
    cancel = Cancel()
    one, two, late = errand("ann"), errand("ann", cancel=cancel), errand("ann", patience=-1.0)
    for each in (one, two, late):
        lane.put(each)
    assert lane.take(taker) is one
    lane.put_back(one)
    assert lane.take(taker) is one
    cancel.cancel()
    with pytest.raises(Cancelled):
        two.future.result(0)
    lane.expire()
    with pytest.raises(QueueFull, match="no worker was free for -1 seconds"):
        late.future.result(0)
    assert len(lane) == 0
    assert lane.take(taker) is None
    last = errand("bob", patience=float("inf"))
    lane.put(last)
    assert taker.given == [last]


def test_an_owners_share_of_the_line_is_kept_for_it() -> None:
    line = Line()
    with ExitStack() as stack:
        for _ in range(32):
            stack.enter_context(line.place("ann", 32))
        with pytest.raises(QueueFull, match="32 requests wait already"):
            stack.enter_context(line.place("ann", 32))
        # Bob has his half, though ann has taken all.
        for _ in range(16):
            stack.enter_context(line.place("bob", 32))
        with pytest.raises(QueueFull):
            stack.enter_context(line.place("bob", 32))
        stack.enter_context(line.place("eve", 32))
        assert len(line) == 49
    assert len(line) == 0
    with pytest.raises(QueueFull):
        line.place("ann", 0).__enter__()
    with line.place("ann", 1), line.place("bob", 1), pytest.raises(QueueFull):
        line.place("bob", 1).__enter__()


def test_the_rate_is_each_owners_and_comes_back_with_time() -> None:
    now = [0.0]
    rate = Rate(2, lambda: now[0])
    rate.take("ann")
    rate.take("ann")
    with pytest.raises(QuotaExceeded, match=r"2 requests a minute are allowed here.*try again in 30 seconds") as told:
        rate.take("ann")
    assert told.value.retry_after == 30
    rate.take("bob")
    now[0] = 29.0
    with pytest.raises(QuotaExceeded, match="in 1 seconds"):
        rate.take("ann")
    now[0] = 30.0
    rate.take("ann")
    rate.give_back("ann")
    rate.take("ann")
    with pytest.raises(QuotaExceeded):
        rate.take("ann")
    for _ in range(1000):
        Rate(float("inf")).take("ann")


class Busy:
    """A process of which a test says how much it has worked."""

    used = 5.0


def test_processor_time_is_limited_and_not_the_clocks(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("impasto.jobs.workers.watchdog.time.monotonic", lambda: now[0])
    process = Busy()
    watch = Watch(process, 60.0)
    for _ in range(50):
        now[0] += 29
        process.used += 1
        assert watch.over() is None, "a busy machine is no reason"
    process.used += 10.5
    assert watch.over() == "time"


def test_a_process_that_does_nothing_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("impasto.jobs.workers.watchdog.time.monotonic", lambda: now[0])
    process = Busy()
    watch = Watch(process, 60.0)
    now[0] += 30
    assert watch.over() is None
    assert watch.over(silence=5) == "silent"
    now[0] += 1
    assert watch.over() == "silent"
    process.used += 0.02
    assert watch.over() is None


def test_what_is_over_is_let_go_at_once() -> None:
    lane, taker, cancel = Lane("interactive"), Taker(), Cancel()
    lane.join(taker)
    gc.disable()
    try:
        for error in (None, QueueFull("late")):
            asked = errand("ann", cancel=cancel)
            lane.put(asked)
            assert lane.take(taker) is asked
            lane.done(asked)
            asked.finish(({}, ())) if error is None else asked.fail(error)
            future = weakref.ref(asked.future)
            # With all that it was sent, and has made.
            del asked
            assert future() is None
    finally:
        gc.enable()
    # It hears nothing any more.
    cancel.cancel()
    assert lane.take(taker) is None
