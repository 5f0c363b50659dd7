"""Who has the next turn, who is let in, and who asks too often: owners are treated alike."""

from __future__ import annotations

import gc
import weakref
from contextlib import ExitStack
from typing import Any

import pytest

from impasto.jobs.errors import Cancelled, QueueFull, QuotaExceeded
from impasto.jobs.limits import RateLimit, WaitingLimit
from impasto.jobs.workers.call import Cancel, WorkerCall
from impasto.jobs.workers.queue import WorkerQueue
from impasto.jobs.workers.watchdog import Watchdog


def call(owner: str, **more: Any) -> WorkerCall[None]:
    return WorkerCall({}, (), lambda _: None, 60, owner=owner, **more)


class Consumer:
    """Notes what it is given."""

    def __init__(self) -> None:
        self.given: list[WorkerCall[Any]] = []

    def give(self, call: WorkerCall[Any]) -> None:
        self.given.append(call)

    def wake(self) -> None:
        pass


def served(lane: WorkerQueue, consumer: Consumer) -> str:
    """Whose call is next, done at once."""
    found = lane.take(consumer)
    assert found is not None
    lane.mark_done(found)
    return found.owner


def test_owners_take_turns_however_many_errands_one_has() -> None:
    lane, consumer = WorkerQueue("interactive"), Consumer()
    lane.join(consumer)
    for _ in range(40):
        lane.put(call("ann"))
    assert served(lane, consumer) == "ann"
    for _ in range(3):
        lane.put(call("bob"))
    lane.put(call("eve"))
    assert [served(lane, consumer) for _ in range(8)] == ["bob", "eve", "ann", "bob", "ann", "bob", "ann", "ann"]
    assert len(lane) == 35


def test_who_has_nothing_being_done_goes_before_who_has() -> None:
    lane, consumers = WorkerQueue("interactive"), [Consumer() for _ in range(3)]
    for _ in range(6):
        lane.put(call("ann"))
    first = lane.take(consumers[0])
    lane.put(call("bob"))
    lane.put(call("bob"))
    owners = [found.owner for consumer in consumers[1:] if (found := lane.take(consumer))]
    assert first is not None
    # Ann has one in hand: bob is even with her after his first, and then it is hers again, for she waited longer.
    assert owners == ["bob", "ann"]


def test_what_is_put_back_or_given_up_or_late_leaves_the_order_right() -> None:
    lane, consumer = WorkerQueue("interactive"), Consumer()
    lane.join(consumer)
    cancel = Cancel()
    one, two, late = call("ann"), call("ann", cancel=cancel), call("ann", patience=-1.0)
    for each in (one, two, late):
        lane.put(each)
    assert lane.take(consumer) is one
    lane.put_back(one)
    assert lane.take(consumer) is one
    cancel.cancel()
    with pytest.raises(Cancelled):
        two.future.result(0)
    lane.expire()
    with pytest.raises(QueueFull, match="no worker was free for -1 seconds"):
        late.future.result(0)
    assert len(lane) == 0
    assert lane.take(consumer) is None
    last = call("bob", patience=float("inf"))
    lane.put(last)
    assert consumer.given == [last]


def test_an_owners_share_of_the_line_is_kept_for_it() -> None:
    line = WaitingLimit()
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
    rate = RateLimit(2, lambda: now[0])
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
        RateLimit(float("inf")).take("ann")


class Busy:
    """A process of which a test says how much it has worked."""

    cpu_seconds = 5.0


def test_processor_time_is_limited_and_not_the_clocks(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("impasto.jobs.workers.watchdog.time.monotonic", lambda: now[0])
    process = Busy()
    watch = Watchdog(process, 60.0)
    for _ in range(50):
        now[0] += 29
        process.cpu_seconds += 1
        assert watch.exceeded() is None, "a busy machine is not a reason"
    process.cpu_seconds += 10.5
    assert watch.exceeded() == "time"


def test_a_process_that_does_nothing_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("impasto.jobs.workers.watchdog.time.monotonic", lambda: now[0])
    process = Busy()
    watch = Watchdog(process, 60.0)
    now[0] += 30
    assert watch.exceeded() is None
    assert watch.exceeded(silence=5) == "silent"
    now[0] += 1
    assert watch.exceeded() == "silent"
    process.cpu_seconds += 0.02
    assert watch.exceeded() is None


def test_what_is_over_is_let_go_at_once() -> None:
    lane, consumer, cancel = WorkerQueue("interactive"), Consumer(), Cancel()
    lane.join(consumer)
    gc.disable()
    try:
        for error in (None, QueueFull("late")):
            asked = call("ann", cancel=cancel)
            lane.put(asked)
            assert lane.take(consumer) is asked
            lane.mark_done(asked)
            asked.finish(({}, ())) if error is None else asked.fail(error)
            future = weakref.ref(asked.future)
            # With all that it was sent, and has made.
            del asked
            assert future() is None
    finally:
        gc.enable()
    # It hears nothing any more.
    cancel.cancel()
    assert lane.take(consumer) is None
