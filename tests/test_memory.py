"""Budget: what optimising a picture will take, and the tiles that make it fit."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from painting import Narrow, pocket
from torch import nn

from impasto.encoders.encoder import Encoder
from impasto.encoders.tile_layout import windows
from impasto.errors import PictureTooLarge
from impasto.iterative.memory import RunPlan, plan_run, seconds_per_pixel

POCKET = pocket().float()
DEEP = Narrow(["relu1_1", "relu5_1"]).float()
GB = 10**9


def planned(size: tuple[int, int], free: float = 64, encoder: Encoder = POCKET, **settings: Any) -> RunPlan:
    return plan_run(encoder, size, ["relu4_1"], **{"tensors": 2, "free": int(free * GB), **settings})


def test_more_pixels_tensors_and_digits_take_more() -> None:
    small, large = planned((640, 480)), planned((1280, 960))
    assert 3.5 * small.memory < large.memory < 4.5 * small.memory
    assert small.tile is None
    assert planned((480, 640)).memory == small.memory
    lbfgs = planned((640, 480), tensors=23)
    assert lbfgs.memory - small.memory == 21 * 640 * 480 * 3 * 4
    half = plan_run(pocket().bfloat16(), (640, 480), ["relu4_1"], tensors=2, free=64 * GB)
    assert half.memory < 0.6 * small.memory
    # A picture whose features are kept takes them, too.
    more = plan_run(POCKET, (640, 480), ["relu4_1", "relu1_1"], tensors=2, free=64 * GB)
    assert more.memory - small.memory == 640 * 480 * 16 * 4


def test_replicated_borders_take_a_copy_of_every_activation() -> None:
    zeros, replicated = planned((640, 480)), planned((640, 480), encoder=pocket(padding="replicate").float())
    assert 1.2 * zeros.memory < replicated.memory < 1.4 * zeros.memory


def test_little_memory_makes_tiles_and_less_makes_smaller_ones() -> None:
    size, tiles = (3000, 2000), []
    for free in (64, 3, 2, 1.5, 1.2):
        found = planned(size, free)
        assert found.memory <= 0.8 * free * GB
        tiles.append(found.tile or 10**6)
    assert tiles == sorted(tiles, reverse=True)
    assert tiles[-1] < tiles[1] < 3000
    assert planned((400, 300), 64).tile is None


def test_a_pass_takes_no_more_than_it_must_however_much_is_free() -> None:
    found = planned((12000, 8000), 1000)
    assert found.tile is not None
    # Beside what is of the picture's size: the optimiser's tensors, and the photograph's features.
    channels = POCKET.get_submodule("conv4_1").out_channels
    fixed = 12000 * 8000 * 4 * (3 * (2 + 5) + channels / 64)  # type: ignore[operator]
    assert 1 << 30 < found.memory - fixed <= 3 << 30


@given(size=st.tuples(st.integers(32, 3000), st.integers(32, 3000)), side=st.integers(64, 2048), deep=st.booleans())
def test_the_largest_tile_is_what_is_counted(size: tuple[int, int], side: int, deep: bool) -> None:
    encoder = DEEP if deep else POCKET
    reach, stride = max(map(encoder.reach, encoder.layers)), max(map(encoder.stride, encoder.layers))
    cut = list(windows(size[1], size[0], side=side, margin=reach, stride=stride))
    largest = max((w.outer[0].stop - w.outer[0].start) * (w.outer[1].stop - w.outer[1].start) for w in cut)
    found = plan_run(encoder, size, ["relu1_1"], tensors=2, free=64 * GB, tile=side)
    whole = plan_run(encoder, size, ["relu1_1"], tensors=2, free=64 * GB, tile=10**6)
    fixed = size[0] * size[1] * (12 * 7 + encoder.get_submodule("conv1_1").out_channels * 4)  # type: ignore[operator]
    share = (found.memory - fixed) / (whole.memory - fixed)
    assert share == pytest.approx(largest / (size[0] * size[1]), rel=1e-3)
    # No tiles where one of them is all there is.
    assert found.tile == (side if largest < size[0] * size[1] else None)


def test_tiles_asked_for_are_taken_and_told_where_they_are_too_large() -> None:
    assert planned((3000, 2000), 64, tile=700).tile == 700
    assert planned((3000, 2000), 1.5, tile=256).tile == 256
    with pytest.raises(PictureTooLarge, match=r"give a smaller tile, or a smaller size$"):
        planned((3000, 2000), 1.5, tile=2000)


def test_a_picture_too_large_says_by_how_much_and_what_to_do() -> None:
    cases = [(0.3, 2, "give a smaller size"), (0.7, 23, "give a smaller size, or the optimiser adam")]
    for free, tensors, remedy in cases:
        with pytest.raises(PictureTooLarge) as told:
            planned((3000, 2000), free, tensors=tensors)
        figures = re.fullmatch(
            r"3000 x 2000 pixels need (\d\.\d) GB, but of (\d\.\d) GB free memory only 80% may be taken; (.*)",
            str(told.value),
        )
        assert figures is not None
        assert figures[2] == str(free)
        assert figures[3] == remedy
        # It is the least that is told: with that it works.
        assert planned((3000, 2000), (float(figures[1]) + 0.06) / 0.8, tensors=tensors).tile == 256
        with pytest.raises(PictureTooLarge):
            planned((3000, 2000), (float(figures[1]) - 0.06) / 0.8, tensors=tensors)


def test_an_encoder_without_tiles_needs_memory_for_all_of_the_picture() -> None:
    module = Encoder.from_module(nn.Sequential(nn.Conv2d(3, 4, 3)), ["0"])
    # More than one pass may take of an encoder that has tiles, and still possible.
    found = planned((3000, 2000), 100, module)
    assert found.tile is None
    assert found.memory > 4 * GB
    with pytest.raises(PictureTooLarge) as told:
        planned((3000, 2000), found.memory / 0.8 / GB - 0.1, module)
    assert f"3000 x 2000 pixels need {found.memory / GB:.1f} GB" in str(told.value)
    assert str(told.value).endswith("; give a smaller size")


def test_the_time_is_that_of_all_passes_and_tiles_take_longer() -> None:
    passes = [(500, 10), (2000, 10)]
    whole = planned((640, 480), pace=1e-3, passes=passes)
    assert whole.seconds == pytest.approx(25)
    tiled = planned((640, 480), pace=1e-3, passes=passes, tile=128)
    assert tiled.tile == 128
    assert 25 < tiled.seconds < 50
    assert planned((640, 480)).seconds == 0


def test_the_pace_is_measured_with_any_encoder() -> None:
    module = Encoder.from_module(nn.Sequential(nn.Conv2d(3, 4, 3)), ["0"])
    for encoder in (POCKET, DEEP, module):
        assert seconds_per_pixel(encoder) > 0
        assert all(parameter.grad is None for parameter in encoder.parameters())
