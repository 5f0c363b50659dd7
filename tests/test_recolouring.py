"""One picture in the colours of another."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from impasto import Picture
from impasto.color import recolour


def painted(seed: int, height: int = 40, width: int = 50, kind: type = np.uint8) -> Picture:
    """Of colours around a grey, well within black and white, and mixed."""
    random = np.random.default_rng(seed)
    mixture = random.normal(size=(3, 3)) * 0.04
    colours = random.normal(size=(height, width, 3)).clip(-2.5, 2.5) @ mixture + random.uniform(0.4, 0.6, 3)
    return Picture((colours.clip(0, 1) * np.iinfo(kind).max + 0.5).astype(kind))


def moments(picture: Picture) -> tuple[np.ndarray, np.ndarray]:
    colours = picture.pixels.reshape(-1, 3) / picture.peak
    return colours.mean(0), np.cov(colours.T)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
@given(seed=st.integers(0, 1000))
def test_mean_and_covariance_are_the_others(kind: type, seed: int) -> None:
    ours, theirs = painted(seed, kind=kind), painted(seed + 1, 30, 20)
    # Colours in one plane stay in one plane.
    assume(np.linalg.eigvalsh(moments(ours)[1])[0] > 2e-6)
    found = recolour(ours, theirs)
    assert found.size == ours.size
    assert found.pixels.dtype == kind
    for a, b in zip(moments(found), moments(theirs), strict=True):
        assert np.abs(a - b).max() < 0.004


def test_its_own_colours_change_nothing() -> None:
    picture = painted(3)
    assert np.abs(recolour(picture, picture).pixels.astype(int) - picture.pixels).max() <= 1


def test_a_picture_of_one_colour_takes_the_mean() -> None:
    flat = Picture(np.full((8, 8, 3), 200, np.uint8))
    theirs = painted(1)
    found = recolour(flat, theirs)
    assert np.ptp(found.pixels.reshape(-1, 3), axis=0).max() == 0
    assert np.abs(moments(found)[0] - moments(theirs)[0]).max() < 0.01
    assert np.abs(recolour(theirs, flat).pixels.astype(int) - 200).max() <= 2
