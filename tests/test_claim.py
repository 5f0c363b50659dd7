"""One server has a database to itself: a second is refused, and one that has lost it does nothing until it is back."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from ledgers import a_job
from pictures import noise, saved
from PIL import Image
from postgresql import Cluster, programs

from impasto import Gallery
from impasto.errors import OutputError, RequestError
from impasto.jobs.errors import Suspended
from impasto.jobs.order import Order
from impasto.jobs.records import advisory_lock
from impasto.jobs.records.advisory_lock import _KEY
from impasto.jobs.records.job import Job
from impasto.jobs.records.ledger import Ledger
from impasto.jobs.service import Jobs

WAIT = 200
SLOW = {"engine": "iterative", "steps": 100_000, "levels": 1, "optimiser": "adam", "style_scale": 0.25}
needs_postgresql = pytest.mark.skipif(programs() is None, reason="needs PostgreSQL's programs")
HOLDER = f"SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objid = {_KEY} AND granted"


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with Cluster() as found:
        yield found


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(advisory_lock, "_PATIENCE", 0.2)
    monkeypatch.setattr(advisory_lock, "_BEAT", 0.1)


class Told:
    """What a claim said, in order."""

    def __init__(self) -> None:
        self._said: list[str] = []
        self._news = threading.Condition()

    def say(self, word: str) -> Callable[[], None]:
        def said() -> None:
            with self._news:
                self._said.append(word)
                self._news.notify_all()

        return said

    def wait(self, *words: str) -> None:
        with self._news:
            assert self._news.wait_for(lambda: self._said[-len(words) :] == [*words], WAIT), self._said

    def claim(self, ledger: Ledger) -> None:
        ledger.claim(lost=self.say("lost"), beaten=self.say("beaten"), regained=self.say("regained"))


class Rival:
    """Another server, which waits for the lock and has it until it is told to let go."""

    def __init__(self, url: str) -> None:
        self._connection = psycopg.connect(url, autocommit=True)
        self._has = threading.Event()
        self._thread = threading.Thread(target=self._take)
        self._thread.start()

    def _take(self) -> None:
        self._connection.execute("SELECT pg_advisory_lock(%s)", (_KEY,))
        self._has.set()

    def wait(self) -> None:
        assert self._has.wait(WAIT)

    def let_go(self) -> None:
        self._thread.join(WAIT)
        self._connection.close()


@needs_postgresql
def test_a_second_server_is_refused_whatever_schema_it_names(cluster: Cluster) -> None:
    url = cluster.database()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA other")
    first, second = Ledger(url), Ledger(f"{url}?options=-csearch_path%3Dother")
    Told().claim(first)
    with pytest.raises(RequestError, match=r"another server has its jobs in postgresql.*stop it, or give another"):
        Told().claim(second)
    first.close()
    # Ended, it is nobody's.
    Told().claim(second)
    second.close()


@needs_postgresql
def test_who_has_lost_the_lock_writes_nothing_until_it_is_held_again(cluster: Cluster) -> None:
    url = cluster.database()
    told, ledger = Told(), Ledger(url)
    told.claim(ledger)
    ledger.add(a_job("before"), {})
    rival = Rival(url)
    cluster.run(f"SELECT pg_terminate_backend(({HOLDER} LIMIT 1))")
    rival.wait()
    # Also before anything has noticed.
    with pytest.raises(Suspended):
        ledger.add(a_job("meanwhile"), {})
    told.wait("lost", "beaten")
    assert not ledger.is_held
    assert [job.id for job in ledger.list("ann")] == ["before"], "what is there can be read"
    rival.let_go()
    told.wait("lost", "beaten", "regained")
    assert ledger.is_held
    assert ledger.add(a_job("after"), {})[1]
    ledger.close()


def test_a_file_that_two_folders_name_is_one_servers(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'shared.db'}"
    first = Jobs(tmp_path / "one", database=url, interactive=1)
    with pytest.raises(RequestError, match=r"another server has its jobs in .*shared\.db; stop it, or give another"):
        Jobs(tmp_path / "two", database=url, interactive=1)
    first.stop(0)
    Jobs(tmp_path / "two", database=url, interactive=1).stop(0)


def order(seed: int = 0, **more: Any) -> Order:
    photo = saved(Image.fromarray(noise(48, 48, seed=seed)), "png")
    return Order(**{"kind": "stylize", "contents": (("a.png", photo),), "styles": ((1.0, "starry-night"),), **more})


class Listening:
    """Waits for what is told of jobs, instead of asking again and again."""

    def __init__(self, jobs: Jobs) -> None:
        self._jobs, self._news = jobs, threading.Event()
        jobs.listen("ann", lambda *_: self._news.set())

    def until(self, holds: Callable[[], object]) -> None:
        for _ in range(WAIT * 10):
            try:
                if holds():
                    return
            except OutputError:
                pass  # the database is away
            self._news.wait(0.1)
            self._news.clear()
        raise AssertionError("it never came true")


def step(jobs: Jobs, job: Job) -> int:
    return int(jobs.view(jobs.get("ann", job.id))["step"] or 0)


@needs_postgresql
def test_work_stops_with_the_lock_and_goes_on_with_it(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = cluster.database()
    monkeypatch.setattr("impasto.jobs.maintenance._SWEEP_SECONDS", 3)
    jobs = Jobs(tmp_path, database=url, interactive=1, bulk=1, gallery=Gallery(tmp_path / "gallery"))
    jobs.start()
    try:
        listening = Listening(jobs)
        slow, _ = jobs.submit(order(settings=SLOW), "ann")
        listening.until(lambda: step(jobs, slow) > 1 and jobs.ready())
        rival = Rival(url)
        cluster.run(f"SELECT pg_terminate_backend(({HOLDER} LIMIT 1))")
        rival.wait()
        listening.until(lambda: not jobs._runner.doing and not jobs._queue._is_running)
        assert not jobs.ready()
        assert jobs.get("ann", slow.id).state == "running"
        with pytest.raises(Suspended):
            jobs.submit(order(1), "ann")
        assert len(jobs.list("ann")) == 1
        rival.let_go()
        listening.until(lambda: step(jobs, slow) > 1)
        assert jobs.get("ann", slow.id).attempt == 2
        assert jobs.ready()
        quick, _ = jobs.submit(order(1), "ann")
        listening.until(lambda: jobs.get("ann", quick.id).state == "done")
        # A moment without it is enough for work to be left, and too short for anybody to ask for its end.
        attempt = jobs.get("ann", slow.id).attempt
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(f"SELECT pg_terminate_backend(({HOLDER} LIMIT 1))")
        listening.until(lambda: jobs.get("ann", slow.id).attempt > attempt and step(jobs, slow) > 1)
        # Killed and started again, it has forgotten the lock, and nothing else.
        cluster.kill()
        listening.until(lambda: not jobs.ready())
        cluster.start()
        listening.until(lambda: jobs.ready() and step(jobs, slow) > 1 and jobs.get("ann", slow.id).attempt > 3)
        jobs.keep("ann", slow.id)
        listening.until(lambda: jobs.get("ann", slow.id).is_final)
        assert jobs.get("ann", slow.id).state == "done"
    finally:
        jobs.stop(0)
