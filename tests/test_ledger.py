"""The ledger of jobs: what is entered, changed, listed and told."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace

import pytest
from ledgers import NOW, a_job, blob, publish, told

from impasto.errors import RequestError
from impasto.jobs.errors import JobConflict, UnknownJob
from impasto.jobs.records.job import Item, Job
from impasto.jobs.records.ledger import Ledger
from impasto.jobs.records.style_ref import StyleRef


def test_a_job_comes_back_as_it_was_added(ledger: Ledger, url: str) -> None:
    odd = "na\u0000me \ud800 \N{BLACK CHESS QUEEN}'\"\\.jpg"
    style = ((1.0, StyleRef("starry-night")), (0.5, StyleRef(blob=blob("painting"))))
    items = tuple(Item(index=i, name=odd, content=blob("photo"), style=style) for i in range(3))
    job = a_job(items=3, settings={"note": odd, "size": [1, 2], "ratio": 0.1 + 0.2}, priority=0, lane="bulk")
    job = replace(job, items=items, files={"mask": blob("mask"), "style:0": blob("painting"), odd: blob("guide")})
    assert ledger.add(job, {}) == (job, True)
    assert ledger.get("ann", "one") == job
    assert job.blobs == {blob("photo"), blob("painting"), blob("mask"), blob("guide")} == ledger.referenced()
    assert json.loads(json.dumps(job.to_json())) == json.loads(json.dumps(ledger.get("ann", "one").to_json()))
    again = Ledger(url)
    assert again.get("ann", "one") == job
    again.close()


def test_the_same_again_is_the_same_and_other_content_a_conflict(ledger: Ledger) -> None:
    first, new = ledger.add(a_job(), {})
    assert new
    ledger.start("ann", "one")
    there, new = ledger.add(replace(a_job(), priority=9, created=NOW + 5), {})
    assert not new
    assert there.state == "running"
    assert (there.created, there.priority) == (first.created, first.priority)
    with pytest.raises(JobConflict, match="there is a job 'one' with other content already; give another id"):
        ledger.add(replace(a_job(), fingerprint=blob("other")), {})
    assert ledger.add(replace(a_job(owner="bob"), fingerprint=blob("other")), {})[1]
    assert told(ledger) == [("one", "queued"), ("one", "running")]


def test_an_owner_sees_only_what_is_theirs(ledger: Ledger) -> None:
    ledger.add(a_job(items=2), {})
    ledger.start("ann", "one")
    methods: list[Callable[[str], object]] = [
        lambda owner: ledger.get(owner, "one"),
        lambda owner: ledger.start(owner, "one"),
        lambda owner: publish(ledger, owner, "one", 0),
        lambda owner: ledger.fail_item(owner, "one", 0, "error", "no"),
        lambda owner: ledger.finish(owner, "one", "failed"),
        lambda owner: ledger.request_cancel(owner, "one"),
        lambda owner: ledger.request_keep(owner, "one"),
        lambda owner: ledger.reopen(owner, "one"),
        lambda owner: ledger.delete(owner, "one"),
    ]
    before, others = ledger.get("ann", "one"), ("bob", "", "ANN", "an\u0000n", "\ud800")
    for method in methods:
        for owner in others:
            with pytest.raises(UnknownJob, match="there is no job 'one'; it may have been deleted, or have expired"):
                method(owner)
    for owner in others:
        assert ledger.list(owner) == []
        assert ledger.events(owner, 0) == []
        assert ledger.find_twin(owner, before.fingerprint) is None
        assert (ledger.last_event(owner), ledger.count_queued(owner), ledger.stored_bytes(owner)) == (0, 0, 0)
    assert ledger.get("ann", "one") == before
    assert ledger.last_event("ann") == 2


@pytest.mark.parametrize("id", ["", "x" * 65, "a/b", "../a", "a b", "ä", "a\n", "a\u0000", "\ud800"])
def test_ids_that_cannot_be(ledger: Ledger, id: str) -> None:
    with pytest.raises(RequestError, match=r"the job's id is .*; give 1 to 64 letters of A-Z and a-z, dig"):
        a_job(id)
    with pytest.raises(UnknownJob):
        ledger.get("ann", id)


def test_a_job_is_added_as_it_begins(ledger: Ledger) -> None:
    job = a_job()
    for other in (replace(job, state="running"), replace(job, items=(replace(job.items[0], state="failed"),))):
        with pytest.raises(RequestError, match="add it as it began"):
            ledger.add(other, {})
    assert ledger.counts() == {"queued": 0, "running": 0, "done": 0, "partial": 0, "failed": 0, "cancelled": 0}


def test_a_job_from_its_queue_to_its_end(ledger: Ledger) -> None:
    ledger.add(a_job(items=3), {})
    assert not publish(ledger, "ann", "one", 0), "it does not run yet"
    running = ledger.start("ann", "one")
    assert (running.state, running.attempt) == ("running", 1)
    assert running.started is not None
    assert publish(ledger, "ann", "one", 1)
    assert not publish(ledger, "ann", "one", 1, blob("another"))
    assert not ledger.fail_item("ann", "one", 1, "error", "too late")
    assert ledger.fail_item("ann", "one", 2, "broken_picture", "it is cut off")
    assert not publish(ledger, "ann", "one", 2)
    assert ledger.start("ann", "one").attempt == 2, "taken up again"
    job = ledger.get("ann", "one")
    assert [item.state for item in job.items] == ["waiting", "done", "failed"]
    done = job.items[1]
    assert (done.result, done.media_type, done.width, done.height) == (blob("ann one 1"), "image/png", 640, 480)
    assert (done.seconds, done.complete, job.done_items) == (1.25, True, 1)
    assert job.items[2].error == {"code": "broken_picture", "message": "it is cut off"}
    assert publish(ledger, "ann", "one", 0)
    assert ledger.finish("ann", "one", "done")
    assert not ledger.finish("ann", "one", "failed", {"code": "error", "message": "too late"})
    assert not publish(ledger, "ann", "one", 0)
    done_job = ledger.get("ann", "one")
    assert (done_job.state, done_job.error, done_job.is_final) == ("done", None, True)
    assert done_job.finished is not None
    assert [(e.number, e.kind, e.data) for e in ledger.events("ann", 0)] == [
        (1, "queued", {"kind": "batch", "done": 0, "items": 3}),
        (2, "running", {"attempt": 1}),
        (3, "item", {"index": 1, "state": "done", "result": blob("ann one 1")}),
        (4, "item", {"index": 2, "state": "failed", "error": {"code": "broken_picture", "message": "it is cut off"}}),
        (5, "item", {"index": 0, "state": "done", "result": blob("ann one 0")}),
        (6, "done", {"done": 2, "items": 3, "error": None}),
    ]


def test_what_no_job_and_no_item_can_become(ledger: Ledger) -> None:
    ledger.add(a_job(), {})
    with pytest.raises(RequestError, match="a job cannot finish as 'queued'; give one of cancelled, done, failed"):
        ledger.finish("ann", "one", "queued")
    assert not ledger.finish("ann", "one", "done"), "it never ran"
    ledger.start("ann", "one")
    for index in (1, -1, 10**6):
        with pytest.raises(IndexError, match=f"the job 'one' has no item {index}"):
            publish(ledger, "ann", "one", index)
    with pytest.raises(RequestError, match="the result is 'x'; give the sha256 of a blob"):
        publish(ledger, "ann", "one", 0, "x")
    assert told(ledger) == [("one", "queued"), ("one", "running")]


def test_giving_up(ledger: Ledger) -> None:
    for id in ("queued", "running"):
        ledger.add(a_job(id), {})
    cancelled = ledger.request_cancel("ann", "queued")
    assert (cancelled.state, cancelled.cancelling) == ("cancelled", False)
    assert ledger.start("ann", "queued") == cancelled
    ledger.start("ann", "running")
    assert [ledger.request_cancel("ann", "running").cancelling for _ in range(2)] == [True, True]
    assert ledger.get("ann", "running").state == "running"
    assert ledger.finish("ann", "running", "cancelled")
    assert ledger.request_cancel("ann", "running") == ledger.get("ann", "running")
    assert told(ledger)[2:] == [("queued", "cancelled"), ("running", "running"), ("running", "cancelled")]


def test_stopping_early(ledger: Ledger) -> None:
    ledger.add(a_job(), {})
    assert not ledger.request_keep("ann", "one").keep, "there is nothing to keep"
    ledger.start("ann", "one")
    assert ledger.request_keep("ann", "one").keep
    assert ledger.find_twin("ann", blob("one")) is None, "who asks for all of it does not want a part"
    ledger.finish("ann", "one", "done")
    assert ledger.find_twin("ann", blob("one")) is None


def test_trying_again(ledger: Ledger) -> None:
    ledger.add(a_job(items=2), {})
    queued = ledger.get("ann", "one")
    assert ledger.reopen("ann", "one") == queued
    ledger.start("ann", "one")
    publish(ledger, "ann", "one", 0)
    ledger.fail_item("ann", "one", 1, "error", "no")
    running = ledger.request_cancel("ann", "one")
    assert ledger.reopen("ann", "one") == running
    ledger.finish("ann", "one", "failed", {"code": "error", "message": "no"})
    again = ledger.reopen("ann", "one")
    assert (again.state, again.attempt, again.cancelling, again.error) == ("queued", 0, False, None)
    assert again.started is again.finished is None
    assert [item.state for item in again.items] == ["done", "waiting"]
    assert again.items[1].error is None
    ledger.start("ann", "one")
    assert not publish(ledger, "ann", "one", 0)
    assert publish(ledger, "ann", "one", 1)
    ledger.finish("ann", "one", "done")
    done = ledger.get("ann", "one")
    assert ledger.reopen("ann", "one") == done, "nothing is left to do"
    kinds = ["queued", "running", "item", "item", "failed", "queued", "running", "item", "done"]
    assert [kind for _, kind in told(ledger)] == kinds


def test_a_done_job_with_failed_items_can_be_tried_again(ledger: Ledger) -> None:
    ledger.add(a_job(items=2), {})
    ledger.start("ann", "one")
    publish(ledger, "ann", "one", 0)
    ledger.fail_item("ann", "one", 1, "error", "no")
    ledger.finish("ann", "one", "done")
    assert ledger.reopen("ann", "one").state == "queued"


def test_a_twin_is_of_the_same_content_and_alive(ledger: Ledger) -> None:
    same, gone = blob("same"), blob("gone")
    assert ledger.find_twin("ann", same) is None
    ledger.add(a_job("old", fingerprint=same), {})
    ledger.add(a_job("new", fingerprint=same, created=NOW + 1), {})
    ledger.add(a_job("expired", fingerprint=gone, expires=NOW), {})
    assert ledger.find_twin("ann", gone) is None

    def twin() -> str | None:
        found = ledger.find_twin("ann", same)
        return found.id if found else None

    assert twin() == "new"
    ledger.start("ann", "new")
    assert twin() == "new"
    ledger.request_cancel("ann", "new")
    assert twin() == "old"
    ledger.finish("ann", "new", "done")
    assert twin() == "new", "it was done before it was given up"
    ledger.delete("ann", "new")
    ledger.request_cancel("ann", "old")
    assert twin() is None


def test_lists_are_newest_first_and_go_on(ledger: Ledger) -> None:
    for i in range(10):
        # All at one moment; the ledger moves them apart.
        ledger.add(a_job(f"job-{i}", items=1 + i % 3), {})
    ledger.add(a_job("other", owner="bob"), {})
    for i in (2, 3, 7):
        ledger.request_cancel("ann", f"job-{i}")
    ledger.start("ann", "job-5")
    found: list[Job] = []
    while page := ledger.list("ann", before=found[-1].created if found else None, limit=3):
        found += page
    assert [job.id for job in found] == [f"job-{i}" for i in reversed(range(10))]
    assert all(len(job.items) == 1 + i % 3 for i, job in enumerate(reversed(found)))
    assert found == [ledger.get("ann", job.id) for job in found] == ledger.list("ann")
    assert max(job.created for job in found) - NOW < 1e-3
    assert [job.id for job in ledger.list("ann", states=["cancelled", "running"], limit=3)] == [
        "job-7",
        "job-5",
        "job-3",
    ]
    assert ledger.list("ann", states=[]) == []
    with pytest.raises(RequestError, match="there is no state 'lost'; give some of queued, running"):
        ledger.list("ann", states=["queued", "lost"])
    with pytest.raises(RequestError, match="limit is 0; give 1 or more"):
        ledger.list("ann", limit=0)


def test_the_queue_and_its_counts(ledger: Ledger) -> None:
    for id, owner, lane, priority, created in [
        ("late", "ann", "interactive", 5, 3.0),
        ("early", "bob", "interactive", 5, 1.0),
        ("first", "ann", "interactive", 0, 9.0),
        ("last", "ann", "interactive", 9, 0.0),
        ("bulk", "ann", "bulk", 0, 0.5),
        ("tie", "bob", "interactive", 5, 3.0),
    ]:
        ledger.add(a_job(id, owner, lane=lane, priority=priority, created=created), {})
    queue = ledger.unfinished()
    places = [job.id for job in queue if job.lane == "interactive"]
    assert sorted(places[2:4]) == ["late", "tie"]
    assert places[:2] + places[4:] == ["first", "early", "last"]
    assert sorted(ledger.position(job) for job in queue if job.lane == "interactive") == [0, 1, 2, 3, 4]
    assert {job.id: ledger.position(job) for job in queue} | {"late": 2, "tie": 3} == {
        "first": 0,
        "early": 1,
        "late": 2,
        "tie": 3,
        "last": 4,
        "bulk": 0,
    }
    ledger.start("ann", "first")
    ledger.request_cancel("bob", "early")
    assert ledger.position(ledger.get("ann", "last")) == 2
    assert ledger.position(ledger.get("ann", "first")) == 0
    assert ledger.counts() == {"queued": 4, "running": 1, "done": 0, "partial": 0, "failed": 0, "cancelled": 1}
    assert (ledger.count_queued("ann"), ledger.count_queued("bob")) == (3, 1)
    assert [ledger.others_queued(owner) for owner in ("ann", "bob", "eve")] == [1, 1, 2]
    assert {job.id for job in ledger.unfinished()} == {"first", "late", "last", "bulk", "tie"}


def test_deleting_gives_the_blobs_that_nobody_else_refers_to(ledger: Ledger) -> None:
    painting = ((1.0, StyleRef(blob=blob("painting"))),)
    item = Item(index=0, name="", content=blob("photo 0"), style=painting)
    ledger.add(a_job("one", items=2), {})
    ledger.add(replace(a_job("two"), items=(item,)), {})
    ledger.add(a_job("one", owner="bob", files={}), {})
    ledger.start("ann", "one")
    publish(ledger, "ann", "one", 0, blob("result"))
    publish(ledger, "ann", "one", 1, blob("result"))
    assert ledger.delete("ann", "one") == sorted([blob("photo 1"), blob("result")])
    assert ledger.referenced() == {blob("photo 0"), blob("mask"), blob("painting")}
    assert ledger.delete("ann", "two") == sorted([blob("mask"), blob("painting")])
    assert ledger.delete("bob", "one") == [blob("photo 0")]
    assert ledger.referenced() == set()
    assert told(ledger)[-2:] == [("one", "deleted"), ("two", "deleted")]
    with pytest.raises(UnknownJob):
        publish(ledger, "ann", "one", 0)
    assert ledger.add(a_job("one"), {})[1], "the id is free again"
    assert ledger.get("ann", "one").items[0].result is None


def test_bytes_are_counted_once(ledger: Ledger) -> None:
    sizes = {blob("photo 0"): 1000, blob("mask"): 50, "unknown": 7}
    ledger.add(a_job("one"), sizes)
    ledger.add(a_job("two"), sizes)
    assert ledger.stored_bytes("ann") == 1050
    ledger.start("ann", "one")
    publish(ledger, "ann", "one", 0, size=2**33)
    assert ledger.stored_bytes("ann") == 1050 + 2**33
    ledger.delete("ann", "one")
    assert ledger.stored_bytes("ann") == 1050


def test_only_final_jobs_expire_and_results_are_kept_as_long_as_promised(ledger: Ledger) -> None:
    for id, expires in (("soon", NOW + 60), ("sooner", NOW + 30), ("queued", NOW + 10)):
        ledger.add(a_job(id, expires=expires), {})
    before = time.time()
    for id in ("soon", "sooner"):
        ledger.request_cancel("ann", id)
    assert before + 30 <= ledger.get("ann", "sooner").expires <= time.time() + 30
    assert ledger.expired(time.time()) == []
    assert [job.id for job in ledger.expired(time.time() + 3600)] == ["sooner", "soon"]
    assert ledger.expired(time.time() + 3600) == [ledger.get("ann", id) for id in ("sooner", "soon")]


def test_events_are_read_from_anywhere_and_old_ones_forgotten(ledger: Ledger) -> None:
    for i in range(5):
        ledger.add(a_job(f"job-{i}", owner="ann" if i % 2 == 0 else "bob"), {})
    assert [event.number for event in ledger.events("ann", 0)] == [1, 3, 5]
    assert [event.number for event in ledger.events("ann", 1, limit=1)] == [3]
    assert (ledger.last_event("ann"), ledger.last_event("bob")) == (5, 4)
    assert ledger.events("ann", 5) == []
    assert abs(ledger.events("ann", 4)[0].at - time.time()) < 3600
    assert ledger.forget_events(0) == 0
    assert ledger.forget_events(time.time() + 1) == 5
    assert ledger.events("ann", 0) == []
    ledger.request_cancel("ann", "job-0")
    assert [event.number for event in ledger.events("ann", 5)] == [6], "as after what readers have seen"


def test_500_items(ledger: Ledger) -> None:
    ledger.add(a_job(items=500), {})
    ledger.start("ann", "one")
    assert all(publish(ledger, "ann", "one", i) for i in range(0, 500, 10))
    assert ledger.get("ann", "one").done_items == 50
    assert [item.index for item in ledger.get("ann", "one").items] == list(range(500))


def test_an_error_within_a_turn_leaves_all_as_it_was(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger.add(a_job(), {})
    ledger.start("ann", "one")
    before = ledger.get("ann", "one")

    def broken(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("impasto.jobs.records.ledger.add_blob_reference", broken)
        with pytest.raises(KeyboardInterrupt):
            publish(ledger, "ann", "one", 0)
    assert ledger.get("ann", "one") == before
    assert publish(ledger, "ann", "one", 0)
    assert [event.number for event in ledger.events("ann", 0)] == [1, 2, 3]
