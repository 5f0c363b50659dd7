"""What the engine ``iterative`` is given as a style: paintings, parts of them, several, and cards."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest
from painting import BLUE, RED, asked, drained, painted

from impasto import Picture, Style, StyleCard, Stylizer
from impasto.encoders.encoder import STYLE_LAYERS
from impasto.encoders.open import open_encoder
from impasto.errors import RequestError, StyleError
from impasto.instant import arbitrary
from impasto.iterative import engine as engine_module
from impasto.iterative.engine import IterativeEngine
from impasto.iterative.targets import Targets
from impasto.losses.terms import GramTerm
from impasto.models import find
from impasto.request import Region


@pytest.fixture(scope="module")
def engine() -> IterativeEngine:
    return IterativeEngine()


def test_regions_take_each_its_own_style(engine: IterativeEngine) -> None:
    mask = np.zeros((64, 128, 3), np.uint8)
    mask[:, :64] = 255
    left, right = Picture(mask), Picture(255 - mask)
    regions = (Region(left, Style.of(RED), "left"), Region(right, Style.of(BLUE), "right"))
    settings: dict[str, Any] = {"steps": 30, "learning_rate": 0.03, "content_weight": 0.3}
    both = engine.finish(asked(128, 64, style=None, regions=regions, **settings)).pastiche
    rest = engine.finish(asked(128, 64, style=Style.of(BLUE), regions=regions[:1], **settings)).pastiche
    encoder = open_encoder()
    targets = [Targets(encoder, "").style(Style.of(x), STYLE_LAYERS, 0.25) for x in (RED, BLUE)]
    for found in (both, rest):
        for half, (own, other) in ((slice(0, 56), targets), (slice(72, 128), targets[::-1])):
            part = Style.of(Picture(found.pixels[:, half].copy()))
            statistics = Targets(encoder, "").style(part, STYLE_LAYERS, 64 / 512)
            near, far = (
                GramTerm(target, dict.fromkeys(STYLE_LAYERS, 1.0))(statistics).item() for target in (own, other)
            )
            assert near < 0.5 * far
    # The rest is a region as any other.
    assert np.array_equal(both.pixels, rest.pixels)


def test_regions_that_overlap_or_leave_a_hole_are_told(engine: IterativeEngine) -> None:
    mask = np.zeros((48, 64, 3), np.uint8)
    mask[:, :40] = 255
    one, two = Region(Picture(mask), Style.of(RED), "one"), Region(Picture(mask[:, ::-1].copy()), Style.of(BLUE), "two")
    with pytest.raises(RequestError, match="regions one and two overlap on 768 pixels"):
        engine.finish(asked(style=None, regions=(one, two)))
    with pytest.raises(RequestError, match="the regions leave 1152 pixels"):
        engine.finish(asked(style=None, regions=(one,)))


def test_a_guide_says_which_part_of_a_painting_to_learn_from(engine: IterativeEngine) -> None:
    pixels = np.concatenate([RED.pixels, BLUE.pixels], 1)
    guide = np.zeros_like(pixels)
    guide[:, :96] = 255
    settings: dict[str, Any] = {"steps": 20, "learning_rate": 0.03, "style": Style.of(Picture(pixels))}
    reddish = engine.finish(asked(guide=Picture(guide), **settings)).pastiche.pixels.mean((0, 1))
    bluish = engine.finish(asked(guide=Picture(255 - guide), **settings)).pastiche.pixels.mean((0, 1))
    assert reddish[0] > bluish[0] + 20
    assert bluish[2] > reddish[2] + 20
    with pytest.raises(StyleError, match="the guide leaves almost nothing of the style's picture"):
        engine.finish(asked(guide=Picture(guide * 0), **settings))


@pytest.fixture(scope="module")
def card() -> StyleCard:
    """Made as everybody makes one where torch is installed, but at fewer scales."""
    with pytest.MonkeyPatch.context() as patch:
        for engine in (arbitrary, engine_module):
            patch.setattr(engine, "SCALES", (0.25, 0.5))
        return Stylizer().card("red-stripes", [RED])


def test_a_card_does_as_its_picture_would(engine: IterativeEngine, card: StyleCard) -> None:
    assert set(card.codes) == {Stylizer().model, find("pocket", kind="encoder").identity}
    card = StyleCard.from_bytes(card.to_bytes())
    # At a scale between those that a card keeps, too.
    for settings in ({}, {"style_scale": 0.3}, {"style_layers": "relu1_1,relu2_1", "content_layers": "relu2_1"}):
        # L-BFGS's search for a step would make much of what half precision leaves.
        same: dict[str, Any] = {"steps": 8, "optimiser": "adam", "learning_rate": 0.01, **settings}
        of_picture = drained(engine.run(asked(**same)))
        of_card = drained(engine.run(asked(style=Style.of(card), **same)))
        first = [painted(reports)[0].losses for reports, _ in (of_card, of_picture)]
        assert first[0] == pytest.approx(first[1], rel=0.1)
        apart = of_card[1].pastiche.pixels.astype(int) - of_picture[1].pastiche.pixels
        assert np.abs(apart).mean() < 3


def test_a_card_made_without_torch_is_refused(
    engine: IterativeEngine, card: StyleCard, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "impasto.iterative.engine", None)
        patch.setattr(arbitrary, "SCALES", (0.25,))
        plain = Stylizer().card("plain", [RED])
    assert set(plain.codes) == {Stylizer().model}
    identity = find("pocket", kind="encoder").identity
    with pytest.raises(StyleError) as told:
        engine.finish(asked(style=Style.of(plain)))
    assert str(told.value) == (
        f"style plain is a card without what {identity} needs of it; give its picture, or add it again from the "
        "picture where torch is installed"
    )


def test_what_a_card_cannot_do_is_told(engine: IterativeEngine, card: StyleCard) -> None:
    style = Style.of(card)
    with pytest.raises(StyleError, match=r"is a card, which has no relu3_2; choose from relu1_1, relu2_1, .* or give"):
        engine.finish(asked(style=style, style_layers="relu3_2"))
    with pytest.raises(StyleError, match="is a card, made with max pooling, but pooling is average; give its picture"):
        engine.finish(asked(style=style, pooling="average"))
    with pytest.raises(StyleError, match="a guide shows a part of a picture, but style red-stripes is a card"):
        engine.finish(asked(style=style, guide=RED))
    with pytest.raises(RequestError, match="start is style, but red-stripes is a card without its picture"):
        engine.finish(asked(style=style, start="style"))
    identity = find("pocket", kind="encoder").identity
    short = StyleCard("short", {identity: {1.0: np.ones(7, np.float32)}})
    with pytest.raises(StyleError, match=r"style short does not fit .*: the vector has 7 numbers where \d+ are needed"):
        engine.finish(asked(style=Style.of(short)))
