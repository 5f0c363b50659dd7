"""Traces: what is written is read again, whatever became of the run and of the file."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from impasto.errors import OutputError, OutputExists, RequestError
from impasto.plots import Snapshot, Trace, TraceStep, TraceWriter

HEAD = '{"impasto_trace": 1, "photo": "harbour.jpg", "model": "pocket@2", "settings": {"size": 512}}'


def line(number: int, loss: object = 0.5, **more: object) -> str:
    record = {
        "step": number,
        "level": 0,
        "size": [64, 48],
        "seconds": number / 2,
        "loss": loss,
        "terms": {"gram": loss},
    }
    return json.dumps(record | more)


def read(folder: Path, *lines: str, end: str = "\n") -> Trace:
    path = folder / "run.jsonl"
    path.write_text("\n".join(lines) + end)
    return Trace.read(path)


def numbers(trace: Trace) -> list[int]:
    return [step.step for step in trace.steps]


def write(path: Path, *numbers: int, loss: float = 0.5) -> None:
    with TraceWriter(path) as trace:
        trace.begin("harbour.jpg", "pocket@2", {"size": 512})
        for number in numbers:
            trace.step(number, level=0, size=(64, 48), seconds=number, loss=loss, terms={"gram": loss})


WHOLE = st.integers(0, 10**6)
STEPS = st.builds(
    TraceStep,
    step=WHOLE,
    level=st.integers(0, 9),
    size=st.tuples(st.integers(1, 9999), st.integers(1, 9999)),
    seconds=st.integers(0, 10**7).map(lambda ms: ms / 1000),
    loss=st.floats(allow_nan=False, allow_infinity=False),
    terms=st.dictionaries(st.text(max_size=9), st.floats(allow_nan=False, allow_infinity=False), max_size=4),
)


@given(
    photo=st.text(),
    settings_=st.dictionaries(st.text(max_size=5), st.none() | st.integers(-9, 9) | st.text(), max_size=3),
    steps=st.lists(STEPS, max_size=6, unique_by=lambda step: step.step),
    shots=st.lists(WHOLE, max_size=3, unique=True),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
def test_what_is_written_is_read(
    tmp_path: Path, photo: str, settings_: dict[str, Any], steps: list[TraceStep], shots: list[int]
) -> None:
    path = tmp_path / "run.jsonl"
    path.unlink(missing_ok=True)
    steps.sort(key=lambda step: step.step)
    with TraceWriter(path) as writer:
        writer.begin(photo, "pocket@2", settings_)
        for step in steps:
            writer.step(
                step.step, level=step.level, size=step.size, seconds=step.seconds, loss=step.loss, terms=step.terms
            )
        for shot in shots:
            writer.snapshot(shot, tmp_path / f"{shot}.png")
    found = Trace.read(path)
    assert (found.photo, found.model, found.settings) == (photo, "pocket@2", settings_)
    assert found.steps == tuple(steps)
    assert found.snapshots == tuple(Snapshot(shot, tmp_path / f"{shot}.png") for shot in sorted(shots))


def test_every_line_is_there_at_once(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    with TraceWriter(path) as writer:
        for number in range(3):
            if number == 0:
                writer.begin("a.jpg", "pocket@2", {"folder": tmp_path})
            else:
                writer.step(number, level=0, size=(1, 1), seconds=0, loss=1, terms={})
            assert path.read_text().count("\n") == number + 1
    assert Trace.read(path).settings == {"folder": str(tmp_path)}


def test_snapshots_are_found_when_the_folder_has_moved(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    with TraceWriter(here / "run.jsonl") as writer:
        writer.begin("a.jpg", "pocket@2", {})
        writer.snapshot(1, here / "shots" / "1.png")
        writer.snapshot(2, tmp_path / "elsewhere.png")
    here.rename(there)
    expected = (Snapshot(1, there / "shots" / "1.png"), Snapshot(2, tmp_path / "elsewhere.png"))
    assert Trace.read(there / "run.jsonl").snapshots == expected


@pytest.mark.parametrize("loss", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_written_as_json_and_read_as_not_finite(tmp_path: Path, loss: float) -> None:
    path = tmp_path / "run.jsonl"
    write(path, 1, loss=loss)

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    for text in path.read_text().splitlines():
        json.loads(text, parse_constant=refuse)
    (step,) = Trace.read(path).steps
    assert math.isnan(step.loss)
    assert not step.is_finite
    assert [s.is_finite for s in read(tmp_path, HEAD, line(1), line(2, loss)).steps] == [True, False]


@pytest.mark.parametrize("keep", range(1, len(line(3))))
def test_a_last_line_that_is_torn_is_left_out_and_cut_off_before_the_next(tmp_path: Path, keep: int) -> None:
    assert numbers(read(tmp_path, HEAD, line(1), line(2), line(3)[:keep], end="")) == [1, 2]
    write(tmp_path / "run.jsonl", 3)
    assert numbers(Trace.read(tmp_path / "run.jsonl")) == [1, 2, 3]
    assert (tmp_path / "run.jsonl").read_text().splitlines()[:3] == [HEAD, line(1), line(2)]


def test_a_last_line_that_only_lacks_its_end_is_kept(tmp_path: Path) -> None:
    assert numbers(read(tmp_path, HEAD, line(1), line(2), end="")) == [1, 2]
    write(tmp_path / "run.jsonl", 3)
    assert numbers(Trace.read(tmp_path / "run.jsonl")) == [1, 2, 3]


@pytest.mark.parametrize("tail", [b"\0\0\0\0", b'{"photo": "gr\xc3'])
def test_a_torn_end_may_be_no_text(tmp_path: Path, tail: bytes) -> None:
    path = tmp_path / "run.jsonl"
    path.write_bytes(f"{HEAD}\n{line(1)}\n".encode() + tail)
    assert numbers(Trace.read(path)) == [1]
    write(path, 2)
    assert numbers(Trace.read(path)) == [1, 2]


@pytest.mark.parametrize("keep", [1, 10, len(HEAD) - 1])
def test_a_torn_beginning_is_begun_again(tmp_path: Path, keep: int) -> None:
    path = tmp_path / "run.jsonl"
    path.write_text(HEAD[:keep])
    with pytest.raises(RequestError, match=r"run\.jsonl is not a trace: it is empty"):
        Trace.read(path)
    write(path, 1)
    assert numbers(Trace.read(path)) == [1]


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ('{"step": 2, "lev', "it is not JSON"),
        ("[1]", r"it is \[1\], where an object is needed"),
        ("[" * 100_000, "it is not JSON"),
        ("{}", "step is None, where a whole number"),
        (line(2, level=-1), "level is -1, where a whole number"),
        (line(2, step=True), "step is True, where a whole number"),
        (line(2, step=2**60), "step is 1152921504606846976, where"),
        (line(2, size=[64]), r"size is \[64\], where \[width, height\]"),
        (line(2, size=[64, 0]), "size is "),
        (line(2, seconds=-1), "seconds is -1"),
        (line(2, seconds=math.nan), "seconds is nan"),
        (line(2, loss="low"), "loss is 'low', where a number"),
        (line(2, loss=10**400), "loss is 1000"),
        (line(2, terms=[1]), r"terms are \[1\]"),
        (line(2, terms={"gram": {}}), "gram is {}, where a number"),
        ('{"step": 2, "snapshot": 5}', "snapshot is 5, where a text"),
        ('{"snapshot": "a.png"}', "step is None"),
        ('{"impasto_trace": 1, "photo": 3, "model": "m", "settings": {}}', "photo is 3"),
        ('{"impasto_trace": 1, "photo": "p", "model": "m"}', "settings are None"),
    ],
    ids=lambda text: text[-24:],
)
def test_a_broken_line_elsewhere_is_named(tmp_path: Path, broken: str, message: str) -> None:
    with pytest.raises(RequestError, match=rf"run\.jsonl is broken in line 3: {message}.*; remove it") as caught:
        read(tmp_path, HEAD, line(1), broken, line(3))
    assert len(str(caught.value)) < 500


def test_a_whole_last_line_is_no_excuse(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="line 3: loss is 'low'"):
        read(tmp_path, HEAD, line(1), line(2, loss="low"))


def test_what_is_no_trace_is_told(tmp_path: Path) -> None:
    for first in ("a,b,c", line(1), "{}", "7"):
        with pytest.raises(RequestError, match="is not a trace: its first line has no impasto_trace"):
            read(tmp_path, first, line(2))
    with pytest.raises(RequestError, match="is not a trace: it is empty"):
        read(tmp_path, "", "", "")
    with pytest.raises(RequestError, match="a trace of version 2, but this Impasto reads 1; update it"):
        read(tmp_path, HEAD.replace("1", "2", 1))
    with pytest.raises(RequestError, match=r"gone\.jsonl cannot be read: No such file"):
        Trace.read(tmp_path / "gone.jsonl")
    with pytest.raises(RequestError, match="cannot be read: Is a directory"):
        Trace.read(tmp_path)
    with pytest.raises(RequestError, match="cannot be read: "):
        Trace.read("nul\0")


@given(st.binary(max_size=200))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100)
def test_no_bytes_raise_anything_else(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "run.jsonl"
    for start in (b"", f"{HEAD}\n".encode()):
        path.write_bytes(start + data)
        try:
            Trace.read(path)
        except RequestError as error:
            assert "run.jsonl" in str(error)  # noqa: PT017 - either is right


# resumed


def test_a_resumed_run_goes_on_and_its_steps_win(tmp_path: Path) -> None:
    again = HEAD.replace("512", "256")
    trace = read(tmp_path, HEAD, line(1, 0.9), line(2, 0.8), again, line(2, 0.7), line(3, 0.6))
    assert [(step.step, step.loss) for step in trace.steps] == [(1, 0.9), (2, 0.7), (3, 0.6)]
    assert trace.settings == {"size": 256}


def test_a_step_that_comes_twice_without_a_header_is_the_later_one(tmp_path: Path) -> None:
    trace = read(tmp_path, HEAD, line(1, 0.9), line(2, 0.8), line(1, 0.7))
    assert [(step.step, step.loss) for step in trace.steps] == [(1, 0.7), (2, 0.8)]


def test_what_a_resumed_run_gave_up_is_forgotten(tmp_path: Path) -> None:
    def shot(n: int, name: str) -> str:
        return json.dumps({"step": n, "snapshot": name})

    before = (HEAD, line(1), shot(1, "a"), line(2), line(3), shot(3, "b"), line(4), shot(4, "c"))
    trace = read(tmp_path, *before, HEAD, shot(2, "d"), line(3))
    assert numbers(trace) == [1, 2, 3]
    assert trace.snapshots == (Snapshot(1, tmp_path / "a"), Snapshot(2, tmp_path / "d"))
    assert numbers(read(tmp_path, *before, HEAD)) == [1, 2, 3, 4]


def test_the_writer_goes_on_in_the_same_file(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    write(path, 1, 2)
    before = path.read_bytes()
    write(path, 3)
    assert path.read_bytes().startswith(before)
    assert path.read_text().count("impasto_trace") == 2
    assert numbers(Trace.read(path)) == [1, 2, 3]


# what the disk refuses


def test_no_other_file_is_added_to(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("my notes")
    with (
        pytest.raises(OutputExists, match=r"notes\.txt exists and is not a trace; choose"),
        TraceWriter(path),
    ):
        pass
    assert path.read_text() == "my notes"


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    message = r"run\.jsonl cannot be written: the folder does not exist; create it first"
    with pytest.raises(OutputError, match=message), TraceWriter(tmp_path / "gone" / "run.jsonl"):
        pass
    with pytest.raises(OutputError, match="cannot be written: Is a directory"), TraceWriter(tmp_path):
        pass


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
def test_a_full_disk_is_told() -> None:
    with TraceWriter("/dev/full") as writer, pytest.raises(OutputError, match="/dev/full cannot be written: No space"):
        writer.begin("a.jpg", "pocket@2", {})


def test_a_step_without_a_header_is_a_mistake(tmp_path: Path) -> None:
    with TraceWriter(tmp_path / "run.jsonl") as writer, pytest.raises(RuntimeError, match=r"call begin\(\) first"):
        writer.snapshot(1, "a.png")
    with pytest.raises(RuntimeError, match="not open"):
        TraceWriter(tmp_path / "run.jsonl").begin("a.jpg", "pocket@2", {})
