"""Runs of the engine ``iterative`` that are ended, closed or killed, and go on."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from painting import Stuck, asked, assert_same, drained, painted

from impasto.errors import OutputError, RequestError
from impasto.inference.machine import describe
from impasto.iterative import engine as engine_module
from impasto.iterative.engine import IterativeEngine
from impasto.iterative.objective_builder import ObjectiveBuilder
from impasto.request import Enough, Result


@pytest.fixture(scope="module")
def engine() -> IterativeEngine:
    return IterativeEngine()


def test_who_has_enough_gets_the_best_so_far(engine: IterativeEngine, tmp_path: Path) -> None:
    state = tmp_path / "run.state"
    steps = engine.run(asked(steps=20), state=state)
    while next(steps).step != 3:
        pass
    with pytest.raises(StopIteration) as end:
        steps.throw(Enough())
    early: Result = end.value.value
    assert not early.complete
    assert_same(early, engine.finish(asked(steps=3)))
    # It may go on later.
    reports, result = drained(engine.run(asked(steps=20), state=state))
    assert painted(reports)[0].step == 4
    assert result.complete
    assert_same(result, engine.finish(asked(steps=20)))
    assert not state.exists()


def test_enough_at_a_coarse_level_gives_the_whole_size_and_before_any_step_what_it_began_with(
    engine: IterativeEngine,
) -> None:
    request = asked(64, 64, steps=5, levels=2, preview_every=1)
    steps = engine.run(request)
    while (report := next(steps)).preview is None:
        pass
    assert report.step == 0
    with pytest.raises(StopIteration) as end:
        steps.throw(Enough())
    assert end.value.value.pastiche.size == (64, 64)
    assert not end.value.value.complete
    small = request.content.resized((32, 32)).resized((64, 64))
    assert np.array_equal(end.value.value.pastiche.pixels, small.pixels)
    steps = engine.run(request)
    next(steps)
    with pytest.raises(Enough):
        steps.throw(Enough())


@pytest.mark.parametrize(
    "settings",
    [
        {"optimiser": "lbfgs", "steps": 8},
        {"optimiser": "adam", "steps": 8},
        {"optimiser": "scipy", "steps": 1},
        {"optimiser": "torch", "steps": 8},
        {"optimiser": "lbfgs", "steps": 8, "average": 0.9},
        # Ten steps make a difference to see whether the loss is flat.
        {"optimiser": "adam", "steps": 20, "flat": 0.5},
    ],
    ids=str,
)
def test_a_closed_run_goes_on_to_the_same_pixels(
    engine: IterativeEngine, tmp_path: Path, settings: dict[str, Any]
) -> None:
    request = asked(64, 64, levels=2, bits=16, **settings)
    whole, expected = drained(engine.run(request))
    sequence = [(report.step, dict(report.losses)) for report in painted(whole)]
    total = len(sequence)
    for closed in sorted({1, max(1, total // 3), total - 1}):
        state = tmp_path / f"{closed}.state"
        steps = engine.run(request, state=state, save_every=1e9)
        before: list[tuple[int | None, dict[str, float]]] = []
        while len(before) < closed:
            report = next(steps)
            before += [(report.step, dict(report.losses))] if report.losses else []
        assert not state.exists()
        steps.close()
        assert state.exists()
        reports, result = drained(engine.run(request, state=state))
        assert before + [(report.step, dict(report.losses)) for report in painted(reports)] == sequence
        assert_same(result, expected)
        assert not state.exists()


def test_a_run_that_stalled_goes_on_to_the_same_pixels(
    engine: IterativeEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_module, "make_optimiser", lambda *_: Stuck())
    request, state = asked(steps=9), tmp_path / "run.state"
    whole, expected = drained(engine.run(request))
    assert len(painted(whole)) == 2, "two stalls are the end of a level"
    steps = engine.run(request, state=state)
    while next(steps).step != 1:
        pass
    steps.close()
    reports, result = drained(engine.run(request, state=state))
    assert [report.step for report in painted(reports)] == [2]
    assert_same(result, expected)


def test_a_deterministic_run_keeps_its_tiles_however_much_memory_is_free_later(
    engine: IterativeEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request, state = asked(520, 200, steps=2, levels=1, bits=16), tmp_path / "run.state"
    machine = describe()
    needed = next(report.memory for report in engine.run(request) if report.memory)

    def cut(share: float) -> tuple[list[int], Result]:
        """Closed after a step with plenty of memory, then gone on with that share of what it needs."""
        steps = engine.run(request, state=state)
        while next(steps).step != 1:
            pass
        steps.close()
        tiles = []

        def spied(*given: Any) -> Any:
            tiles.append(given[-1])
            return ObjectiveBuilder(*given)

        with monkeypatch.context() as patch:
            patch.setattr(engine_module, "describe", lambda: replace(machine, memory_free=int(share * needed / 0.8)))
            patch.setattr(engine_module, "ObjectiveBuilder", spied)
            _, result = drained(engine.run(request, state=state))
        return tiles, result

    expected = engine.finish(request)
    tiles, result = cut(0.97)
    assert tiles == [None]
    assert_same(result, expected)
    request = replace(request, deterministic=False, precision="f32")
    tiles, result = cut(0.97)
    assert tiles == [256]
    assert np.abs(result.pastiche.pixels.astype(int) - expected.pastiche.pixels).mean() < 10


WORKER = '''
import json, os, random, signal, sys, time
from pathlib import Path
import numpy as np
sys.path.insert(0, sys.argv[2])
from painting import asked
from impasto.iterative.engine import IterativeEngine

folder, seed = Path(sys.argv[1]), int(sys.argv[3])
engine, request = IterativeEngine(), asked(64, 64, steps=12, levels=2, coarse_steps=1.0, bits=16)
reader, writer = os.pipe()


def life(name, state):
    """A process of its own that paints, and sends a byte with every step."""
    pid = os.fork()
    if pid:
        return pid
    reports, steps = [], engine.run(request, state=state, save_every=0)
    while True:
        try:
            report = next(steps)
        except StopIteration as end:
            np.savez(folder / name, pixels=end.value.pastiche.pixels, steps=reports)
            os._exit(0)
        if report.losses:
            reports.append(report.step)
            os.write(writer, bytes([report.step]))


def ended(pid):
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


assert ended(life("whole", None)) == 0
whole = os.read(reader, 1000)
assert list(whole) == list(range(1, 25)), list(whole)
chance, lives = random.Random(seed), []
# Far enough from the end that a quick machine is not done before it is killed.
points = sorted(chance.sample(range(1, 18), 5))
for point in points:
    pid, seen = life("killed", folder / "run.state"), b""
    while not seen or seen[-1] < point:
        seen += os.read(reader, 1)
    # Anywhere in the step that follows, its writing included.
    time.sleep(chance.uniform(0, 0.005))
    os.kill(pid, signal.SIGKILL)
    assert ended(pid) == -signal.SIGKILL
    os.set_blocking(reader, False)
    try:
        seen += os.read(reader, 1000)
    except BlockingIOError:
        pass
    os.set_blocking(reader, True)
    lives.append(list(seen))
assert ended(life("resumed", folder / "run.state")) == 0
lives.append(list(os.read(reader, 1000)))
print(json.dumps({"points": points, "lives": lives, "left": sorted(x.name for x in folder.iterdir())}))
'''


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_run_killed_five_times_ends_in_the_same_pixels(tmp_path: Path) -> None:
    seed = random.SystemRandom().randrange(10**6)
    (tmp_path / "worker.py").write_text(WORKER)
    (tmp_path / "out").mkdir()
    paths = (tmp_path / "worker.py", tmp_path / "out", Path(__file__).parent)
    command = [sys.executable, *map(str, paths), str(seed)]
    # One thread: others would not be there after a fork.
    alone = {**os.environ, "OMP_NUM_THREADS": "1"}
    found = subprocess.run(command, capture_output=True, text=True, timeout=600, env=alone)
    assert found.returncode == 0, f"seed {seed}: {found.stderr}"
    told = json.loads(found.stdout)
    lives = told["lives"]
    assert len(lives) == 6
    # Each took up at the step after the last one saved, which may be one that could not be told any more.
    for before, after in pairwise(lives):
        assert before[-1] < after[0] <= before[-1] + 2, f"seed {seed}: {told}"
        assert after == list(range(after[0], after[-1] + 1))
    assert lives[-1][-1] == 24
    assert lives[-1][0] > 1
    whole, resumed = (np.load(tmp_path / "out" / f"{name}.npz") for name in ("whole", "resumed"))
    assert np.array_equal(whole["pixels"], resumed["pixels"]), f"seed {seed}: {told}"
    assert [name for name in told["left"] if name.endswith(".state")] == []


def test_closing_before_the_first_step_saves_nothing_and_a_full_disk_is_told(
    engine: IterativeEngine, tmp_path: Path
) -> None:
    steps = engine.run(asked(), state=tmp_path / "run.state")
    next(steps)
    next(steps)
    steps.close()
    assert not (tmp_path / "run.state").exists()
    with pytest.raises(OutputError, match=r"the folder .*nowhere does not exist"):
        drained(engine.run(asked(), state=tmp_path / "nowhere" / "run.state", save_every=0))


def test_another_runs_state_is_refused(engine: IterativeEngine, tmp_path: Path) -> None:
    state = tmp_path / "run.state"
    steps = engine.run(asked(), state=state, save_every=0)
    while not next(steps).losses:
        pass
    steps.close()
    with pytest.raises(RequestError, match="is the state of another run"):
        drained(engine.run(asked(seed=1), state=state))
    state.write_bytes(b"nothing")
    with pytest.raises(OutputError, match="holds no state of a run"):
        drained(engine.run(asked(), state=state))
    assert state.read_bytes() == b"nothing"
