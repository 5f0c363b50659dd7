"""Jobs, by their one door: limits, expiry, fairness, and what is left of what is deleted."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from ledgers import a_database, a_job
from pictures import noise, saved
from PIL import Image
from waiting import WAIT, until

from impasto import Gallery
from impasto.errors import OutputError, PictureTooLarge, RequestError, StyleExists, UnknownStyle, UnsupportedFormat
from impasto.jobs.errors import (
    JobConflict,
    NotReady,
    QueueFull,
    QuotaExceeded,
    StorageLost,
    TooDear,
    UnknownJob,
    WorkerLost,
)
from impasto.jobs.limits import Limits
from impasto.jobs.order import Order
from impasto.jobs.records.job import Job
from impasto.jobs.service import Jobs
from impasto.jobs.training_order import Training

ENDLESS = {"engine": "iterative", "steps": 100_000, "levels": 1, "optimiser": "adam", "style_scale": 0.25}


def photo(seed: int) -> bytes:
    return saved(Image.fromarray(noise(48, 48, seed=seed)), "png")


def order(seed: int = 0, style: str | bytes = "starry-night", **more: Any) -> Order:
    return Order(**{"kind": "stylize", "contents": (("a.png", photo(seed)),), "styles": ((1.0, style),), **more})


def ended(jobs: Jobs, job: Job) -> Job:
    until(lambda: jobs.get(job.owner, job.id).is_final)
    return jobs.get(job.owner, job.id)


Starter = Callable[..., Jobs]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Starter]:
    """Starts jobs in the test's folder, those before stopped: there is one of them in a process."""
    running: list[Jobs] = []

    def stop() -> None:
        while running:
            running.pop().stop(0)

    def started(database: str | None = None, **limits: Any) -> Jobs:
        stop()
        gallery = Gallery(tmp_path / "gallery")
        jobs = Jobs(
            tmp_path / "jobs", limits=Limits(**limits), interactive=1, bulk=1, gallery=gallery, database=database
        )
        running.append(jobs)
        jobs.start()
        return jobs

    yield started
    stop()


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and path.name != "lock"]


def test_what_is_too_much_is_refused_with_a_way_out(start: Starter) -> None:
    jobs = start(queued=2, queued_per_owner=1, files=3, pixel_steps=1e6, styles_per_owner=0, pictures_per_style=2)
    refused: list[tuple[type[Exception], str, Order]] = [
        (RequestError, "send at most 3", order(kind="batch", contents=tuple((str(i), photo(i)) for i in range(4)))),
        (PictureTooLarge, "give fewer steps", order(settings={"engine": "iterative", "steps": 500})),
        # What is made larger takes longer.
        (PictureTooLarge, "give fewer steps", order(settings={"engine": "iterative", "steps": 1, "size": 2000})),
        (UnknownStyle, "did you mean", order(style="starry-nigth")),
        (UnsupportedFormat, "is not a picture that can be read", order(style=b"nothing")),
        (UnsupportedFormat, "is not a picture that can be read", order(files={"mask": b"nothing"})),
    ]
    for kind, text, asked in refused:
        with pytest.raises(kind, match=text):
            jobs.submit(asked, "ann")
    assert jobs.list("ann") == []
    with pytest.raises(QuotaExceeded, match="delete some"):
        jobs.add_style("ann", "mine", [photo(1)])
    with pytest.raises(RequestError, match="send 1 to 2"):
        jobs.add_style("ann", "mine", [photo(1)] * 3)
    with pytest.raises(StyleExists):
        jobs.add_style("ann", "starry-night", [photo(1)])


def test_queues_are_bounded_for_all_and_for_each(start: Starter) -> None:
    jobs = start(queued=3, queued_per_owner=2)
    slow = order(settings=ENDLESS)
    running, _ = jobs.submit(slow, "ann")
    until(lambda: jobs.get("ann", running.id).state == "running")
    waiting = [jobs.submit(order(i, settings=ENDLESS), "ann")[0] for i in (1, 2)]
    with pytest.raises(QuotaExceeded, match="2 of your jobs wait already") as told:
        jobs.submit(order(3, settings=ENDLESS), "ann")
    assert told.value.retry_after > 0
    other, _ = jobs.submit(order(settings=ENDLESS), "bob")
    with pytest.raises(QueueFull, match="3 jobs wait already"):
        jobs.submit(order(1, settings=ENDLESS), "bob")
    # Whoever has less than a share has a place all the same.
    late, _ = jobs.submit(order(settings=ENDLESS), "eve")
    with pytest.raises(QueueFull, match="4 jobs wait already"):
        jobs.submit(order(1, settings=ENDLESS), "eve")
    assert jobs.cancel("eve", late.id).state == "cancelled"
    # What is there already is told all the same.
    assert jobs.submit(order(1, settings=ENDLESS), "ann") == (waiting[0], False)
    assert [jobs.view(job)["position"] for job in (*waiting, other)] == [0, 1, 2]
    # A queued one ends at once, a running one within a step; the next has its turn.
    assert jobs.cancel("ann", waiting[0].id).state == "cancelled"
    jobs.cancel("ann", running.id)
    assert ended(jobs, running).state == "cancelled"
    until(lambda: "running" in {jobs.get(job.owner, job.id).state for job in (waiting[1], other)})


def test_what_an_owner_may_store_is_bounded(start: Starter) -> None:
    jobs = start(stored_per_owner=1)
    job, _ = jobs.submit(order(), "ann")
    with pytest.raises(QuotaExceeded, match="delete some"):
        jobs.submit(order(1), "ann")
    assert jobs.submit(order(1), "bob")[1]
    ended(jobs, job)
    jobs.delete("ann", job.id)
    assert jobs.submit(order(1), "ann")[1]


def test_only_so_many_wait_for_an_answer(start: Starter) -> None:
    jobs = start(at_once=1)
    until(jobs.ready)
    told: list[object] = []

    def paint(seed: int) -> None:
        try:
            told.append(jobs.paint(order(seed), "ann"))
        except QueueFull as error:
            told.append(error.retry_after)

    threads = [threading.Thread(target=paint, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT)
    assert len(told) == 8
    assert 2 in told
    assert any(not isinstance(one, int) for one in told)
    assert jobs.status()["waiting"] == 0
    assert jobs.paint(order(), "ann").width == 48


def test_what_is_old_or_deleted_leaves_nothing_behind(start: Starter, tmp_path: Path) -> None:
    jobs = start()
    made = [jobs.submit(order(i, style=photo(99)), "ann")[0] for i in range(3)]
    fine, _ = jobs.submit(order(settings={"engine": "iterative", "steps": 3, "style_scale": 0.25}), "ann")
    for job in (*made, fine):
        assert ended(jobs, job).state == "done"
    assert jobs.trace("ann", fine.id)[-1]["step"] == 3
    path, item = jobs.result(jobs.get("ann", made[0].id))
    assert path.read_bytes()[1:4] == b"PNG"
    assert (item.width, item.height) == (48, 48)
    with pytest.raises(UnknownJob):
        jobs.result(jobs.get("ann", made[0].id), 1)
    # Deleted while it runs, a job's state goes as well.
    endless, _ = jobs.submit(order(settings=ENDLESS), "ann")
    with pytest.raises(NotReady):
        jobs.result(endless)
    until(lambda: (jobs.view(jobs.get("ann", endless.id))["step"] or 0) > 1)
    for job in (made[0], fine, endless):
        jobs.delete("ann", job.id)
        with pytest.raises(UnknownJob):
            jobs.get("ann", job.id)
    assert len(files(tmp_path / "jobs" / "blobs")) == 2 + 2 + 1, "photographs, pastiches, and the painting of both"
    # The rest grows old while nobody is there.
    jobs = start(kept_seconds=0)
    late, _ = jobs.submit(order(5), "bob")
    ended(jobs, late)
    jobs.sweep()
    assert [job.id for job in jobs.list("ann")] == [made[2].id, made[1].id]
    assert jobs.list("bob") == []
    for job in made[1:]:
        jobs.delete("ann", job.id)
    assert files(tmp_path / "jobs" / "blobs") == []
    assert files(tmp_path / "jobs" / "runs") == []


def test_what_failed_is_done_when_its_reason_is_gone(start: Starter) -> None:
    jobs = start()
    jobs.add_style("ann", "mine", [Gallery().export("starry-night")], title="Mine")
    blocking, _ = jobs.submit(order(settings=ENDLESS), "ann")
    mixed = order(kind="batch", contents=(("a", photo(1)), ("b", photo(2))), styles=((1.0, "mine"),))
    job, _ = jobs.submit(mixed, "ann")
    jobs.remove_style("ann", "mine")
    jobs.cancel("ann", blocking.id)
    failed = ended(jobs, job)
    assert failed.state == "failed"
    assert failed.error is not None
    assert failed.error["code"] == "unknown_style"
    jobs.add_style("ann", "mine", [Gallery().export("the-wave")])
    jobs.retry("ann", job.id)
    assert ended(jobs, job).state == "done"
    assert [item.state for item in jobs.get("ann", job.id).items] == ["done", "done"]


def test_one_owners_many_jobs_leave_room_for_anothers(start: Starter) -> None:
    jobs = start()
    until(jobs.ready)
    many = [jobs.submit(order(i), "ann")[0] for i in range(30)]
    one, _ = jobs.submit(order(), "bob")
    done = ended(jobs, one)
    for job in many:
        ended(jobs, job)
    later = [job for job in many if (jobs.get("ann", job.id).finished or 0) > (done.finished or 0)]
    assert len(later) >= 2


def test_one_folder_is_of_one_server(start: Starter, tmp_path: Path) -> None:
    start()
    with pytest.raises(RequestError, match=r"another server has its jobs in .*give another folder with --home"):
        Jobs(tmp_path / "jobs")
    start()


def test_an_id_has_one_content_and_first_things_come_first(start: Starter) -> None:
    jobs = start()
    blocking, _ = jobs.submit(order(settings=ENDLESS), "ann")
    until(lambda: jobs.get("ann", blocking.id).state == "running")
    fine = {"engine": "iterative", "steps": 1, "style_scale": 0.25}
    low, high = (
        jobs.submit(order(1, settings=fine | {"seed": p}, priority=p, id=f"priority-{p}"), "ann")[0] for p in (9, 0)
    )
    assert jobs.submit(order(1, settings=fine | {"seed": 9}, priority=3, id="priority-9"), "ann") == (low, False)
    with pytest.raises(JobConflict):
        jobs.submit(order(2, id="priority-9"), "ann")
    assert jobs.submit(order(2, id="priority-9"), "bob")[1], "an id is its owner's"
    jobs.cancel("ann", blocking.id)
    first, second = (ended(jobs, job).finished or 0 for job in (high, low))
    assert first < second


def test_jobs_live_in_a_database_that_is_named(start: Starter, tmp_path: Path) -> None:
    with a_database(tmp_path) as url:
        jobs = start(database=url)
        job, _ = jobs.submit(order(), "ann")
        slow, _ = jobs.submit(order(settings=ENDLESS | {"steps": 30}), "ann")
        assert ended(jobs, job).state == "done"
        until(lambda: (jobs.view(jobs.get("ann", slow.id))["step"] or 0) > 1)
        jobs = start(database=url)
        assert jobs.get("ann", job.id).state == "done"
        assert ended(jobs, slow).state == "done"
        assert jobs.trace("ann", slow.id)[-1]["step"] == 30
        start()
        with pytest.raises(UnknownJob):
            start().get("ann", job.id)


def test_a_job_that_fell_out_of_its_queue_is_queued_again(start: Starter, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = start()

    def fail(*_: object) -> None:
        raise OSError("disk full")

    with monkeypatch.context() as patched:
        patched.setattr(jobs._queue, "enqueue", fail)
        with pytest.raises(OSError, match="disk full"):
            jobs.submit(order(1, id="never-queued"), "ann")
    with monkeypatch.context() as patched:
        tried = threading.Event()

        def fail_to_begin(*_: object) -> None:
            tried.set()
            fail()

        patched.setattr("dbos._queue.execute_dequeued_workflow", fail_to_begin)
        jobs.submit(order(2, id="never-begun"), "ann")
        assert tried.wait(WAIT)
    slow, _ = jobs.submit(order(settings=ENDLESS), "ann")
    until(lambda: jobs.get("ann", slow.id).state == "running")
    for _ in range(2):
        jobs.sweep()
    for id in ("never-queued", "never-begun"):
        assert ended(jobs, jobs.get("ann", id)).state == "done"
        assert len([e for e in jobs._ledger.events("ann", 0) if e.job == id and e.kind == "running"]) == 1
    assert jobs.get("ann", slow.id).state == "running"


def test_a_job_that_the_server_cannot_do_is_tried_a_few_times(start: Starter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("impasto.jobs.maintenance._SWEEP_SECONDS", 1e6)
    jobs = start(attempts=3)
    tries: list[str] = []

    def publish(_: str, id: str, *__: object, **___: object) -> None:
        tries.append(id)
        raise OSError("disk full")

    with monkeypatch.context() as patched:
        patched.setattr(jobs._ledger, "publish", publish)
        submitted = [
            jobs.submit(order(seed, settings=settings), "ann")[0]
            for seed, settings in ((3, {}), (4, ENDLESS | {"steps": 2}))
        ]
        for count in (1, 2, 3):
            assert not any(jobs.get("ann", job.id).is_final for job in submitted)
            until(lambda: all(tries.count(job.id) == count for job in submitted) and not jobs._runner.doing)  # noqa: B023
            jobs.sweep()
        failed = [ended(jobs, job) for job in submitted]
    for job in failed:
        assert job.state == "failed"
        assert job.error == {"code": "error", "message": "the server could not do it: OSError: disk full"}
        jobs.retry("ann", job.id)
        assert ended(jobs, job).state == "done"


def test_broken_photographs_of_many_fail_alone(start: Starter) -> None:
    jobs = start()
    until(jobs.ready)
    many = (("a.png", photo(1)), ("torn.png", photo(2)[:200]), ("b.png", photo(3)))
    job, _ = jobs.submit(order(kind="batch", contents=many), "ann")
    assert [item.state for item in job.items] == ["waiting", "failed", "waiting"]
    job = ended(jobs, job)
    assert (job.state, [item.state for item in job.items]) == ("partial", ["done", "failed", "done"])
    assert job.items[1].error is not None
    assert job.error is not None
    assert str(job.error["message"]).startswith("1 of 3 failed; content 'torn.png': the picture cannot be read")
    assert str(job.items[1].error["message"]).startswith("content 'torn.png': the picture cannot be read")
    learning = order(kind="train-style", contents=many, style=photo(4), training=Training("mine"))
    lesson, _ = jobs.submit(learning, "ann")
    assert sorted(lesson.files) == ["photo:0", "photo:2"]
    (left,) = lesson.settings["left_out"]
    assert (left["name"], left["message"][:19]) == ("torn.png", "content 'torn.png':")
    assert Training.from_json(lesson.settings) == Training("mine")
    jobs.cancel("ann", lesson.id)


def test_what_the_server_has_lost_is_tried_again_and_never_the_pictures_fault(
    start: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("impasto.jobs.maintenance._SWEEP_SECONDS", 1e6)
    jobs = start(attempts=2)
    blocking, _ = jobs.submit(order(settings=ENDLESS), "ann")
    until(lambda: jobs.get("ann", blocking.id).state == "running")
    photos = tuple((f"{seed}.png", photo(seed)) for seed in (1, 2, 3))
    kept, _ = jobs.submit(order(kind="batch", contents=photos), "ann")
    lost, _ = jobs.submit(order(kind="batch", contents=photos, settings={"boldness": 0.1}), "ann")
    gone = jobs._blobs.path(kept.items[1].content)
    gone.rename(gone.with_suffix(".away"))
    jobs.cancel("ann", blocking.id)
    until(lambda: all(jobs.get("ann", job.id).done_items == 2 for job in (kept, lost)) and not jobs._runner.doing)
    for job in (kept, lost):
        assert jobs.get("ann", job.id).state == "running", "it is tried again"
        assert jobs.get("ann", job.id).items[1].state == "waiting"
    gone.with_suffix(".away").rename(gone)
    jobs.sweep()
    until(lambda: jobs.get("ann", kept.id).is_final and jobs.get("ann", lost.id).is_final)
    assert jobs.get("ann", kept.id).state == jobs.get("ann", lost.id).state == "done"
    # For good, it is told as what it is, and the state says that not all is there.
    blocking, _ = jobs.submit(order(settings=ENDLESS), "ann")
    until(lambda: jobs.get("ann", blocking.id).state == "running")
    partial, _ = jobs.submit(order(kind="batch", contents=photos, settings={"boldness": 0.3}), "ann")
    gone.rename(gone.with_suffix(".away"))
    jobs.cancel("ann", blocking.id)
    until(lambda: jobs.get("ann", partial.id).done_items == 2 and not jobs._runner.doing)
    jobs.sweep()
    ended_so = ended(jobs, partial)
    assert ended_so.state == "partial"
    assert ended_so.error is not None
    assert ended_so.error["code"] == "storage_lost"
    assert ended_so.error["message"].startswith("1 of 3 failed; of '2.png': the server cannot read a picture")
    assert jobs.view(ended_so)["state"] == "partial"
    assert [item.state for item in ended_so.items] == ["done", "failed", "done"]
    # What was made and is lost is not a deleted job either.
    jobs._blobs.remove(str(ended_so.items[0].result))
    with pytest.raises(StorageLost):
        jobs.result(ended_so, 0)
    gone.with_suffix(".away").rename(gone)
    jobs.retry("ann", partial.id)
    assert ended(jobs, partial).state == "done"


def test_a_name_that_means_another_style_now_makes_another_job(start: Starter) -> None:
    jobs = start()
    jobs.add_style("ann", "mine", [Gallery().export("starry-night")])
    asked = order(style="mine")
    first, _ = jobs.submit(asked, "ann")
    assert ended(jobs, first).state == "done"
    assert jobs.submit(asked, "ann") == (jobs.get("ann", first.id), False)
    jobs.remove_style("ann", "mine")
    jobs.add_style("ann", "mine", [Gallery().export("the-wave")])
    second, new = jobs.submit(asked, "ann")
    assert new
    ended(jobs, second)
    pictures = [jobs.result(jobs.get("ann", job.id))[0].read_bytes() for job in (first, second)]
    assert pictures[0] != pictures[1]
    # Replaced while a job waits: who asks for the style of before gets none that was painted in the one of now.
    blocking, _ = jobs.submit(order(settings=ENDLESS), "ann")
    until(lambda: jobs.get("ann", blocking.id).state == "running")
    waiting, _ = jobs.submit(order(7, kind="batch", style="mine"), "ann")
    jobs.remove_style("ann", "mine")
    jobs.add_style("ann", "mine", [Gallery().export("starry-night")])
    jobs.cancel("ann", blocking.id)
    ended(jobs, waiting)
    assert jobs.submit(order(7, kind="batch", style="mine"), "ann")[0].id == waiting.id
    jobs.remove_style("ann", "mine")
    jobs.add_style("ann", "mine", [Gallery().export("the-wave")])
    assert jobs.submit(order(7, kind="batch", style="mine"), "ann")[1]


def test_one_owners_many_requests_leave_anothers_their_answers(start: Starter) -> None:
    jobs = start(at_once=8)
    until(jobs.ready)
    over, refused = threading.Event(), list[int]()

    def flood(seed: int) -> None:
        while not over.is_set():
            try:
                jobs.paint(order(seed), "ann")
            except QueueFull as error:
                refused.append(error.retry_after)
                over.wait(0.2)

    threads = [threading.Thread(target=flood, args=(seed,)) for seed in range(40)]
    for thread in threads:
        thread.start()
    try:
        until(lambda: len(refused) > 40)
        answers = [jobs.paint(order(99), "bob").width for _ in range(12)]
    finally:
        over.set()
        for thread in threads:
            thread.join(WAIT)
    assert answers == [48] * 12
    assert jobs.status()["waiting"] == 0


def test_what_takes_too_long_for_an_answer_can_be_a_job(start: Starter, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = start(requests_per_minute=3)
    lost: list[Exception] = [
        QueueFull("no worker was free for 60 seconds"),
        WorkerLost("it took more than 60 seconds", "time"),
        TooDear("12 megapixels take about 90 seconds"),
    ]

    def late(*_: object, is_instant: bool, **__: object) -> None:
        raise lost[0]

    with monkeypatch.context() as patched:
        patched.setattr(jobs._pool, "paint", late)
        for _ in range(2):
            # What comes to nothing does not count.
            with pytest.raises(TooDear, match="make it a job"):
                jobs.paint(order(), "ann", or_job=True)
            with pytest.raises(TooDear):
                jobs.paint(order(), "ann", or_job=True)
        with pytest.raises(QueueFull, match="no worker was free"):
            jobs.paint(order(), "ann")
        lost.pop(0)
        with pytest.raises(TooDear):
            jobs.paint(order(), "ann", or_job=True)
        lost.pop(0)
        with pytest.raises(TooDear):
            jobs.paint(order(), "ann", or_job=True)
        lost[:] = [WorkerLost("it took too much memory", "memory")]
        with pytest.raises(WorkerLost):
            jobs.paint(order(), "ann", or_job=True)
    job, _ = jobs.submit(order(), "ann")
    assert ended(jobs, job).state == "done"
    with pytest.raises(QuotaExceeded, match="3 requests a minute are allowed here"):
        jobs.submit(order(1), "ann")
    with pytest.raises(QuotaExceeded):
        jobs.add_style("ann", "mine", [photo(1)])
    assert jobs.submit(order(1), "bob")[1]


def test_who_would_be_refused_is_told_before_anything_is_sent(tmp_path: Path) -> None:
    jobs = Jobs(tmp_path, limits=Limits(at_once=2, requests_per_minute=3, queued_per_owner=1), interactive=1)
    try:
        with jobs._waiting.place("ann", 2), jobs._waiting.place("ann", 2):
            for check in (jobs.check_line, jobs.check_shelf):
                with pytest.raises(QueueFull, match="2 requests wait already"):
                    check("ann")
                # Whose share others have taken is let in.
                check("bob")
        jobs._ledger.add(a_job("one"), {})
        for id in (None, "two"):
            with pytest.raises(QuotaExceeded, match="1 of your jobs wait already"):
                jobs.check_room("ann", id)
            jobs.check_room("bob", id)
        # The same again needs no room; and to be looked at does not count.
        for _ in range(5):
            jobs.check_line("ann")
            jobs.check_shelf("ann")
            jobs.check_room("ann", "one")
        for _ in range(3):
            jobs._rate.take("ann")
        again = partial(jobs.check_room, id="one")
        for check in (jobs.check_line, jobs.check_shelf, jobs.check_room, again):
            with pytest.raises(QuotaExceeded, match="3 requests a minute are allowed here"):
                check("ann")
            check("bob")
    finally:
        jobs.stop(0)


def test_what_was_made_before_a_cut_is_not_taken_for_what_its_name_means_since(
    start: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("impasto.jobs.maintenance._SWEEP_SECONDS", 1e6)
    jobs = start()
    jobs.add_style("ann", "mine", [Gallery().export("starry-night")])
    asked = order(style="mine", kind="batch", contents=(("a.png", photo(1)), ("b.png", photo(2))))
    publish = jobs._ledger.publish

    def publish_first(owner: str, id: str, index: int, *rest: Any, **more: Any) -> bool:
        if index:
            raise OutputError("the disk is full")
        return publish(owner, id, index, *rest, **more)

    with monkeypatch.context() as patched:
        patched.setattr(jobs._ledger, "publish", publish_first)
        job, _ = jobs.submit(asked, "ann")
        until(lambda: jobs.get("ann", job.id).done_items == 1 and not jobs._runner.doing)
    jobs.remove_style("ann", "mine")
    jobs.add_style("ann", "mine", [Gallery().export("the-wave")])
    jobs.sweep()
    assert ended(jobs, job).state == "done"
    # Half of it is in the style of before.
    assert jobs.submit(asked, "ann")[1]


def test_a_job_tells_which_files_it_does_without_whenever_it_is_asked(start: Starter) -> None:
    jobs = start()
    until(jobs.ready)
    junk = tuple((f"{number}.txt", "is not a picture by its name") for number in range(103))
    job, _ = jobs.submit(order(kind="batch", left_out=junk), "ann")
    told = jobs.view(jobs.get("ann", job.id))
    assert told["left_out"][:2] == [{"name": name, "message": why} for name, why in junk[:2]]
    assert [left["name"] for left in told["left_out"][99:]] == ["99.txt", "3 more"]
    # They can be sent again, and are what a worker is given.
    assert told["settings"] == {}
    assert ended(jobs, job).state == "done"
    lesson, _ = jobs.submit(
        order(kind="train-style", style=photo(4), training=Training("mine"), left_out=junk[:1]), "ann"
    )
    assert [left["name"] for left in jobs.view(lesson)["left_out"]] == ["0.txt"]
    assert Training.from_json(lesson.settings) == Training("mine")
    jobs.cancel("ann", lesson.id)
    plain, _ = jobs.submit(order(1), "ann")
    assert jobs.view(plain)["left_out"] == []


def test_a_training_waits_for_a_disk_that_is_full(start: Starter, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = start(attempts=2)
    tries: list[Path] = []

    def full(folder: Path) -> None:
        tries.append(folder)
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("impasto.jobs.runner.make_folder", full)
        job, _ = jobs.submit(order(kind="train-style", style=photo(4), training=Training("mine")), "ann")
        for count in (1, 2, 3):
            until(lambda: len(tries) == count and not jobs._runner.doing)  # noqa: B023
            assert not jobs.get("ann", job.id).is_final
            jobs.sweep()
    jobs.delete("ann", job.id)


def test_what_belongs_to_a_request_that_was_counted_does_not_count(start: Starter) -> None:
    jobs = start(requests_per_minute=1)
    assert jobs.submit(order(), "ann")[1]
    with pytest.raises(QuotaExceeded):
        jobs.submit(order(1), "ann")
    assert jobs.submit(order(1), "ann", counts=False)[1]
