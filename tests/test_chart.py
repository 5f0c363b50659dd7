"""The chart of traces: the curves show their numbers, and nothing a trace holds stops it."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageColor

from impasto.errors import MissingExtra, RequestError
from impasto.picture.raster import Pixels
from impasto.plots import Snapshot, Trace, TraceStep
from impasto.plots.loss_chart import COLORS, draw, elapsed_seconds


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


def dots(pixels: Pixels, color: str) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
    """Rows and columns of all pixels of ``color`` that are not in the legend."""
    near = np.abs(pixels[:, :1255].astype(int) - ImageColor.getrgb(color)[:3]).max(axis=2) < 12
    return np.argwhere(near)


def falling(n: int) -> dict[str, float]:
    return {"content": 0.05 + n / 1000, "gram": 10 / n, "moments": 3 * 0.97**n}


# curves


def test_curves_lie_as_their_numbers_do() -> None:
    pixels = draw([trace(100, lambda n: {"a": 1.0, "b": 10.0, "c": 100.0})]).pixels
    a, b, c = (float(np.median(dots(pixels, color)[:, 0])) for color in COLORS[:3])
    assert a > b > c  # lower on the page is less
    assert a - b == pytest.approx(b - c, abs=3)  # logarithmic


def test_a_falling_loss_falls() -> None:
    found = dots(draw([trace(100, lambda n: {"gram": 10.0 ** (-n / 20)})]).pixels, COLORS[0])
    columns = [float(found[found[:, 1] // 100 == part, 0].mean()) for part in range(2, 12)]
    assert columns == sorted(columns)


def test_no_curve_is_where_there_are_no_numbers() -> None:
    whole = dots(draw([trace(100, lambda n: {"gram": 1.0})]).pixels, COLORS[0])
    half = dots(draw([trace(100, lambda n: {"gram": 1.0 if n < 50 else math.nan})]).pixels, COLORS[0])
    middle = (whole[:, 1].min() + whole[:, 1].max()) / 2
    assert half[:, 1].max() == pytest.approx(middle, abs=20)


def test_a_single_term_is_seen_upon_the_total() -> None:
    pixels = draw([trace(60, lambda n: {"gram": 1 / n})]).pixels
    assert len(dots(pixels, COLORS[0])) > 1000


def test_a_single_step_is_a_dot() -> None:
    found = dots(draw([trace(1, lambda _: {"gram": 0.1})]).pixels, COLORS[0])
    assert 5 < len(found) < 400


@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf, -math.inf])
def test_what_a_logarithmic_axis_cannot_show_is_left_out_and_noted(value: float) -> None:
    all_shown = draw([trace(9, lambda n: {"gram": 1.0, "content": 2.0})])
    one_missing = draw([trace(9, lambda n: {"gram": value if n == 4 else 1.0, "content": 2.0})])
    assert len(dots(one_missing.pixels, COLORS[0])) < len(dots(all_shown.pixels, COLORS[0]))
    assert one_missing.height == all_shown.height + 28  # a line with the note


@pytest.mark.parametrize("value", [0.0, -5.0, math.nan])
def test_nothing_to_draw_is_drawn(value: float) -> None:
    assert draw([trace(5, lambda _: {"gram": value})]).width == 1600
    assert draw([trace(0, falling)]).width == 1600


@pytest.mark.parametrize(
    "terms",
    [
        lambda n: {"a": 10.0 ** (12 - n), "b": 1e-9},
        lambda n: {"a": 1e300, "b": 5e-324},
        lambda n: {f"term {i}": 0.1 + i for i in range(40)},
        lambda n: {"x" * 500: 1.0, "\n\x1b\ud800あ": 2.0, "": 3.0},
        lambda n: {"_hidden": 1.0, "$\\frac{$": 2.0},
        lambda n: {},
        lambda n: {"a": 1.0} if n % 2 else {"b": 1.0},
    ],
)
def test_odd_traces_are_drawn(terms: Callable[[int], Mapping[str, float]]) -> None:
    picture = draw([trace(30, terms, photo="\ud800\n$" + "long " * 2000)])
    assert (np.asarray(picture.pixels) < 100).any()


def test_of_very_many_steps_a_single_peak_is_seen() -> None:
    flat = dots(draw([trace(20_000, lambda n: {"gram": 1.0})]).pixels, COLORS[0])
    peak = dots(draw([trace(20_000, lambda n: {"gram": 9.0 if n == 10_000 else 1.0})]).pixels, COLORS[0])
    assert np.ptp(flat[:, 0]) < 20
    assert np.ptp(peak[:, 0]) > 200


# several


def test_several_runs_lie_below_each_other_over_the_same_steps() -> None:
    runs = [trace(count, falling) for count in (20, 100, 50)]
    alone, together = draw(runs[:1]), draw(runs)
    assert together.size == (1600, 3 * alone.height)
    ends = [dots(part, COLORS[1])[:, 1].max() for part in np.split(together.pixels, 3)]
    assert ends[0] < ends[2] < ends[1]


def test_a_term_has_one_colour_in_every_run() -> None:
    runs = [trace(9, lambda n: {"a": 1.0, "b": 5.0}), trace(9, lambda n: {"b": 5.0})]
    below = np.split(draw(runs).pixels, 2)[1]
    assert len(dots(below, COLORS[1])) > 100
    assert not len(dots(below, COLORS[0]))


def test_settings_that_differ_tell_runs_apart() -> None:
    same = [trace(5, falling, size=512, strength=s) for s in (1, 1)]
    other = [trace(5, falling, size=512, strength=s) for s in (1, 2)]
    one, two = (draw(runs).pixels.reshape(2, -1) for runs in (same, other))
    assert (one[0] == one[1]).all()
    assert (two[0] != two[1]).any()


def test_no_runs_are_too_few_and_a_hundred_too_many() -> None:
    with pytest.raises(RequestError, match="no traces"):
        draw([])
    with pytest.raises(RequestError, match=r"99 traces make [0-9]+ rows"):
        draw([trace(1, falling)] * 99)


def test_without_matplotlib_the_line_that_installs_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtra, match=r"impasto\[plot\]"):
        draw([trace(3, falling)])


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


def test_snapshots_that_are_gone_or_broken_are_left_out_and_noted(tmp_path: Path) -> None:
    plain = draw([trace(5, falling)]).height
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    gone = [Snapshot(1, tmp_path), Snapshot(2, tmp_path / "nul\0"), Snapshot(3, tmp_path / ("x" * 999))]
    assert draw([trace(5, falling, snapshots=tuple(gone))]).height == plain + 28
    assert draw([trace(5, falling, snapshots=(*gone, Snapshot(4, broken)))]).height == plain + 2 * 28


def test_snapshots_of_any_shape_and_with_alpha_are_shown(tmp_path: Path) -> None:
    for number, size in enumerate([(1, 900), (900, 1), (7, 7)]):
        Image.new("RGBA", size, (255, 0, 0, 128)).save(tmp_path / f"{number}.png")
    draw([trace(5, falling, snapshots=tuple(Snapshot(n, tmp_path / f"{n}.png") for n in range(3)))])


# time


@given(st.lists(st.floats(0, 1e9), max_size=9))
def test_time_never_goes_back(seconds: list[float]) -> None:
    steps = [TraceStep(n, 0, (1, 1), spent, 1.0, {}) for n, spent in enumerate(seconds, 1)]
    assert elapsed_seconds(steps) == sorted(elapsed_seconds(steps))


def test_time_goes_on_where_a_run_was_resumed() -> None:
    steps = [TraceStep(n, 0, (1, 1), spent, 1.0, {}) for n, spent in enumerate((5, 10, 5, 10), 1)]
    assert elapsed_seconds(steps) == [5, 10, 15, 20]
