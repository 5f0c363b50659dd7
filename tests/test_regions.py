"""Regions: which style applies where."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from impasto import Picture, Style
from impasto.errors import RequestError
from impasto.iterative.regions import region_weights
from impasto.iterative.targets import mask_tensor
from impasto.request import Region

STYLE = Style.of(Picture.from_array(np.full((4, 4, 3), 99, np.uint8)))
Array = np.ndarray[Any, np.dtype[Any]]


def region(white: Array, name: str = "region") -> Region:
    """White where the array is 1."""
    return Region(Picture.from_array((np.asarray(white, np.float64) * 255 + 0.5).astype(np.uint8)), STYLE, name)


def cut(left: int, right: int, width: int = 40, height: int = 20, name: str = "region") -> Region:
    mask = np.zeros((height, width))
    mask[:, left:right] = 1
    return region(mask, name)


def test_regions_that_cover_the_picture_are_taken_as_they_are() -> None:
    shares = region_weights([cut(0, 13), cut(13, 40)], (40, 20), rest=False)
    assert len(shares) == 2
    assert shares[0].shape == (20, 40)
    assert (shares[0][:, :13] == 1).all()
    assert (shares[0][:, 13:] == 0).all()
    assert torch.equal(shares[1], 1 - shares[0])


def test_the_rest_is_what_no_region_has() -> None:
    first, second, rest = region_weights([cut(0, 10), cut(30, 40)], (40, 20), rest=True)
    assert (rest[:, 10:30] == 1).all()
    assert (rest[:, :10] == 0).all()
    assert torch.equal(first + second + rest, torch.ones(20, 40))
    *_, nothing = region_weights([cut(0, 13), cut(13, 40)], (40, 20), rest=True)
    assert (nothing == 0).all()


def test_an_overlap_says_how_much_and_where() -> None:
    with pytest.raises(RequestError) as told:
        region_weights(
            [cut(0, 15, name="sky"), cut(15, 25, name="tree"), cut(22, 40, name="sea")], (40, 20), rest=False
        )
    assert str(told.value) == (
        "regions tree and sea overlap on 60 pixels (7.5 %), between 22, 0 and 24, 19; make their masks disjoint"
    )


def test_what_is_in_no_region_says_how_much_and_where() -> None:
    mask = np.ones((20, 40))
    mask[3:5, 7:10] = 0
    with pytest.raises(RequestError) as told:
        region_weights([region(mask)], (40, 20), rest=False)
    assert str(told.value) == (
        "the regions leave 6 pixels (0.75 %), between 7, 3 and 9, 4 without a style; give a style for the rest"
    )
    _, rest = region_weights([region(mask)], (40, 20), rest=True)
    assert rest.sum() == 6


def test_a_black_region_is_told_and_named() -> None:
    black, faint = np.zeros((20, 40)), np.full((20, 40), 0.03)
    for mask in (black, faint):
        for rest in (True, False):
            with pytest.raises(RequestError) as told:
                region_weights([cut(0, 40), region(mask, "moon")], (40, 20), rest=rest)
            assert str(told.value) == ("region moon is black all over; make its mask white where the style applies")


def test_a_small_region_is_not_black_at_a_small_size() -> None:
    mask = np.zeros((400, 400))
    mask[100:103, 200:203] = 1
    for side in (400, 100, 32):
        dot, rest = region_weights([region(mask, "dot")], (side, side), rest=True)
        assert 0 < dot.sum() < 10
        assert float(dot.mean()) == pytest.approx(9 / 400**2, rel=0.2)
        assert torch.allclose(dot + rest, torch.ones(()))


def test_soft_edges_stay_soft_and_sum_to_1() -> None:
    ramp = np.tile(np.linspace(0, 1, 40), (20, 1))
    left, right = region_weights([region(1 - ramp), region(ramp)], (40, 20), rest=False)
    assert torch.allclose(left + right, torch.ones(()))
    assert float(left[0, 20]) == pytest.approx(1 - 20 / 39, abs=0.01)
    # A little more or less, as soft brushes leave it, is put right; more is told.
    left, right = region_weights([region(1 - ramp), region(ramp * 0.96)], (40, 20), rest=False)
    assert torch.allclose(left + right, torch.ones(()))
    with pytest.raises(RequestError, match=r"overlap on \d+ pixels"):
        region_weights([region(1 - ramp), region((ramp * 1.2).clip(0, 1))], (40, 20), rest=False)
    with pytest.raises(RequestError, match=r"leave \d+ pixels"):
        region_weights([region(1 - ramp), region(ramp * 0.8)], (40, 20), rest=False)


@given(
    seed=st.integers(0, 2**32 - 1),
    size=st.tuples(st.integers(1, 70), st.integers(1, 70)),
    to=st.tuples(st.integers(1, 90), st.integers(1, 90)),
    count=st.integers(1, 5),
    rest=st.booleans(),
    blocky=st.booleans(),
)
def test_masks_that_cover_a_picture_cover_it_once_at_every_size(
    seed: int, size: tuple[int, int], to: tuple[int, int], count: int, rest: bool, blocky: bool
) -> None:
    random = np.random.default_rng(seed)
    width, height = size
    step = int(random.integers(1, 9)) if blocky else 1
    whose = random.integers(0, count, (-(-height // step), -(-width // step))).repeat(step, 0).repeat(step, 1)
    whose = whose[:height, :width]
    masks = [whose == i for i in range(count) if (whose == i).any()]
    shares = region_weights([region(mask) for mask in masks], to, rest=rest)
    assert len(shares) == len(masks) + rest
    assert all(share.shape == to[::-1] and share.min() >= 0 and share.max() <= 1 for share in shares)
    assert torch.allclose(torch.stack(shares).sum(0), torch.ones(()), atol=1e-5)
    if rest:
        assert shares[-1].max() < 0.02


def test_masks_of_any_depth_with_or_without_alpha_are_read() -> None:
    grey = np.full((5, 6, 3), 51, np.uint8)
    half = np.full((5, 6), 128, np.uint8)
    assert torch.allclose(mask_tensor(Picture(grey), (6, 5)), torch.tensor(0.2))
    assert torch.allclose(mask_tensor(Picture(grey.astype(np.uint16) * 257), (9, 3)), torch.tensor(0.2))
    assert torch.allclose(mask_tensor(Picture(grey, half), (6, 5)), torch.tensor(0.2 * 128 / 255))
