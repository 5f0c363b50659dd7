"""The ledger among threads and processes, some of which are killed."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event as Signal

import pytest
from ledgers import a_job, publish, told

from impasto.jobs.records.blobs import Blobs
from impasto.jobs.records.ledger import Event, Ledger

SOURCE = Path(__file__).parents[1] / "src"
posix = pytest.mark.skipif(os.name != "posix", reason="signals are those of POSIX")


def test_many_threads_publish_each_item_once_and_readers_miss_nothing(ledger: Ledger) -> None:
    ids = [f"job-{i}" for i in range(4)]
    for id in ids:
        ledger.add(a_job(id, items=25), {})
    over = Signal()

    def work(seed: int) -> list[tuple[str, int]]:
        turns = [(id, index) for id in ids for index in range(25)]
        random.Random(seed).shuffle(turns)
        for id in ids:
            ledger.start("ann", id)
        return [(id, index) for id, index in turns if publish(ledger, "ann", id, index)]

    def read() -> list[Event]:
        seen: list[Event] = []
        while True:
            last = over.is_set()
            seen += ledger.events("ann", seen[-1].number if seen else 0, limit=7)
            job = ledger.get("ann", "job-0")
            # One state, not two: whatever is told of in the events is in the job read after them.
            told = sum(event.job == "job-0" and event.kind == "item" for event in seen)
            assert job.done_items >= told
            if last and seen[-1].number == ledger.last_event("ann"):
                return seen

    with ThreadPoolExecutor(8) as pool:
        readers = [pool.submit(read) for _ in range(2)]
        try:
            published = [one for found in pool.map(work, range(4)) for one in found]
        finally:
            # Or the readers would read for ever.
            over.set()
        seen = [reader.result() for reader in readers]
    assert sorted(published) == sorted((id, index) for id in ids for index in range(25))
    assert seen[0] == seen[1] == ledger.events("ann", 0)
    assert [event.number for event in seen[0]] == list(range(1, 4 + 4 + 100 + 1))


def test_many_threads_add_the_same_job_once(ledger: Ledger) -> None:
    with ThreadPoolExecutor(8) as pool:
        added = list(pool.map(lambda _: ledger.add(a_job(items=3), {}), range(24)))
    assert sum(new for _, new in added) == 1
    assert len({repr(job) for job, _ in added}) == 1
    assert told(ledger) == [("one", "queued")]


PAINTING = """
import sys
import threading
from pathlib import Path
sys.path.insert(0, sys.argv[4])
from ledgers import a_job, publish
from impasto.jobs.records.blobs import Blobs
from impasto.jobs.records.ledger import Ledger

url, folder, seed = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
ledger, blobs, voice = Ledger(url), Blobs(folder), threading.Lock()
print("open", flush=True)

def say(*words):
    with voice:
        print(*words, "ok", flush=True)

def paint(start):
    for number in range(12):
        id = f"job-{number}"
        ledger.add(a_job(id, items=15), {})
        say("added", id)
        ledger.start("ann", id)
        for index in range(15):
            index = (index * (1 + start) + start + seed) % 15
            result = blobs.put(f"{id} {index}".encode() * 3000)
            if publish(ledger, "ann", id, index, result):
                say("published", id, index, result)
        if ledger.finish("ann", id, "done"):
            say("finished", id)

threads = [threading.Thread(target=paint, args=(start,)) for start in (0, 1, 3)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print("all", flush=True)
"""


def painting(url: str, folder: Path, seed: int) -> subprocess.Popen[str]:
    environment = os.environ | {"PYTHONPATH": str(SOURCE)}
    command = [sys.executable, "-c", PAINTING, url, str(folder), str(seed), str(Path(__file__).parent)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True)


def check_all(ledger: Ledger, blobs: Blobs, said: list[str]) -> None:
    """What was acknowledged is there; nothing was published twice; no event's number is missing or double."""
    lines = [line.split()[:-1] for line in said if line.endswith("ok\n")]
    published = [
        (id, int(index), result) for verb, id, *more in lines if verb == "published" for index, result in [more]
    ]
    assert len({(id, index) for id, index, _ in published}) == len(published)
    jobs = {job.id: job for job in ledger.list("ann", limit=100)}
    for verb, id, *_ in lines:
        assert id in jobs
        assert verb != "finished" or jobs[id].state == "done"
    for id, index, result in published:
        item = jobs[id].items[index]
        assert (item.state, item.result) == ("done", result)
        assert blobs.get(result) == f"{id} {index}".encode() * 3000
    for job in jobs.values():
        assert all(item.result in blobs for item in job.items if item.state == "done"), "bytes are there before words"
    events = ledger.events("ann", 0, limit=10**6)
    assert [event.number for event in events] == list(range(1, len(events) + 1))
    assert len({(event.job, event.kind, event.data.get("index")) for event in events}) == len(events)
    done = {(job.id, item.index) for job in jobs.values() for item in job.items if item.state == "done"}
    assert {(event.job, event.data["index"]) for event in events if event.kind == "item"} == done


@posix
def test_a_kill_at_any_moment_loses_nothing_that_was_acknowledged(url: str, tmp_path: Path) -> None:
    ledger, blobs, chance = Ledger(url), Blobs(tmp_path / "blobs"), random.Random(7)
    said: list[str] = []
    for attempt in range(5):
        painter = painting(url, blobs.folder, attempt)
        assert painter.stdout is not None
        assert painter.stdout.readline() == "open\n"
        for _ in range(chance.randrange(25) if attempt < 4 else 10**6):
            line = painter.stdout.readline()
            said.append(line)
            if line in ("all\n", ""):
                break
        if attempt < 4:
            # In the middle of something, not just after an acknowledgement.
            time.sleep(chance.random() * 0.02)
            painter.kill()
        said += (painter.communicate()[0]).splitlines(keepends=True)
        check_all(ledger, blobs, said)
    assert said[-1] == "all\n"
    assert painter.returncode == 0
    jobs = ledger.list("ann")
    assert [job.state for job in jobs] == ["done"] * 12
    ledger.close()


@posix
def test_several_processes_publish_each_item_once(url: str, tmp_path: Path) -> None:
    """The database and its tables are made by all of them at once, too."""
    painters = [painting(url, tmp_path / "blobs", seed) for seed in range(3)]
    said = [painter.communicate()[0].splitlines(keepends=True) for painter in painters]
    assert [(painter.returncode, lines[-1]) for painter, lines in zip(painters, said, strict=True)] == [
        (0, "all\n")
    ] * 3
    ledger = Ledger(url)
    everything = [line for lines in said for line in lines]
    check_all(ledger, Blobs(tmp_path / "blobs"), everything)
    assert sum(line.startswith("published") for line in everything) == 12 * 15
    ledger.close()
