"""The sizes that a picture is painted at, and what it starts from."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from painting import photograph

from impasto import Picture, Style, StyleCard
from impasto.errors import RequestError
from impasto.instant.engine import InstantEngine
from impasto.iterative.pyramid import initial_picture, level_steps, levels, working_size
from impasto.models import find
from impasto.request import Region, Request

CONTENT, PAINTING = photograph(48, 40, 1), photograph(60, 30, 2)


@pytest.fixture(scope="module")
def starter() -> InstantEngine:
    return InstantEngine(find("instant", kind="arbitrary"))


def request(content: Picture = CONTENT, style: object = PAINTING, **settings: Any) -> Request:
    return Request(content=content, style=Style.of(style), engine="iterative", **settings)


@pytest.mark.parametrize(
    ("size", "longest", "expected"),
    [
        ((1, 1), None, (32, 32)),
        ((1, 300), None, (32, 300)),
        ((5000, 20), None, (5000, 32)),
        ((640, 480), None, (640, 480)),
        ((640, 480), 320, (320, 240)),
        ((640, 480), 40, (40, 32)),
        ((640, 480), 1280, (1280, 960)),
    ],
)
def test_a_picture_is_painted_at_its_own_size_or_what_is_asked_for_and_not_below_what_layers_see(
    size: tuple[int, int], longest: int | None, expected: tuple[int, int]
) -> None:
    content = Picture(np.zeros((size[1], size[0], 3), np.uint8))
    assert working_size(request(content, size=longest)) == expected


def test_levels_halve_down_to_a_size_that_makes_sense() -> None:
    assert levels((800, 600), None) == [(100, 75), (200, 150), (400, 300), (800, 600)]
    assert levels((127, 100), None) == [(64, 50), (127, 100)]
    assert levels((126, 100), None) == [(126, 100)]
    assert levels((64, 48), None) == [(64, 48)]
    assert levels((64, 48), 2) == [(64, 48)], "there is no level below 32 pixels"
    assert levels((64, 64), 2) == [(32, 32), (64, 64)]
    assert levels((1600, 1200), 1) == [(1600, 1200)]
    assert levels((1600, 1200), 2) == [(800, 600), (1600, 1200)]
    assert levels((5000, 32), None) == [(5000, 32)]
    assert levels((32, 32), 8) == [(32, 32)]


@given(size=st.tuples(st.integers(32, 6000), st.integers(32, 6000)), count=st.one_of(st.none(), st.integers(1, 8)))
def test_levels_go_from_coarse_to_fine(size: tuple[int, int], count: int | None) -> None:
    found = levels(size, count)
    assert found[-1] == size
    assert len(found) <= (count or 16)
    assert all(min(level) >= 32 for level in found)
    for coarse, fine in pairwise(found):
        assert coarse == ((fine[0] + 1) // 2, (fine[1] + 1) // 2)
    if count is None:
        assert max(found[0]) >= 64 or len(found) == 1
        assert max(found[0]) <= 126 or min(found[0]) < 63


def test_coarser_levels_take_more_steps() -> None:
    assert level_steps(20, 1.5, 4) == [68, 45, 30, 20]
    assert level_steps(20, 1.0, 3) == [20, 20, 20]
    assert level_steps(7, 2.5, 1) == [7]
    assert level_steps(0, 2.0, 3) == [0, 0, 0]


def test_it_begins_with_the_photograph(starter: InstantEngine) -> None:
    working = CONTENT.resized((36, 32))
    assert initial_picture(request(start="content"), working, starter, []) is working


def test_it_begins_with_noise_that_the_seed_makes(starter: InstantEngine) -> None:
    for dtype in (np.uint8, np.uint16):
        working = CONTENT.as_type(np.dtype(dtype))
        first, again, other = (
            initial_picture(request(start="noise", seed=seed), working, starter, []) for seed in (1, 1, 2)
        )
        assert first.size == CONTENT.size
        assert first.pixels.dtype == dtype
        assert np.array_equal(first.pixels, again.pixels)
        assert not np.array_equal(first.pixels, other.pixels)
        assert first.pixels.min() < 0.01 * first.peak
        assert first.pixels.max() > 0.99 * first.peak
        assert first.pixels.std() / first.peak == pytest.approx(12**-0.5, rel=0.05)


def test_it_begins_with_the_painting_cropped_to_the_photographs_proportions(starter: InstantEngine) -> None:
    # 60 x 30, of which 36 x 30 in the middle are of the proportions of 48 x 40.
    expected = Picture(PAINTING.pixels[:, 12:48]).resized(CONTENT.size)
    found = initial_picture(request(start="style"), CONTENT, starter, [])
    assert np.array_equal(found.pixels, expected.pixels)
    (light, _), (heavy, _) = (Style.of(picture).parts[0] for picture in (photograph(40, 40, 5), PAINTING))
    mixed = initial_picture(request(style=Style(((light, 0.3), (heavy, 0.7))), start="style"), CONTENT, starter, [])
    assert np.array_equal(mixed.pixels, expected.pixels), "it is the heaviest of several"
    deep = initial_picture(request(start="style"), CONTENT.as_type(np.dtype(np.uint16)), starter, [])
    assert deep.pixels.dtype == np.uint16
    for size in ((1, 1), (1, 300), (500, 3), (33, 32)):
        other = initial_picture(request(style=photograph(*size), start="style"), CONTENT, starter, [])
        assert other.size == CONTENT.size


def test_a_card_has_no_painting_to_begin_with(starter: InstantEngine) -> None:
    card = StyleCard("udnie-like", {"instant@2": {1.0: np.ones(3, np.float32)}})
    with pytest.raises(RequestError) as told:
        initial_picture(request(style=card, start="style"), CONTENT, starter, [])
    assert str(told.value) == (
        "start is style, but udnie-like is a card without its picture; give the picture, or another start"
    )


def test_it_begins_with_the_instant_engines_pastiche(starter: InstantEngine) -> None:
    asked = request(start="instant", strength=0.7, style_scale=2.0, deterministic=True)
    same = Request(content=CONTENT, style=Style.of(PAINTING), strength=0.7, style_scale=2.0, deterministic=True)
    expected = starter.finish(same).pastiche
    assert np.array_equal(initial_picture(asked, CONTENT, starter, []).pixels, expected.pixels)
    # Colours and masks are for the end.
    masked = replace(asked, mask=photograph(9, 9), colors="keep", resize=20)
    assert np.array_equal(initial_picture(masked, CONTENT, starter, []).pixels, expected.pixels)


def colours(picture: Picture) -> tuple[Any, Any]:
    """Mean and covariance of a picture's colours, in 0..1."""
    values = picture.pixels.reshape(-1, 3) / picture.peak
    return values.mean(0), np.cov(values.T)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_it_begins_with_the_photograph_in_the_paintings_colours(starter: InstantEngine, dtype: Any) -> None:
    working = CONTENT.as_type(np.dtype(dtype))
    # Colours that leave room, so that none is cut at black or white.
    painting = Picture((PAINTING.pixels * np.array([0.3, 0.5, 0.4]) + 40).astype(np.uint8))
    found = initial_picture(request(style=painting, start="recoloured"), working, starter, [])
    assert found.pixels.dtype == dtype
    for one, two in zip(colours(found), colours(painting), strict=True):
        assert one == pytest.approx(two, abs=0.01)
    luma = [p.pixels.mean(2).ravel() for p in (found, CONTENT)]
    assert np.corrcoef(luma)[0, 1] > 0.8, "it is the photograph still"


def test_several_styles_give_their_colours_by_weight_and_cards_their_palettes(starter: InstantEngine) -> None:
    red, card = (
        Picture(np.full((9, 9, 3), (200, 40, 40), np.uint8)),
        StyleCard("blue", {"instant@2": {1.0: np.ones(3, np.float32)}}, palette=("#2828c8",)),
    )
    for style, expected in [
        (Style.of(card), (40, 40, 200)),
        (Style(((Style.of(red).parts[0][0], 0.25), (card, 0.75))), (80, 40, 160)),
    ]:
        found = initial_picture(request(style=style, start="recoloured"), CONTENT, starter, [])
        assert found.pixels.mean((0, 1)) == pytest.approx(expected, abs=6)
    # The commonest colour comes first, and counts more.
    two = StyleCard("two", {"instant@2": {1.0: np.ones(3, np.float32)}}, palette=("#000000", "#ffffff"))
    assert 70 < initial_picture(request(style=two, start="recoloured"), CONTENT, starter, []).pixels.mean() < 100
    none = StyleCard("none", {"instant@2": {1.0: np.ones(3, np.float32)}})
    grey = initial_picture(request(style=none, start="recoloured"), CONTENT, starter, []).pixels.mean((0, 1))
    assert grey == pytest.approx((128, 128, 128), abs=3)


def test_it_begins_with_a_picture_of_the_callers(starter: InstantEngine) -> None:
    found = initial_picture(request(initial=PAINTING), CONTENT, starter, [])
    assert np.array_equal(found.pixels, PAINTING.resized(CONTENT.size).pixels)
    see_through = Picture(PAINTING.pixels, np.zeros((30, 60), np.uint8))
    deep = initial_picture(request(initial=see_through), CONTENT.as_type(np.dtype(np.uint16)), starter, [])
    assert deep.alpha is None
    assert deep.pixels.dtype == np.uint16


@pytest.mark.parametrize("start", ["style", "instant"])
def test_regions_begin_with_what_each_of_them_would(starter: InstantEngine, start: str) -> None:
    other, mask = photograph(30, 30, 3), photograph(48, 40, 4)
    both = request(regions=(Region(mask, Style.of(other)),), start=start, deterministic=True)
    share = np.zeros((40, 48), np.float32)
    share[:, :20], share[:, 20:28] = 1, 0.5
    found = initial_picture(both, CONTENT, starter, [share, 1 - share]).pixels.astype(int)
    alone = [
        initial_picture(request(style=style, start=start, deterministic=True), CONTENT, starter, []).pixels.astype(int)
        for style in (other, PAINTING)
    ]
    assert np.array_equal(found[:, :20], alone[0][:, :20])
    assert np.array_equal(found[:, 28:], alone[1][:, 28:])
    between = (alone[0] + alone[1])[:, 20:28] / 2
    assert np.abs(found[:, 20:28] - between).max() <= 0.5
