"""A pool and its workers: real processes that are killed, stopped, filled and asked too much."""

from __future__ import annotations

import io
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from pictures import noise, saved
from PIL import Image
from waiting import WAIT, until

from impasto import Gallery, StyleCard, Stylizer
from impasto.errors import ImpastoError, PictureError, PictureTooLarge, RequestError, UnknownStyle, UnsupportedFormat
from impasto.jobs.errors import Cancelled, QueueFull, WorkerLost
from impasto.jobs.records.style_ref import StyleRef
from impasto.jobs.workers import call_runner, supervisor, watchdog
from impasto.jobs.workers.call import WorkerCall
from impasto.jobs.workers.call_runner import CallRunner
from impasto.jobs.workers.messages import Painted, Task
from impasto.jobs.workers.pool import Cancel, Pool

PHOTO = saved(Image.fromarray(noise(64, 64)), "png")
PAINTING = saved(Image.fromarray(noise(72, 72, seed=1)), "png")
ENDLESS: dict[str, Any] = {
    "engine": "iterative",
    "steps": 100_000,
    # L-BFGS would come to an end.
    "optimiser": "adam",
    "start": "content",
    "style_scale": 0.25,
    "deterministic": True,
}


def plain(**settings: Any) -> Task:
    return Task(PHOTO, [(1.0, StyleRef("starry-night"))], settings=settings)


def endless(state: Path | None = None, **settings: Any) -> Task:
    return Task(PHOTO, [(1.0, StyleRef(file=PAINTING))], settings={**ENDLESS, **settings}, state=state, preview=True)


def pids(pool: Pool, lane: str) -> list[int]:
    return [worker["pid"] for worker in pool.status() if worker["lane"] == lane and worker["pid"]]


class Watcher:
    """Takes reports, and waits for a step of the engine."""

    def __init__(self) -> None:
        self.reports: list[dict[str, Any]] = []
        self._stepped = threading.Event()

    def __call__(self, report: dict[str, Any]) -> None:
        self.reports.append(report)
        if report["losses"]:
            self._stepped.set()

    def wait(self) -> None:
        assert self._stepped.wait(WAIT), "no step was told"


Starter = Callable[..., Pool]


@pytest.fixture
def start() -> Iterator[Starter]:
    """Starts pools of the test's own: one worker in each lane, unless it says otherwise."""
    pools = []

    def started(**settings: Any) -> Pool:
        pool = Pool(**{"interactive": 1, "bulk": 0, "threads": 1, **settings})
        pools.append(pool)
        pool.start()
        return pool

    yield started
    for pool in pools:
        pool.stop(0)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home") / "styles"


@pytest.fixture(scope="module")
def pool(home: Path) -> Iterator[Pool]:
    """One that every test leaves as it was, but for other workers."""
    pool = Pool(interactive=2, bulk=1, threads=1, home=home)
    pool.start()
    yield pool
    pool.stop(0)


def works(pool: Pool, lane: Any = "interactive") -> bool:
    return pool.submit(plain(), lane=lane, timeout=WAIT).result(WAIT).width == 64


def test_a_worker_paints_as_the_stylizer_does(pool: Pool, stylizer: Stylizer) -> None:
    told: list[dict[str, Any]] = []
    painted = pool.submit(plain(format="jpeg"), lane="interactive", on_report=told.append).result(WAIT)
    expected = stylizer.stylize(PHOTO, "starry-night", format="jpeg")
    found = np.asarray(Image.open(io.BytesIO(painted.data)))
    shown = np.asarray(Image.open(io.BytesIO(expected.to_bytes())))
    # Threads may sum up in another order.
    assert np.abs(found.astype(int) - shown).mean() < 1
    assert (painted.media_type, painted.width, painted.height) == ("image/jpeg", 64, 64)
    assert (painted.model, painted.complete) == (expected.model, True)
    assert painted.settings == expected.settings()
    assert painted.seconds > 0
    assert [report["stage"] for report in told] == ["style", "paint"]
    assert set(told[0]) >= {"done", "seconds", "seconds_left", "step", "steps", "losses", "size", "preview"}
    assert pool.ready
    assert (pool.workers("interactive"), pool.workers("bulk")) == (2, 1)


def test_a_worker_makes_style_cards(pool: Pool, stylizer: Stylizer, tmp_path: Path) -> None:
    paintings = [PAINTING, saved(Image.fromarray(noise(64, 64, seed=2)), "png")]
    made = StyleCard.from_bytes(pool.card("mine", paintings, {"title": "Mine"}, 10_000, timeout=WAIT))
    expected = stylizer.card("mine", paintings, title="Mine")
    assert made.facts() == expected.facts()
    assert np.allclose(made.code(stylizer.model), expected.code(stylizer.model), atol=0.02)
    again = StyleCard.from_bytes(pool.card("yours", [made.to_bytes()], {"date": "now"}, 10_000, timeout=WAIT))
    assert again.to_bytes() == replace(made, name="yours", date="now").to_bytes()
    with pytest.raises(PictureTooLarge):
        pool.card("mine", paintings, {}, 100, timeout=WAIT)
    with pytest.raises(PictureError, match="takes too long to read"):
        pool.card("mine", paintings, {}, 10_000, timeout=0.01)
    assert works(pool)
    # The user's folder of styles and an owner's, both.
    (tmp_path / "annas.style").write_bytes(made.to_bytes())
    anna = Task(PHOTO, [(1.0, StyleRef("annas"))], gallery=tmp_path)
    assert pool.paint(anna, lane="interactive", timeout=WAIT).width == 64
    with pytest.raises(UnknownStyle):
        pool.paint(replace(anna, gallery=None), lane="interactive", timeout=WAIT)


def test_errors_come_back_as_they_are(pool: Pool) -> None:
    tasks: list[tuple[type[ImpastoError], Task]] = [
        (RequestError, plain(strength=2)),
        (UnknownStyle, Task(PHOTO, [(1, StyleRef("nowhere"))])),
        (UnsupportedFormat, Task(b"nothing", [(1, StyleRef("starry-night"))])),
        (PictureTooLarge, Task(PHOTO, [(1, StyleRef("starry-night"))], max_pixels=100)),
    ]
    for kind, task in tasks:
        for lane in ("interactive", "bulk"):
            with pytest.raises(ImpastoError) as told:
                pool.submit(task, lane=lane).result(WAIT)
            assert type(told.value) is kind
    with pytest.raises(RequestError, match=r"the settings are not JSON: .*Path is not JSON serializable"):
        pool.submit(plain(size=Path()), lane="interactive")
    with pytest.raises(RequestError, match=r"^strength is 2; give a number from 0 to 1$"):
        pool.paint(plain(strength=2), lane="interactive")


def test_what_nobody_foresaw_is_an_error_that_tells_nothing(start: Starter, capfd: pytest.CaptureFixture[str]) -> None:
    pool = start()
    with pytest.raises(ImpastoError) as told:
        pool.submit(plain(max_pixels="many"), lane="interactive").result(WAIT)
    assert type(told.value) is ImpastoError
    assert str(told.value) == "painting failed unexpectedly (TypeError); try again, or other settings"
    assert works(pool)
    said = capfd.readouterr().err
    assert "Traceback" in said
    assert "TypeError" in said


def test_many_callers_get_their_own(pool: Pool) -> None:
    def paint(side: int) -> Painted:
        photo = saved(Image.fromarray(noise(side, 32)), "png")
        return pool.submit(Task(photo, [(1, StyleRef("starry-night"))]), lane="interactive").result(WAIT)

    sides = list(range(32, 64))
    with ThreadPoolExecutor(8) as executor:
        assert [painted.width for painted in executor.map(paint, sides)] == sides


def test_tasks_are_done_in_the_order_they_came(start: Starter) -> None:
    pool, done = start(), list[int]()
    futures = [pool.submit(plain(), lane="interactive") for _ in range(6)]
    for i, future in enumerate(futures):
        future.add_done_callback(lambda _, i=i: done.append(i))  # type: ignore[misc]
    for future in futures:
        future.result(WAIT)
    until(lambda: len(done) == 6)
    assert done == list(range(6))
    # Without workers of its own, the lane bulk is the other's.
    assert pool.workers("bulk") == 0
    assert works(pool, "bulk")
    with pytest.raises(ValueError, match="there is no lane 'fast'; give interactive or bulk"):
        works(pool, "fast")


def test_a_pool_has_an_interactive_worker() -> None:
    with pytest.raises(ValueError, match="0 interactive and 1 bulk workers; give 1 or more and 0 or more"):
        Pool(interactive=0, bulk=1)
    pool = Pool()
    assert 1 <= pool.workers("interactive") <= 4
    assert pool.workers("bulk") == 1
    assert not pool.ready
    assert {worker["state"] for worker in pool.status()} == {"starting"}
    pool.stop(0)


def test_styles_added_meanwhile_are_found(pool: Pool, home: Path, stylizer: Stylizer) -> None:
    assert works(pool)
    Gallery(home).add(replace(stylizer.gallery.get("starry-night"), name="mine"))
    painted = pool.submit(Task(PHOTO, [(1, StyleRef("mine"))]), lane="interactive").result(WAIT)
    assert painted.settings["style"] == "mine"


def test_pictures_are_probed(pool: Pool, stylizer: Stylizer, tmp_path: Path) -> None:
    (tmp_path / "photo").write_bytes(PHOTO)
    card = stylizer.gallery.get("starry-night").to_bytes()
    assert pool.probe([PHOTO, tmp_path / "photo", card], 10_000) == [(64, 64), (64, 64), (0, 0)]
    assert pool.probe([], 10_000) == []
    with pytest.raises(PictureTooLarge):
        pool.probe([PHOTO], 1000)
    with pytest.raises(PictureError) as told:
        pool.probe([PHOTO, PHOTO[:300]], 10_000)
    assert str(tmp_path) not in str(told.value)


def test_a_picture_that_takes_too_long_to_read_or_kills_its_reader_is_refused(start: Starter) -> None:
    pool = start()
    assert works(pool)
    large = saved(Image.new("RGB", (9000, 9000)), "webp")
    with pytest.raises(PictureError, match="the picture takes too long to read; give a smaller one"):
        pool.probe([large], 10**8, timeout=0.01)
    assert works(pool)
    ended = threading.Event()

    def killing() -> None:
        while not ended.wait(0.005):
            for worker in pool.status():
                if worker["state"] == "busy" and worker["pid"]:
                    with suppress(ProcessLookupError):
                        os.kill(worker["pid"], signal.SIGKILL)

    killer = threading.Thread(target=killing)
    killer.start()
    slow = saved(Image.new("RGB", (4000, 4000)), "webp")
    try:
        with pytest.raises(PictureError, match="the picture cannot be read: its decoder crashes"):
            pool.probe([slow], 10**8)
    finally:
        ended.set()
        killer.join()


def test_a_task_that_waits_is_given_up_at_once_and_a_running_one_within_a_step(start: Starter, tmp_path: Path) -> None:
    pool, watcher = start(), Watcher()
    first, second = Cancel(), Cancel()
    running = pool.submit(endless(tmp_path / "run.state"), lane="interactive", on_report=watcher, cancelled=first)
    waiting = pool.submit(plain(), lane="interactive", cancelled=second)
    third = pool.submit(plain(), lane="interactive")
    watcher.wait()
    second.cancel()
    with pytest.raises(Cancelled, match="before it began"):
        waiting.result(WAIT)
    assert not running.done()
    (pid,) = pids(pool, "interactive")
    first.cancel()
    with pytest.raises(Cancelled):
        running.result(WAIT)
    assert third.result(WAIT).complete
    # What was cancelled before is not begun, and a word that comes late does no harm.
    with pytest.raises(Cancelled):
        pool.submit(plain(), lane="interactive", cancelled=second).result(WAIT)
    first.cancel()
    first.keep()
    assert works(pool)
    assert pids(pool, "interactive") == [pid]


def test_who_has_enough_gets_the_best_so_far(pool: Pool) -> None:
    cancel, watcher = Cancel(), Watcher()
    future = pool.submit(endless(), lane="bulk", on_report=watcher, cancelled=cancel)
    watcher.wait()
    cancel.keep()
    painted = future.result(WAIT)
    assert not painted.complete
    assert (painted.width, painted.height) == (64, 64)
    assert watcher.reports[0]["stage"] == "style"
    assert any(report["preview"] for report in watcher.reports)
    points = [point["step"] for report in watcher.reports for point in report["trace"]]
    assert points == list(range(1, len(points) + 1))
    # Said before, it ends after the first step; what cannot be ended early is finished.
    assert not pool.submit(endless(), lane="bulk", cancelled=cancel).result(WAIT).complete
    assert pool.submit(plain(), lane="interactive", cancelled=cancel).result(WAIT).complete


def test_a_worker_that_does_not_listen_is_killed(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(call_runner, "_ANSWER_SECONDS", 0.5)
    cancel, watcher = Cancel(), Watcher()
    future = pool.submit(endless(), lane="bulk", on_report=watcher, cancelled=cancel)
    watcher.wait()
    (pid,) = pids(pool, "bulk")
    os.kill(pid, signal.SIGSTOP)
    cancel.cancel()
    with pytest.raises(Cancelled):
        future.result(WAIT)
    assert not psutil.pid_exists(pid)
    assert works(pool, "bulk")


def test_what_a_listener_raises_ends_the_task(pool: Pool) -> None:
    def told(report: dict[str, Any]) -> None:
        if report["losses"]:
            raise LookupError("no such job")

    with pytest.raises(LookupError, match="no such job"):
        pool.submit(endless(), lane="bulk", on_report=told).result(WAIT)
    assert works(pool, "bulk")


def test_a_killed_worker_is_told_at_once_and_another_started(pool: Pool) -> None:
    watcher = Watcher()
    future = pool.submit(endless(), lane="bulk", on_report=watcher)
    watcher.wait()
    (before,) = (worker for worker in pool.status() if worker["lane"] == "bulk")
    os.kill(before["pid"], signal.SIGKILL)
    with pytest.raises(WorkerLost, match="the process that painted died; try again") as told:
        future.result(WAIT)
    assert told.value.reason == "died"
    assert works(pool, "bulk")
    (after,) = (worker for worker in pool.status() if worker["lane"] == "bulk")
    assert after["pid"] != before["pid"]
    assert after["restarts"] == before["restarts"] + 1


def test_a_worker_killed_between_tasks_costs_nobody_anything(start: Starter) -> None:
    pool = start()
    for _ in range(3):
        assert works(pool)
        until(lambda: pool.status()[0]["state"] == "idle")
        (pid,) = pids(pool, "interactive")
        os.kill(pid, signal.SIGKILL)
        psutil.wait_procs([psutil.Process(pid)] if psutil.pid_exists(pid) else [], WAIT)
        # Until its supervisor has seen it, it may be given a task.
        until(lambda pid=pid: pid not in pids(pool, "interactive"))  # type: ignore[misc]


def test_a_worker_killed_while_it_starts_costs_nobody_anything(start: Starter) -> None:
    pool = start()
    future = pool.submit(plain(), lane="interactive")
    until(lambda: pids(pool, "interactive"))
    os.kill(pids(pool, "interactive")[0], signal.SIGKILL)
    assert future.result(WAIT).complete
    assert pool.status()[0]["restarts"] == 1


def test_where_no_worker_can_be_started_nobody_waits(start: Starter, monkeypatch: pytest.MonkeyPatch) -> None:
    executable = sys.executable
    monkeypatch.setattr(supervisor, "_BACK_OFF", (0.01,))
    monkeypatch.setattr(sys, "executable", "/bin/false")
    pool = start()
    with pytest.raises(WorkerLost, match="no worker can be started: it ended with status 1") as told:
        pool.submit(plain(), lane="interactive").result(WAIT)
    assert told.value.reason == "down"
    with pytest.raises(WorkerLost):
        pool.submit(plain(), lane="interactive").result(WAIT)
    monkeypatch.setattr(sys, "executable", "/nowhere")
    with pytest.raises(WorkerLost):
        pool.probe([PHOTO], 10_000)
    assert not pool.ready
    monkeypatch.setattr(sys, "executable", executable)
    until(lambda: pool.ready)
    assert works(pool)


def test_too_much_memory_and_too_much_time_end_a_task(start: Starter, monkeypatch: pytest.MonkeyPatch) -> None:
    # Before the engine has planned anything.
    monkeypatch.setattr(call_runner, "TICK", 0.05)
    pool = start(memory_limit=64 << 20, bulk=1)
    with pytest.raises(WorkerLost, match=r"it took more than 0\.1 GB of memory; give a smaller picture") as told:
        pool.submit(endless(), lane="bulk").result(WAIT)
    assert told.value.reason == "memory"
    pool = start(time_limit=1.5)
    assert works(pool)
    with pytest.raises(WorkerLost, match=r"it took more than 1\.5 seconds; give a smaller size") as told:
        pool.submit(endless(), lane="interactive").result(WAIT)
    assert told.value.reason == "time"
    assert works(pool)
    with pytest.raises(WorkerLost) as told:
        pool.submit(endless(), lane="interactive", timeout=0.5).result(WAIT)
    assert told.value.reason == "time"


def test_who_waits_too_long_is_sent_away(start: Starter) -> None:
    pool, cancel, watcher = start(), Cancel(), Watcher()
    running = pool.submit(endless(), lane="interactive", cancelled=cancel, on_report=watcher)
    watcher.wait()
    with pytest.raises(QueueFull, match=r"no worker was free for 0\.1 seconds; try again later"):
        pool.submit(plain(), lane="interactive", timeout=0.1).result(WAIT)
    assert not running.done()
    cancel.cancel()


def test_a_run_goes_on_after_its_worker_was_killed(pool: Pool, tmp_path: Path) -> None:
    task, watcher = endless(tmp_path / "run.state", steps=60), Watcher()
    expected = pool.submit(endless(steps=60), lane="bulk").result(WAIT)
    endless_task = endless(tmp_path / "other.state")
    future = pool.submit(endless_task, lane="bulk", on_report=watcher)
    until((tmp_path / "other.state").exists)
    os.kill(pids(pool, "bulk")[0], signal.SIGKILL)
    with pytest.raises(WorkerLost):
        future.result(WAIT)
    again, cancel = Watcher(), Cancel()
    future = pool.submit(endless_task, lane="bulk", on_report=again, cancelled=cancel)
    again.wait()
    cancel.cancel()
    with pytest.raises(Cancelled):
        future.result(WAIT)
    assert min(point["step"] for report in again.reports for point in report["trace"]) > 1
    # And a terminated one saves it first.
    watcher = Watcher()
    future = pool.submit(task, lane="bulk", on_report=watcher)
    watcher.wait()
    os.kill(pids(pool, "bulk")[0], signal.SIGTERM)
    try:
        painted = future.result(WAIT)
    except WorkerLost:
        assert task.state is not None
        assert task.state.exists()
        painted = pool.submit(task, lane="bulk").result(WAIT)
    assert painted.data == expected.data


def test_a_pool_that_stops_saves_what_runs_and_takes_no_more(start: Starter, tmp_path: Path) -> None:
    pool, watcher = start(), Watcher()
    running = pool.submit(endless(tmp_path / "run.state"), lane="interactive", on_report=watcher)
    waiting = pool.submit(plain(), lane="interactive")
    watcher.wait()
    (pid,) = pids(pool, "interactive")
    pool.stop(0.1)
    for future in (running, waiting, pool.submit(plain(), lane="bulk")):
        with pytest.raises(WorkerLost, match="the server is stopping") as told:
            future.result(WAIT)
        assert told.value.reason == "stopped"
    with pytest.raises(WorkerLost):
        pool.probe([PHOTO], 10_000)
    assert (tmp_path / "run.state").exists()
    assert not psutil.pid_exists(pid)
    assert not pool.ready
    pool.stop(0)


def test_what_ends_in_time_is_finished_before_a_pool_stops(start: Starter) -> None:
    pool, watcher = start(), Watcher()
    future = pool.submit(endless(steps=20), lane="interactive", on_report=watcher)
    watcher.wait()
    pool.stop(WAIT)
    assert future.result(WAIT).complete


def test_a_pool_stops_while_its_workers_start_or_hang(start: Starter, monkeypatch: pytest.MonkeyPatch) -> None:
    start(interactive=2).stop(0)
    monkeypatch.setattr(call_runner, "_ANSWER_SECONDS", 0.5)
    pool, watcher = start(), Watcher()
    future = pool.submit(endless(), lane="interactive", on_report=watcher)
    watcher.wait()
    os.kill(pids(pool, "interactive")[0], signal.SIGSTOP)
    pool.stop(0)
    with pytest.raises(WorkerLost) as told:
        future.result(WAIT)
    assert told.value.reason == "stopped"


def test_a_worker_is_replaced_after_many_tasks(start: Starter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "_TASKS", 3)
    pool = start()
    for _ in range(7):
        assert works(pool)
    assert pool.status()[0]["restarts"] == 2
    assert pool.status()[0]["tasks"] >= 6


def test_ctrl_c_is_the_pools_business_and_sigterm_ends_a_worker(start: Starter) -> None:
    pool = start()
    assert works(pool)
    (pid,) = pids(pool, "interactive")
    os.kill(pid, signal.SIGINT)
    assert works(pool)
    assert pids(pool, "interactive") == [pid]
    os.kill(pid, signal.SIGTERM)
    until(lambda: not psutil.pid_exists(pid))
    assert works(pool)


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs /proc")
def test_workers_hold_nothing_of_the_servers(start: Starter, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, (tmp_path / "open").open("w") as file:
        ours = {f"socket:[{os.fstat(server.fileno()).st_ino}]", file.name}
        for fd in (server.fileno(), file.fileno()):
            os.set_inheritable(fd, True)
        pool = start(interactive=2)
        for _ in range(4):
            assert works(pool)
        for pid in pids(pool, "interactive"):
            held = set()
            for link in Path(f"/proc/{pid}/fd").iterdir():
                held.add(os.readlink(link))
            assert not held & ours
            assert len([name for name in held if name.startswith("socket:")]) == 1
            assert os.readlink(f"/proc/{pid}/fd/1") == os.devnull


PARENT = """
import sys, time
from impasto.jobs.workers.pool import Pool
pool = Pool(interactive=2, bulk=1, threads=1)
pool.start()
while not all(w["pid"] and w["state"] == "idle" for w in pool.status()):
    time.sleep(0.01)
print(*(w["pid"] for w in pool.status()), flush=True)
time.sleep(600)
"""


def test_workers_die_with_their_parent() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        workers = [psutil.Process(int(pid)) for pid in parent.stdout.readline().split()]
        assert len(workers) == 3
        parent.kill()
    gone, alive = psutil.wait_procs(workers, WAIT)
    assert len(gone) == 3
    assert not alive


def test_a_worker_that_hangs_is_noticed_soon(start: Starter, monkeypatch: pytest.MonkeyPatch) -> None:
    pool, watcher = start(), Watcher()
    future = pool.submit(endless(), lane="interactive", on_report=watcher)
    watcher.wait()
    (pid,) = pids(pool, "interactive")
    with monkeypatch.context() as patched:
        os.kill(pid, signal.SIGSTOP)
        patched.setattr(watchdog, "SILENT_SECONDS", 1.0)
        with pytest.raises(WorkerLost, match="the process that painted hung and was ended") as told:
            future.result(WAIT)
    # Another may do it.
    assert told.value.reason == "died"
    assert not psutil.pid_exists(pid)
    assert works(pool)


def test_a_worker_that_keeps_much_memory_is_replaced_once_it_rests(
    start: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = start()
    assert works(pool)
    (pid,) = pids(pool, "interactive")
    assert works(pool)
    assert pids(pool, "interactive") == [pid]
    with monkeypatch.context() as patched:
        patched.setattr(supervisor, "_KEPT", -(1 << 40))
        patched.setattr(supervisor, "_REST_SECONDS", 0.0)
        assert works(pool)
        until(lambda: not psutil.pid_exists(pid))
        # Whoever asks a probe meanwhile hears nothing of it: the next is on its way, and nobody is turned away.
        assert pool.ready
    assert works(pool)
    assert pids(pool, "interactive") != [pid]


def test_one_that_is_lost_is_not_there_until_the_next_is(start: Starter) -> None:
    pool = start()
    assert works(pool)
    (pid,) = pids(pool, "interactive")
    os.kill(pid, signal.SIGKILL)
    until(lambda: not pool.ready)
    assert works(pool)
    assert pool.ready


def test_pictures_are_read_beside_those_that_are_painted(start: Starter) -> None:
    pool, watcher, cancel = start(probing=1), Watcher(), Cancel()
    pool.submit(endless(), lane="interactive", on_report=watcher, cancelled=cancel)
    watcher.wait()
    assert pool.probe([PHOTO], 10_000) == [(64, 64)]
    assert pool.workers("probing") == 1
    cancel.cancel()


class Slow:
    """A worker that is in the midst of a long step, works on, and answers after many looks at it."""

    threads, rss = 1, 0

    def __init__(self, answer: dict[str, Any], looks: int) -> None:
        self.connection, self.said, self.cpu_seconds, self.killed = self, list[str](), 0.0, False
        self.wait: Callable[[bool], None] | None = None
        self._answer, self._looks = answer, looks

    def send(self, header: dict[str, Any], blobs: object = ()) -> None:
        self.said.append(header["kind"])

    def receive(self) -> tuple[dict[str, Any], list[bytes]]:
        assert self.wait is not None
        for _ in range(self._looks):
            self.wait(False)
        return self._answer, []

    def kill(self) -> None:
        self.killed = True


def test_who_leaves_does_not_cost_a_worker_that_is_in_the_midst_of_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    now, cancel = [100.0], Cancel()
    monkeypatch.setattr("impasto.jobs.workers.call_runner.time.monotonic", lambda: now[0])
    process = Slow({"kind": "ended"}, looks=40)

    def poll(writable: bool, seconds: float) -> None:
        now[0] += 1
        process.cpu_seconds += 0.5
        cancel.cancelled = True

    call: WorkerCall[None] = WorkerCall({"kind": "paint"}, (), lambda _: None, 60, cancel=cancel)
    doing = CallRunner(call, process, 1, memory_limit=1, leave_at=lambda: float("inf"), poll=poll)  # type: ignore[arg-type]
    doing.run()
    with pytest.raises(Cancelled):
        call.future.result(0)
    assert process.said == ["paint", "cancel"]
    assert not process.killed
