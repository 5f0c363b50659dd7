"""Scaling: the right size, the right colours, and no fringe from what is hidden."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from impasto.errors import RequestError
from impasto.picture import Picture
from impasto.picture.raster import Metadata
from impasto.picture.scaling import LONGEST_STYLE, fit_style, scale


def random_array(width: int, height: int, channels: int, dtype: Any) -> np.ndarray[Any, Any]:
    return np.random.default_rng(width).integers(0, np.iinfo(dtype).max + 1, (height, width, channels)).astype(dtype)


KINDS = st.tuples(st.sampled_from([3, 4]), st.sampled_from([np.uint8, np.uint16]))


@settings(max_examples=80, deadline=None)
@given(st.integers(1, 97), st.integers(1, 61), st.integers(1, 97), st.integers(1, 61), KINDS)
def test_any_size(width: int, height: int, to_width: int, to_height: int, kind: tuple[int, Any]) -> None:
    picture = Picture.from_array(random_array(width, height, *kind))
    scaled = scale(picture, (to_width, to_height))
    assert scaled.size == (to_width, to_height)
    assert scaled.pixels.dtype == picture.pixels.dtype
    assert (scaled.alpha is None) == (picture.alpha is None)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 60), st.integers(1, 60), KINDS, st.integers(0, 2**16 - 1))
def test_one_colour_stays_that_colour(width: int, height: int, kind: tuple[int, Any], value: int) -> None:
    channels, dtype = kind
    array = np.full((23, 37, channels), value % (np.iinfo(dtype).max + 1), dtype)
    array[..., 1] = np.iinfo(dtype).max
    if channels == 4:
        array[..., 3] = np.iinfo(dtype).max // 3
    picture = Picture.from_array(array)
    scaled = scale(picture, (width, height)).to_array()
    assert np.abs(scaled.astype(int) - array[0, 0]).max() <= 1


def test_the_same_size_is_the_same_picture() -> None:
    picture = Picture.from_array(random_array(7, 5, 4, np.uint8))
    assert scale(picture, (7, 5)) is picture


def test_format_and_metadata_stay() -> None:
    picture = replace(Picture.from_array(random_array(7, 5, 3, np.uint8)), format="jpeg", metadata=Metadata(b"e"))
    scaled = scale(picture, (3, 2))
    assert (scaled.format, scaled.metadata) == ("jpeg", picture.metadata)


@pytest.mark.parametrize("size", [(0, 5), (5, 0), (-1, 3)])
def test_sizes_below_one(size: tuple[int, int]) -> None:
    with pytest.raises(RequestError, match="1 x 1"):
        scale(Picture.from_array(random_array(7, 5, 3, np.uint8)), size)


def test_it_is_lanczos_at_either_depth() -> None:
    array = random_array(40, 30, 3, np.uint8) // 3 + 80  # nothing overshoots, so nothing is clipped
    expected = np.asarray(Image.fromarray(array).resize((25, 50), Image.Resampling.LANCZOS), int)
    assert np.abs(scale(Picture.from_array(array), (25, 50)).pixels - expected).max() <= 1
    deep = scale(Picture.from_array(array.astype(np.uint16) * 257), (25, 50)).pixels
    assert np.abs(deep / 257 - expected).max() < 1.5  # Pillow rounds twice
    assert len(np.unique(deep % 257)) > 100  # more than eight bits come out


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("size", [(9, 9), (64, 64), (200, 150)])
def test_hidden_colour_never_bleeds(dtype: Any, size: tuple[int, int]) -> None:
    peak = int(np.iinfo(dtype).max)
    array = np.zeros((64, 64, 4), dtype)
    array[:, :32] = (0, peak, 0, peak)
    other = array.copy()
    other[:, 32:, :3] = (peak, 0, peak)
    hidden, scaled = (scale(Picture.from_array(a), size) for a in (array, other))
    if size != (64, 64):
        assert (hidden.to_array() == scaled.to_array()).all()
        assert scaled.alpha is not None
        seen = scaled.pixels[scaled.alpha > peak // 50]
        assert (seen[:, 1] > peak * 0.95).all()
        assert (seen[:, [0, 2]] < peak * 0.02).all()


def test_faint_colours_survive() -> None:
    array = np.full((16, 16, 4), (200, 100, 50, 3), np.uint8)
    assert np.abs(scale(Picture.from_array(array), (5, 5)).pixels.astype(int) - (200, 100, 50)).max() <= 1


@given(st.integers(1, 60_000), st.integers(1, 60_000), st.floats(64, 2048))
def test_a_painting_is_read_at_a_size_that_networks_take(width: int, height: int, short: float) -> None:
    found = fit_style((width, height), short)
    assert all(side % 8 == 0 and 32 <= side <= LONGEST_STYLE for side in found)
    if LONGEST_STYLE * min(width, height) > short * max(width, height):
        assert abs(min(found) - short) <= 4
