"""``impasto stylize --engine iterative``, with the real engine on small pictures."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from impasto import stylizer as stylizer_module
from impasto.cli.main import cli
from impasto.picture import Picture
from impasto.picture.provenance import read_settings
from impasto.request import Progress, Request
from impasto.request import Result as Pastiche
from impasto.stylizer import Stylizer

pytest.importorskip("torch")
pytestmark = pytest.mark.torch

Watch = Callable[[Progress], None]


@pytest.fixture(scope="module")
def shared() -> Stylizer:
    return Stylizer()


@pytest.fixture(autouse=True)
def _album(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shared: Stylizer) -> Iterator[None]:
    monkeypatch.setenv("IMPASTO_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(stylizer_module, "Stylizer", lambda *_, **__: shared)
    for seed, name in enumerate(("a.jpg", "b.png", "sea.png", "hill.png")):
        spots = np.random.default_rng(seed).integers(0, 256, (4, 6, 3), np.uint8)
        Image.fromarray(spots).resize((48, 40), Image.Resampling.BICUBIC).save(name)
    # A test run in the background ignores interrupts.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    assert signal.signal(signal.SIGINT, before) is signal.default_int_handler


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch, shared: Stylizer) -> Callable[[Watch], None]:
    """Let something happen at every report of the engine, before anybody hears of it."""
    run = shared.run

    def watched(watch: Watch) -> None:
        def watching(request: Request, **more: Any) -> Generator[Progress, None, Pastiche]:
            steps = run(request, **more)
            progress = next(steps)
            while True:
                watch(progress)
                try:
                    yield progress
                except GeneratorExit:
                    steps.close()
                    raise
                except Exception as error:
                    try:
                        progress = steps.throw(error)
                    except StopIteration as end:
                        result: Pastiche = end.value
                        return result
                    continue
                try:
                    progress = next(steps)
                except StopIteration as end:
                    result = end.value
                    return result

        monkeypatch.setattr(shared, "run", watching)

    return watched


def impasto(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["stylize", *arguments])


def mask(name: str, left: bool) -> None:
    """White in its left half or its right."""
    pixels = np.zeros((40, 48), np.uint8)
    pixels[:, slice(0, 24) if left else slice(24, 48)] = 255
    Image.fromarray(pixels).save(name)


def lines(file: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(file).read_text().splitlines()]


def test_a_setting_of_its_own_selects_the_engine() -> None:
    result = impasto("a.jpg", "-s", "sea.png", "--steps", "2")
    assert (result.exit_code, result.stdout) == (0, "a.sea.jpg\n")
    assert re.match(r"a\.jpg: 48 x 40, 2 steps: about \d+ (s|min), 0\.1 GB\n", result.stderr)
    settings = read_settings("a.sea.jpg")
    assert settings is not None
    assert settings.pop("model") != ""
    assert settings == {"style": "sea", "engine": "iterative", "steps": 2}


def test_json_and_quiet_say_nothing_of_the_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("impasto.cli.stylize.reporter._EVERY", 0.0)
    result = impasto("a.jpg", "-s", "sea.png", "--steps", "2", "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    record = json.loads(result.stdout)
    assert (record["complete"], record["settings"]["steps"]) == (True, 2)
    quiet = impasto("b.png", "-s", "sea.png", "--steps", "2", "--quiet")
    assert (quiet.exit_code, quiet.output) == (0, "")


def test_steps_are_told_where_there_is_no_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("impasto.cli.stylize.reporter._EVERY", 0.0)
    result = impasto("a.jpg", "-s", "sea.png", "--steps", "2")
    told = result.stderr.splitlines()[1:]  # after the plan
    assert [line.split(", ")[0] for line in told] == ["step 1 of 2", "step 2 of 2"]
    assert told[1].split(", ")[1].startswith("total loss ")
    assert told[1].endswith(" s left")


def test_regions_have_styles_of_their_own() -> None:
    mask("sky.png", left=True)
    mask("land.png", left=False)
    result = impasto("a.jpg", "--regions", "sky.png=sea.png", "--regions", "land.png=hill.png", "--steps", "2")
    assert (result.exit_code, result.stdout) == (0, "a.sea+hill.jpg\n"), result.stderr
    shown = CliRunner().invoke(cli, ["show", "a.sea+hill.jpg"])
    assert "regions  sky: sea, land: hill\n" in shown.stdout
    rest = impasto("b.png", "--regions", "sky.png=sea.png", "-s", "hill.png", "--steps", "2")
    assert (rest.exit_code, rest.stdout) == (0, "b.hill+sea.png\n"), rest.stderr


def test_masks_of_one_name_are_two_regions() -> None:
    for folder, left in (("sky", True), ("land", False)):
        Path(folder).mkdir()
        mask(f"{folder}/mask.png", left)
    regions = ["--regions", "sky/mask.png=sea.png", "--regions", "land/mask.png=hill.png"]
    result = impasto("a.jpg", *regions, "--steps", "1", "--json")
    assert json.loads(result.stdout)["settings"]["regions"] == {"mask": "sea", "mask 2": "hill"}


def test_regions_without_a_style_cover_all() -> None:
    mask("sky.png", left=True)
    result = impasto("a.jpg", "--regions", "sky.png=sea.png", "--steps", "2")
    assert result.exit_code == 2
    assert "without a style; give a style for the rest" in result.stderr
    assert not Path("a.sea.jpg").exists()


def test_a_guide_and_an_initial_picture_reach_the_engine() -> None:
    mask("half.png", left=True)
    result = impasto(
        "a.jpg",
        "-s",
        "sea.png",
        "--guide",
        "half.png",
        "--initial",
        "b.png",
        "--steps",
        "0",
        "--skin",
        "free",
        "--json",
    )
    record = json.loads(result.stdout)
    assert (record["settings"]["guide"], record["settings"]["initial"]) == (True, True)
    # Without a step it stays what it began as.
    difference = Picture.open("a.sea.jpg").pixels.astype(int) - Picture.open("b.png").pixels.astype(int)
    assert np.abs(difference).mean() < 4


def test_a_trace_and_snapshots_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    result = impasto(
        "a.jpg", "-s", "sea.png", "--steps", "4", "--snapshots", "2", "--trace", "run.jsonl", "-o", "o.png"
    )
    assert result.exit_code == 0, result.stderr
    head, *rest = lines("run.jsonl")
    assert (head["photo"], head["settings"]) == ("a.jpg", {"style": "sea", "engine": "iterative", "steps": 4})
    assert [(line["step"], line.get("snapshot")) for line in rest] == [
        (1, None),
        (2, None),
        (2, "o.step-0002.png"),
        (3, None),
        (4, None),
        (4, "o.step-0004.png"),
    ]
    assert all(line["level"] == 0 and line["size"] == [48, 40] for line in rest if "loss" in line)
    assert head["model"] == (read_settings("o.png") or {})["model"]
    assert Picture.open("o.step-0002.png").size == (48, 40)
    assert (read_settings("o.step-0004.png") or {})["step"] == 4
    assert CliRunner().invoke(cli, ["plot", "run.jsonl"]).exit_code == 0


def test_snapshots_are_spread_over_all_levels() -> None:
    Image.open("a.jpg").resize((96, 64)).save("large.png")
    arguments = [
        "large.png",
        "-s",
        "sea.png",
        "--steps",
        "3",
        "--levels",
        "2",
        "--coarse-steps",
        "2",
        "--snapshots",
        "4",
    ]
    result = impasto(*arguments, "--trace", "t.jsonl", "-o", "new/o.png")
    assert result.exit_code == 0, result.stderr
    assert "large.png: 96 x 64, 9 steps: " in result.stderr
    assert sorted(p.name for p in Path("new").iterdir()) == [
        *("o.png", "o.step-0003.png", "o.step-0005.png", "o.step-0007.png", "o.step-0009.png")
    ]
    losses = [line for line in lines("t.jsonl") if "loss" in line]
    assert [(line["level"], line["size"][0]) for line in losses] == [(0, 48)] * 6 + [(1, 96)] * 3


def test_snapshots_overwrite_nothing() -> None:
    Path("o.step-0001.png").write_bytes(b"mine")
    arguments = ["a.jpg", "-s", "sea.png", "--steps", "1", "--snapshots", "9", "-o", "o.png"]
    result = impasto(*arguments)
    assert result.exit_code == 1
    assert "o.step-0001.png already exists; add --overwrite" in result.stderr
    assert Path("o.step-0001.png").read_bytes() == b"mine"
    assert impasto(*arguments, "--overwrite").exit_code == 0
    assert Picture.open("o.step-0001.png").size == (48, 40)


def test_a_run_without_steps_leaves_a_trace() -> None:
    result = impasto("a.jpg", "-s", "sea.png", "--strength", "0", "--trace", "t.jsonl", "--snapshots", "2")
    assert result.exit_code == 0, result.stderr
    assert [line["photo"] for line in lines("t.jsonl")] == ["a.jpg"]


def test_an_interrupt_keeps_the_best_so_far(watched: Callable[[Watch], None]) -> None:
    def interrupt(progress: Progress) -> None:
        if progress.step == 3:
            signal.raise_signal(signal.SIGINT)

    watched(interrupt)
    result = impasto("a.jpg", "b.png", "-s", "sea.png", "--steps", "9", "--json")
    assert result.exit_code == 130
    assert result.stderr.splitlines() == [
        "stopped at step 3 of 9: kept the best so far (again to discard)",
        "stopped: 1 of 2 pictures done",
    ]
    record = json.loads(result.stdout)
    assert (record["ok"], record["complete"], record["output"]) == (True, False, "a.sea.jpg")
    assert Picture.open("a.sea.jpg").size == (48, 40)
    assert not Path("b.sea.png").exists()


def test_a_second_interrupt_discards(watched: Callable[[Watch], None], monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(progress: Progress) -> None:
        if progress.step == 1:
            signal.raise_signal(signal.SIGINT)

    def again(*_: Any, **__: Any) -> None:
        signal.raise_signal(signal.SIGINT)

    watched(interrupt)
    monkeypatch.setattr(Pastiche, "save", again)
    result = impasto("a.jpg", "-s", "sea.png", "--steps", "9")
    assert (result.exit_code, result.stdout) == (130, "")
    assert result.stderr.splitlines()[-2:] == [
        "stopped at step 1 of 9: kept the best so far (again to discard)",
        "stopped: 0 of 1 picture done",
    ]
    assert not Path("a.sea.jpg").exists()


@pytest.mark.parametrize("stage", ["style", "plan"])
def test_an_interrupt_before_there_is_anything_discards(watched: Callable[[Watch], None], stage: str) -> None:
    def interrupt(progress: Progress) -> None:
        if progress.stage == stage:
            signal.raise_signal(signal.SIGINT)

    watched(interrupt)
    result = impasto("a.jpg", "-s", "sea.png", "--steps", "9", "-q")
    assert (result.exit_code, result.stdout) == (130, "")
    assert result.stderr == "stopped: 0 of 1 picture done\n"
    assert not Path("a.sea.jpg").exists()


def test_an_unfinished_picture_is_gone_on_with(watched: Callable[[Watch], None]) -> None:
    def terminate(progress: Progress) -> None:
        if progress.step == 2:
            signal.raise_signal(signal.SIGTERM)

    command = ["a.jpg", "-s", "sea.png", "--steps", "4", "--deterministic", "--trace", "t.jsonl", "--snapshots", "2"]
    before = signal.getsignal(signal.SIGTERM)
    watched(terminate)
    ended = impasto(*command, "--state", "run.state")
    assert (ended.exit_code, ended.stdout) == (128 + signal.SIGTERM, "")
    assert signal.getsignal(signal.SIGTERM) is before
    assert Path("run.state").exists()
    assert not Path("a.sea.jpg").exists()
    watched(lambda _: None)
    Path("a.sea.step-0002.png").unlink()
    resumed = impasto(*command, "--state", "run.state")
    assert resumed.exit_code == 0, resumed.stderr
    assert "going on at step 3\n" in resumed.stderr
    assert not Path("run.state").exists()
    assert [line["step"] for line in lines("t.jsonl") if "loss" in line] == [1, 2, 3, 4]
    assert Path("a.sea.step-0004.png").exists()
    whole = impasto("a.jpg", "-s", "sea.png", "--steps", "4", "--deterministic", "-o", "whole.jpg", "--state", "s")
    assert "going on" not in whole.stderr
    assert np.array_equal(Picture.open("whole.jpg").pixels, Picture.open("a.sea.jpg").pixels)


def test_a_state_of_another_run_is_told(watched: Callable[[Watch], None]) -> None:
    def interrupt(progress: Progress) -> None:
        if progress.step == 2:
            signal.raise_signal(signal.SIGINT)

    watched(interrupt)
    assert impasto("a.jpg", "-s", "sea.png", "--steps", "4", "--state", "run.state").exit_code == 130
    watched(lambda _: None)
    other = impasto("b.png", "-s", "sea.png", "--steps", "4", "--state", "run.state")
    assert other.exit_code == 2
    assert "run.state is the state of another run" in other.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["b.png", "--trace", "t.jsonl"], "--trace is for one photo, but there are 2"),
        (["b.png", "--state", "s"], "--state is for one photo"),
        (["b.png", "--snapshots", "3"], "--snapshots is for one photo"),
        (["-o", "-", "--snapshots", "3"], "--snapshots go beside the pastiche, which is not a file"),
        (["--trace", "a.sea.jpg"], "--trace is a.sea.jpg, but the pastiche is written there; choose another file"),
        (["--trace", "x", "--state", "./x"], "--state is ./x, but --trace is written there"),
        (["--state", "gone/s"], "--state is gone/s, in a folder that does not exist; create it first"),
        (["--engine", "instant", "--trace", "t"], "--trace is for the engine iterative, but --engine is instant"),
        (["--engine", "instant", "--steps", "3"], "--steps is for the engine iterative, but --engine is instant"),
        (["--regions", "gone.png=sea.png"], "there is no file gone.png"),
        (["--snapshots", "0"], "Invalid value for '--snapshots'"),
        (["--style-loss", "mrf"], "mrf is not a loss"),
    ],
)
def test_wrong_usage_exits_with_2(arguments: list[str], message: str) -> None:
    result = impasto("a.jpg", "-s", "sea.png", *arguments)
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.split())
    assert sorted(p.name for p in Path().iterdir() if p.is_file()) == ["a.jpg", "b.png", "hill.png", "sea.png"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--trace", "b.png"], "b.png exists and is not a trace"),
        (["--state", "b.png"], "b.png holds no state of a run"),
        (["--guide", "gone.png"], "gone.png"),
        (["--encoder", "nobodys"], "nobodys"),
    ],
)
def test_what_cannot_be_is_one_line(arguments: list[str], message: str) -> None:
    before = Path("b.png").read_bytes()
    result = impasto("a.jpg", "-s", "sea.png", "--steps", "1", *arguments)
    assert result.exit_code == 1
    (line,) = (line for line in result.stderr.splitlines() if not line.startswith("a.jpg: 48 x 40"))
    assert line.startswith("error: ")
    assert message in line
    assert Path("b.png").read_bytes() == before


def test_snapshots_are_taken_after_the_steps_that_are_listed() -> None:
    arguments = ["a.jpg", "-s", "sea.png", "--steps", "6", "-o", "new/o.png"]
    result = impasto(*arguments, "--snapshots", "5, 1,2,2", "--trace", "t.jsonl")
    assert result.exit_code == 0, result.stderr
    saved = [f"o.step-000{step}.png" for step in (1, 2, 5)]
    assert sorted(p.name for p in Path("new").iterdir()) == ["o.png", *saved]
    assert [Path(line["snapshot"]).name for line in lines("t.jsonl") if "snapshot" in line] == saved
    assert [(read_settings(f"new/{name}") or {})["step"] for name in saved] == [1, 2, 5]
    assert impasto(*arguments[:-1], "one/o.png", "--snapshots", "4,").exit_code == 0
    assert sorted(p.name for p in Path("one").iterdir()) == ["o.png", "o.step-0004.png"]


def test_a_snapshot_after_a_step_that_is_not_taken_is_refused() -> None:
    result = impasto("a.jpg", "-s", "sea.png", "--steps", "3", "--snapshots", "1,4", "-o", "o.png")
    assert result.exit_code != 0
    assert "snapshots asks for step 4, but there are 3 steps" in result.stderr
    assert not Path("o.png").exists()
    for text in ("0,1", "1;2", "", ",", "-1,2", "1.5"):
        assert impasto("a.jpg", "-s", "sea.png", "--snapshots", text, "-o", "o.png").exit_code == 2


def test_the_total_loss_is_told_as_the_trace_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("impasto.cli.stylize.reporter._EVERY", 0.0)
    result = impasto("a.jpg", "-s", "sea.png", "--steps", "2", "--trace", "t.jsonl")
    totals = [line["loss"] for line in lines("t.jsonl") if "loss" in line]
    assert [f"total loss {loss:.3g}" in result.stderr for loss in totals] == [True, True]
    assert totals[0] == pytest.approx(sum(next(x for x in lines("t.jsonl") if "terms" in x)["terms"].values()))
