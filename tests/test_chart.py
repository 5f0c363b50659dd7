"""The chart of traces: the curves are where they must be, and nothing a trace holds stops it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageColor

from impasto.errors import RequestError
from impasto.picture.picture import Pixels
from impasto.plots import Snapshot, Trace, TraceStep
from impasto.plots.axis import LogAxis, LogTick, StepAxis
from impasto.plots.elapsed_time import Clock
from impasto.plots.loss_chart import COLORS, draw
from impasto.plots.run_panel import TOTAL, WIDTH, Panel
from impasto.plots.snapshot_strip import Strip


def trace(
    count: int,
    terms: Callable[[int], Mapping[str, float]],
    *,
    photo: str = "harbour.jpg",
    snapshots: tuple[Snapshot, ...] = (),
    **settings: object,
) -> Trace:
    steps = tuple(
        TraceStep(n, 3 * n // (count + 1), (64 << 3 * n // (count + 1), 48), n / 3, sum(terms(n).values()), terms(n))
        for n in range(1, count + 1)
    )
    return Trace(Path("run.jsonl"), photo, "pocket@2", settings, steps, snapshots)


def panel(run: Trace) -> tuple[Panel, Pixels]:
    """As :func:`draw` makes it of one run."""
    colors = dict(zip(run.terms, COLORS, strict=False))
    made = Panel(run, StepAxis.around(step.step for step in run.steps), colors)
    return made, made.draw()


def shows(pixels: Pixels, at: tuple[float, float] | None, color: str) -> bool:
    """Whether ``color`` is within two pixels of ``at``."""
    assert at is not None
    x, y = round(at[0]), round(at[1])
    near = pixels[y - 2 : y + 3, x - 2 : x + 3].astype(int)
    return bool((np.abs(near - ImageColor.getrgb(color)[:3]).max(axis=2) < 30).any())


def falling(n: int) -> dict[str, float]:
    return {"content": 0.05 + n / 1000, "gram": 10 / n, "moments": 3 * 0.97**n}


# curves


def test_every_curve_is_where_its_numbers_are() -> None:
    run = trace(100, falling)
    made, pixels = panel(run)
    for step in run.steps[::7]:
        assert shows(pixels, made.at(step.step, step.loss), TOTAL)
    # A curve may be under one that came later; the last never is.
    hits = {
        name: sum(shows(pixels, made.at(s.step, s.terms[name]), COLORS[i]) for s in run.steps)
        for i, name in enumerate(run.terms)
    }
    assert hits["moments"] == 100
    assert min(hits.values()) > 85
    assert pixels.tobytes() == draw([run]).pixels.tobytes()


def test_no_curve_is_where_there_are_no_numbers() -> None:
    made, pixels = panel(trace(100, lambda n: {"gram": 1.0 if n < 50 else math.nan}))
    assert shows(pixels, made.at(20, 1.0), COLORS[0])
    assert not shows(pixels, made.at(70, 1.0), COLORS[0])
    assert made.notes == ["left out: 51 steps with a loss that is NaN or infinite"]


def test_a_single_term_is_seen_upon_the_total() -> None:
    made, pixels = panel(trace(60, lambda n: {"gram": 1 / n}))
    assert all(shows(pixels, made.at(n, 1 / n), color) for n in (2, 15, 40) for color in (TOTAL, COLORS[0]))


def test_a_single_step_is_a_dot() -> None:
    made, pixels = panel(trace(1, lambda _: {"gram": 0.1}))
    assert shows(pixels, made.at(1, 0.1), COLORS[0])


def test_a_smaller_loss_lies_lower_by_its_ratio() -> None:
    made, _ = panel(trace(50, lambda n: {"gram": 10.0 ** (-n / 10)}))
    heights = [point[1] for value in (1e-1, 1e-2, 1e-3) if (point := made.at(1, value))]
    assert heights[1] - heights[0] == pytest.approx(heights[2] - heights[1])
    assert heights[1] > heights[0]


@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf, -math.inf])
def test_what_a_logarithmic_axis_cannot_show_is_left_out_and_told(value: float) -> None:
    made, pixels = panel(trace(9, lambda n: {"gram": value if n == 4 else 1.0, "content": 2.0}))
    assert made.at(4, value) is None
    assert shows(pixels, made.at(8, 1.0), COLORS[0])
    expected = "NaN or infinite" if not math.isfinite(value) else "ends above zero: gram (1 step)"
    assert len(made.notes) == 1
    assert expected in made.notes[0]


@pytest.mark.parametrize("value", [0.0, -5.0, math.nan])
def test_nothing_to_draw_is_drawn(value: float) -> None:
    assert draw([trace(5, lambda _: {"gram": value})]).width == WIDTH
    assert draw([trace(0, falling)]).width == WIDTH


@pytest.mark.parametrize(
    "terms",
    [
        lambda n: {"a": 10.0 ** (12 - n), "b": 1e-9},
        lambda n: {"a": 1e300, "b": 5e-324},
        lambda n: {f"term {i}": 0.1 + i for i in range(40)},
        lambda n: {"x" * 500: 1.0, "\n\x1b\ud800あ": 2.0, "": 3.0},
        lambda n: {},
        lambda n: {"a": 1.0} if n % 2 else {"b": 1.0},
    ],
)
def test_odd_traces_are_drawn(terms: Callable[[int], Mapping[str, float]]) -> None:
    picture = draw([trace(30, terms, photo="\ud800\n" + "long " * 2000)])
    assert (np.asarray(picture.pixels) < 100).any()


def test_very_many_steps_look_like_their_envelope() -> None:
    made, pixels = panel(trace(20_000, lambda n: {"gram": 2.0 if n == 10_000 else 1.0}))
    assert shows(pixels, made.at(10_000, 2.0), COLORS[0])
    assert shows(pixels, made.at(3_000, 1.0), COLORS[0])


# several


def test_several_runs_lie_below_each_other_over_the_same_steps() -> None:
    runs = [trace(count, falling) for count in (20, 100, 50)]
    alone, together = draw(runs[:1]), draw(runs)
    assert together.size == (WIDTH, 3 * alone.height)
    # The run of 20 steps ends where a fifth of the width is used.
    steps = StepAxis.around(range(1, 101))
    made = Panel(runs[0], steps, dict(zip(runs[0].terms, COLORS, strict=False)))
    assert shows(together.pixels, made.at(20, runs[0].steps[-1].loss), TOTAL)
    assert not shows(together.pixels, made.at(22, runs[0].steps[-1].loss), TOTAL)


def test_a_term_has_one_colour_in_every_run() -> None:
    runs = [trace(9, lambda n: {"a": 1.0, "b": 5.0}), trace(9, lambda n: {"b": 5.0})]
    found = draw(runs).pixels
    made = Panel(runs[1], StepAxis.around(range(1, 10)), {"b": COLORS[1]})
    x, y = made.at(8, 5.0) or (0, 0)
    assert shows(found, (x, y + len(found) // 2), COLORS[1])


def test_settings_that_differ_tell_runs_apart() -> None:
    same = [trace(5, falling, size=512, strength=s) for s in (1, 1)]
    other = [trace(5, falling, size=512, strength=s) for s in (1, 2)]
    one, two = (draw(runs).pixels.reshape(2, -1) for runs in (same, other))
    assert (one[0] == one[1]).all()
    assert (two[0] != two[1]).any()


def test_no_runs_are_too_few_and_a_hundred_too_many() -> None:
    with pytest.raises(RequestError, match="0 traces"):
        draw([])
    with pytest.raises(RequestError, match=r"99 traces make [0-9]+ rows"):
        draw([trace(1, falling)] * 99)


# snapshots


def painted(folder: Path, count: int) -> tuple[Snapshot, ...]:
    for number in range(count):
        Image.new("RGB", (60, 40), (0, 200, number * 10)).save(folder / f"{number}.png")
    return tuple(Snapshot(number, folder / f"{number}.png") for number in range(count))


def test_up_to_eight_snapshots_are_shown_the_first_and_the_last_among_them(tmp_path: Path) -> None:
    shots = painted(tmp_path, 20)
    plain = draw([trace(20, falling)]).height
    pixels = draw([trace(20, falling, snapshots=shots)]).pixels
    assert len(pixels) > plain
    seen = {int(blue) for blue in range(0, 200, 10) if (pixels == (0, 200, blue)).all(axis=2).sum() > 5000}
    assert len(seen) == 8
    assert {0, 190} <= seen


def test_snapshots_that_are_gone_or_broken_are_left_out_and_told(tmp_path: Path) -> None:
    shots = painted(tmp_path, 5)
    (tmp_path / "1.png").unlink()
    (tmp_path / "2.png").unlink()
    (tmp_path / "3.png").write_bytes(b"no picture")
    strip = Strip(shots, 1400)
    assert strip.notes == ["left out: 2 snapshots, missing", "left out: 1 snapshot, not readable"]
    assert strip.height > 0
    nothing = Strip([Snapshot(1, tmp_path), Snapshot(2, tmp_path / "nul\0"), Snapshot(3, tmp_path / ("x" * 999))], 1400)
    assert (nothing.height, nothing.notes) == (0, ["left out: 3 snapshots, missing"])


def test_snapshots_of_any_shape_and_with_alpha_are_shown(tmp_path: Path) -> None:
    for number, size in enumerate([(1, 900), (900, 1), (7, 7)]):
        Image.new("RGBA", size, (255, 0, 0, 128)).save(tmp_path / f"{number}.png")
    draw([trace(5, falling, snapshots=tuple(Snapshot(n, tmp_path / f"{n}.png") for n in range(3)))])


# axes


def test_ticks_are_one_two_five_until_there_is_no_room() -> None:
    axis = LogAxis.around([0.02, 5])
    assert axis is not None
    assert [tick.plain for tick in axis.ticks()] == ["0.02", "0.05", "0.1", "0.2", "0.5", "1", "2", "5"]
    wide = LogAxis.around([1e-9, 1e12])
    assert wide is not None
    assert {tick.mantissa for tick in wide.ticks()} == {1}
    assert len({b.exponent - a.exponent for a, b in zip(wide.ticks(), wide.ticks()[1:], strict=False)}) == 1
    assert (LogTick(2, 3).plain, LogTick(5, -3).plain, LogTick(1, 9).plain) == ("2,000", "0.005", None)


@given(st.lists(st.floats(), max_size=5))
def test_a_logarithmic_axis_holds_its_values_with_some_ticks(values: list[float]) -> None:
    axis = LogAxis.around(values)
    good = [value for value in values if 0 < value < math.inf]
    assert (axis is None) == (not good)
    if axis is not None:
        assert all(0 <= axis.share(value) <= 1 for value in good)
        assert 2 <= len(axis.ticks()) <= 13
        assert all(0 <= axis.share_of_power(tick.power) <= 1 for tick in axis.ticks() + axis.between())


@given(st.lists(st.integers(0, 2**53), max_size=5))
def test_an_axis_of_steps_holds_them_with_some_ticks(steps: list[int]) -> None:
    axis = StepAxis.around(steps)
    assert all(0 <= axis.share(step) <= 1 for step in steps)
    assert 1 <= len(axis.ticks()) <= 10
    assert all(axis.low <= tick <= axis.high for tick in axis.ticks())


@given(st.lists(st.floats(0, 1e9), max_size=9))
def test_a_clock_never_goes_back(seconds: list[float]) -> None:
    steps = [TraceStep(n, 0, (1, 1), spent, 1.0, {}) for n, spent in enumerate(seconds, 1)]
    clock = Clock.of(steps)
    assert list(clock.seconds) == sorted(clock.seconds)
    assert all(0 <= step <= len(seconds) for step, _ in clock.ticks())
    assert len(clock.ticks()) <= 8


def test_a_clock_tells_round_times_at_the_steps_they_belong_to() -> None:
    def clock(*seconds: float) -> Clock:
        return Clock.of([TraceStep(n, 0, (1, 1), spent, 1.0, {}) for n, spent in enumerate(seconds, 1)])

    assert clock(1, 2, 3, 4, 5, 6).ticks() == [(n, f"{n} s") for n in range(7)]
    assert Clock.of([TraceStep(n, 0, (1, 1), n, 1.0, {}) for n in (50, 51, 52)]).ticks()[0] == (50, "50 s")
    assert clock(60, 240).ticks()[-1] == (2, "4 min")
    assert clock(5, 10, 5, 10).seconds == (5, 10, 15, 20)
    assert [clock(spent).total for spent in (0.5, 59, 61, 7199)] == ["0.5 s", "59 s", "1 min 1 s", "2 h 0 min"]
