"""Transparency: what was hidden must not matter, and what was seen must stay."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from impasto.picture import Picture
from impasto.picture.transparency import fill_transparent

DEPTHS = st.sampled_from([np.uint8, np.uint16])


def random_array(width: int, height: int, channels: int, dtype: Any, seed: int) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max + 1, (height, width, channels)).astype(dtype)


@settings(max_examples=80, deadline=None)
@given(st.integers(1, 97), st.integers(1, 61), DEPTHS, st.integers(0, 2**32 - 1), st.floats(0, 1))
def test_hidden_colours_do_not_matter(width: int, height: int, dtype: Any, seed: int, share: float) -> None:
    array = random_array(width, height, 4, dtype, seed)
    rng = np.random.default_rng(seed)
    array[rng.random((height, width)) < share, 3] = 0
    array[rng.random((height, width)) < 0.3, 3] = np.iinfo(dtype).max
    other = array.copy()
    hidden = array[..., 3] == 0
    other[hidden, :3] = random_array(width, height, 3, dtype, seed + 1)[hidden]
    one, two = (fill_transparent(Picture.from_array(a)) for a in (array, other))
    assert one.pixels.tobytes() == two.pixels.tobytes()
    assert one.alpha is None
    assert one.pixels.dtype == dtype
    visible = array[..., 3] == np.iinfo(dtype).max
    assert (one.pixels[visible] == array[visible, :3]).all()


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 97), st.integers(1, 61), DEPTHS, st.integers(0, 2**32 - 1))
def test_one_visible_colour_fills_everything(width: int, height: int, dtype: Any, seed: int) -> None:
    array = random_array(width, height, 4, dtype, seed)
    colour = array[0, 0, :3].copy()
    array[..., 3] *= np.random.default_rng(seed).random((height, width)) < 0.1
    array[array[..., 3] > 0, :3] = colour
    array[-1, -1] = (*colour, 1)
    filled = fill_transparent(Picture.from_array(array)).pixels
    assert np.abs(filled.astype(int) - colour).max() <= 1


def test_an_opaque_picture_is_left_alone() -> None:
    picture = Picture.from_array(random_array(9, 7, 3, np.uint8, 0))
    assert fill_transparent(picture) is picture


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("size", [(1, 1), (5, 3), (64, 64)])
def test_nothing_visible_becomes_mid_grey(dtype: Any, size: tuple[int, int]) -> None:
    array = random_array(*size, 4, dtype, 0)
    array[..., 3] = 0
    middle = (int(np.iinfo(dtype).max) + 1) // 2
    assert (fill_transparent(Picture.from_array(array)).pixels == middle).all()


def test_colours_come_from_nearby_and_run_smoothly() -> None:
    array = np.zeros((64, 128, 4), np.uint8)
    array[:, :16] = (250, 0, 0, 255)
    array[:, -16:] = (0, 0, 250, 255)
    filled = fill_transparent(Picture.from_array(array)).pixels.astype(int)
    assert filled[32, 20, 0] > 200
    assert filled[32, -20, 2] > 200
    middle = filled[:, 62:66].mean(axis=(0, 1))
    assert abs(middle[0] - middle[2]) < 25
    assert np.abs(np.diff(filled, axis=1)).max() < 40
    assert np.abs(np.diff(filled, axis=0)).max() < 10


def test_partly_transparent_pixels_keep_their_share() -> None:
    array = np.zeros((16, 16, 4), np.uint8)
    array[..., :] = (0, 0, 200, 255)
    array[8, 8] = (200, 0, 0, 128)
    red, green, blue = (int(v) for v in fill_transparent(Picture.from_array(array)).pixels[8, 8])
    assert 95 < red < 160
    assert green == 0
    assert 40 < blue < 105


def test_strips_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    picture = Picture.from_array(random_array(37, 29, 4, np.uint8, 5))
    whole = fill_transparent(picture).pixels
    monkeypatch.setattr("impasto.picture.transparency._STRIP", 50)
    assert (fill_transparent(picture).pixels == whole).all()


def test_format_stays() -> None:
    picture = replace(Picture.from_array(random_array(4, 4, 4, np.uint8, 0)), format="png")
    assert fill_transparent(picture).format == "png"
