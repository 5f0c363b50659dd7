from __future__ import annotations

import json
from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from impasto import Picture, Request, Result, StyleCard
from impasto.errors import OutputExists, PictureTooLarge, RequestError, UnsupportedFormat
from impasto.picture.provenance import read_settings
from impasto.request import Region, options
from impasto.styles import Style

PICTURE = Picture.from_array(np.zeros((4, 6, 3), np.uint8))
STYLE = Style.from_card(StyleCard("plain", {"instant@2": {1.0: np.zeros(3, np.float32)}}))


def request(**settings: Any) -> Request:
    return Request(content=PICTURE, style=STYLE, **settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"strength": 1.5}, "strength is 1.5; give a number from 0 to 1"),
        ({"strength": -0.1}, "strength is -0.1"),
        ({"strength": float("nan")}, "strength is nan"),
        ({"strength": "much"}, "strength is 'much'; give a number"),
        ({"strength": True}, "strength is True; give a number"),
        ({"size": 4}, "size is 4; give a number from 16 to 32768 pixels"),
        ({"size": 512.5}, "size is 512.5; give a whole number"),
        ({"style_scale": 9}, "style_scale is 9"),
        ({"colors": "mine"}, "colors is 'mine'; choose one of style, keep, match"),
        ({"engine": "magic"}, "engine is 'magic'; choose one of instant"),
        ({"bits": 12}, "bits is 12; give 8 or 16"),
        ({"bits": 16, "format": "jpeg"}, "bits is 16, which jpeg cannot hold"),
        ({"quality": 0}, "quality is 0"),
        ({"deterministic": 1}, "deterministic is 1; give true or false"),
        ({"deterministic": True, "precision": "bf16"}, "deterministic needs f32"),
        ({"max_pixels": 0}, "max_pixels is 0"),
        ({"engine": "iterative", "steps": -1}, "steps is -1; give a number from 0 to 100000"),
        ({"engine": "iterative", "tile": 8}, "tile is 8; give a number from 64 to 32768 pixels"),
        ({"engine": "iterative", "optimiser": "sgd"}, "optimiser is 'sgd'; choose one of adam, lbfgs, scipy"),
        (
            {"engine": "iterative", "style_loss": "gram:2,mrf"},
            "mrf is not a loss; choose from moments, gram, wasserstein",
        ),
        ({"engine": "iterative", "style_layers": "relu1_1:x"}, "'relu1_1:x' is not a name with a weight"),
        ({"engine": "iterative", "style_layers": "a,a:2"}, "names a twice; leave one out"),
        ({"engine": "iterative", "content_layers": "a:0"}, "nothing has any weight"),
        ({"steps": 3}, "steps is for the engine iterative; set engine to iterative, or leave it out"),
        ({"guide": PICTURE}, "guide is for the engine iterative"),
    ],
)
def test_a_wrong_setting_is_named_with_its_value(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(RequestError) as caught:
        request(**settings)
    assert message in str(caught.value)


def test_bounds_are_inclusive_and_defaults_pass() -> None:
    for option in options():
        for value in (option.minimum, option.maximum):
            if value is not None and option.name != "bits":
                engine = option.group or "instant"
                request(**{"engine": engine, "max_pixels": 2**31 - 1, option.name: option.type(value)})
    request(bits=16)


def test_what_is_no_picture_and_no_style_is_refused() -> None:
    for wrong in ({"content": "a.jpg"}, {"style": "udnie"}, {"mask": np.zeros((2, 2, 3), np.uint8)}):
        with pytest.raises(RequestError, match=f"{next(iter(wrong))} is .*; give a "):
            Request(**{"content": PICTURE, "style": STYLE, **wrong})  # type: ignore[arg-type]


def test_numpys_numbers_become_plain_ones() -> None:
    made = request(strength=np.float32(0.5), size=np.int64(64), style_scale=2)
    assert [type(v) for v in (made.strength, made.size, made.style_scale)] == [float, int, float]
    json.dumps(made.settings())


def test_a_size_beyond_the_limit_is_refused_before_any_work() -> None:
    for name in ("size", "resize"):
        with pytest.raises(PictureTooLarge, match=f"{name} is 32768, which makes 716 megapixels; the limit is 50"):
            request(**{name: 32768})
        request(**{name: 8000})


def test_a_request_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        request().strength = 0.5  # type: ignore[misc]


def test_settings_name_the_style_and_what_differs_from_the_defaults() -> None:
    assert request().settings() == {"style": "plain"}
    changed = request(strength=0.5, seed=3, mask=PICTURE).settings()
    assert changed == {"style": "plain", "strength": 0.5, "seed": 3, "mask": True}


def test_weights_may_be_a_mapping() -> None:
    made = request(engine="iterative", style_loss={"gram": 2, "moments": 1}, style_layers={"relu1_1": 0.5})
    assert (made.style_loss, made.style_layers) == ("gram:2,moments", "relu1_1:0.5")


def test_regions_may_stand_for_the_style() -> None:
    regions = (Region(PICTURE, STYLE, "sky"), Region(PICTURE, STYLE, "land"))
    made = Request(content=PICTURE, engine="iterative", regions=regions)
    assert made.settings() == {"regions": {"sky": "plain", "land": "plain"}, "engine": "iterative"}
    with pytest.raises(RequestError, match="style is NoneType; give a Style"):
        Request(content=PICTURE, engine="iterative")


def test_deterministic_means_f32() -> None:
    assert request(deterministic=True).arithmetic == "f32"
    assert request().arithmetic == "auto"


def test_format_follows_the_request_then_the_photograph_then_png() -> None:
    def chosen(own: str | None, **settings: Any) -> str:
        content = Picture(PICTURE.pixels, format=own)
        return Result(content, Request(content=content, style=STYLE, **settings), "instant@2", 0.1).format

    assert chosen("jpeg") == "jpeg"
    assert chosen("gif") == "png"
    assert chosen(None) == "png"
    assert chosen("jpeg", format="webp") == "webp"
    assert chosen("jpeg", bits=16) == "png"
    assert chosen("tiff", bits=16) == "tiff"


def test_save_takes_the_format_from_the_suffix_and_stores_the_settings(tmp_path: Path) -> None:
    result = Result(PICTURE, request(strength=0.25), "instant@2", 0.1)
    for suffix in ("png", "jpg", "webp", "tif", "avif"):
        path = result.save(tmp_path / f"out.{suffix}")
        assert read_settings(path) == {"model": "instant@2", "style": "plain", "strength": 0.25}
        assert Picture.open(path).size == (6, 4)
    with pytest.raises(UnsupportedFormat, match="xyz"):
        result.save(tmp_path / "out.xyz")


def test_save_overwrites_only_where_it_is_told_to(tmp_path: Path) -> None:
    result = Result(PICTURE, request(), "instant@2", 0.1)
    path = tmp_path / "out.png"
    path.write_bytes(b"mine")
    with pytest.raises(OutputExists, match=r"out\.png exists"):
        result.save(path)
    assert path.read_bytes() == b"mine"
    result.save(path, overwrite=True)
    assert Picture.open(path).size == (6, 4)
