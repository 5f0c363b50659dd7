"""The library's front door."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import impasto
from impasto import Picture, Style, StyleCard, Stylizer
from impasto.errors import PictureError, PictureTooLarge, RequestError, StyleError, UnknownStyle


def test_content_comes_in_every_form(stylizer: Stylizer, scene: Picture, tmp_path: Path) -> None:
    image = scene.to_pil()
    path = tmp_path / "photo.png"
    image.save(path)
    forms = [
        path,
        str(path),
        path.read_bytes(),
        io.BytesIO(path.read_bytes()),
        image,
        np.asarray(image),
        np.asarray(image) / np.float32(255),
        Picture.open(path),
        memoryview(path.read_bytes()),
    ]
    made = [stylizer.stylize(form, "the-wave", deterministic=True).pastiche.pixels for form in forms]
    assert all((m == made[0]).all() for m in made)


def test_style_comes_in_every_form(stylizer: Stylizer, scene: Picture, tmp_path: Path) -> None:
    card = stylizer.gallery.get("udnie")
    path = tmp_path / "shared.style"
    path.write_bytes(card.to_bytes())
    forms = ["udnie", card, Style.from_card(card), path, str(path), {"udnie": 3.0}, Style.mix({"udnie": 1})]
    made = [stylizer.stylize(scene, form, deterministic=True).pastiche.pixels for form in forms]
    assert all((m == made[0]).all() for m in made)


def test_the_function_keeps_its_stylizer() -> None:
    picture = np.full((24, 24, 3), 90, np.uint8)
    first = impasto.stylize(picture, "the-wave", deterministic=True)
    assert (impasto.stylize(picture, "the-wave", deterministic=True).pastiche.pixels == first.pastiche.pixels).all()
    assert first.model == "the-wave@2"
    assert first.seconds > 0


@pytest.mark.parametrize(
    ("content", "style", "settings", "error", "message"),
    [
        ("nowhere.jpg", "udnie", {}, PictureError, "nowhere.jpg"),
        (b"hello", "udnie", {}, PictureError, "not a picture"),
        (3, "udnie", {}, PictureError, "int is not a picture"),
        (np.zeros((4, 4)) * np.nan, "udnie", {}, PictureError, "not finite"),
        (np.full((4, 4, 3), 200.0), "udnie", {}, PictureError, "200 to 200"),
        ("nowhere.jpg", "udnie", {"max_pixels": "50M"}, RequestError, "max_pixels is '50M'"),
        (np.zeros((40, 40, 3), np.uint8), {}, {}, StyleError, "no style has any weight"),
        (np.zeros((4, 4, 7)), "udnie", {}, PictureError, r"shape \(4, 4, 7\)"),
        (np.zeros((40, 40, 3), np.uint8), "udni", {}, UnknownStyle, "udnie"),
        (np.zeros((40, 40, 3), np.uint8), "udnie", {"strenght": 1}, RequestError, "no setting 'strenght'"),
        (np.zeros((40, 40, 3), np.uint8), {"udnie": -1}, {}, StyleError, "-1"),
    ],
)
def test_what_is_wrong_is_said(
    stylizer: Stylizer,
    content: object,
    style: object,
    settings: dict[str, object],
    error: type[Exception],
    message: str,
) -> None:
    with pytest.raises(error, match=message):
        stylizer.stylize(content, style, **settings)


def test_the_limit_holds_for_photograph_style_and_mask(stylizer: Stylizer, scene: Picture, tmp_path: Path) -> None:
    path = tmp_path / "big.png"
    scene.to_pil().save(path)
    small = np.zeros((16, 16, 3), np.uint8)
    for content, style, mask in ((path, "udnie", None), (small, path, None), (small, "udnie", path)):
        with pytest.raises(PictureTooLarge, match="max_pixels"):
            stylizer.stylize(content, style, mask=mask, max_pixels=1000)


def test_a_card_of_another_model_says_what_to_do(stylizer: Stylizer, scene: Picture) -> None:
    card = StyleCard("old", {"instant@0": {1.0: np.zeros(256, np.float32)}})
    with pytest.raises(StyleError, match=r"instant@0.*again"):
        stylizer.stylize(scene, card)


def test_a_card_with_a_code_of_another_length_is_refused(stylizer: Stylizer, scene: Picture) -> None:
    card = StyleCard("short", {stylizer.model: {1.0: np.zeros(10, np.float32)}})
    for style in (card, {"udnie": 1.0, Style.from_card(card): 1.0}):
        with pytest.raises(StyleError, match="short has 10 numbers where instant@2 takes 256"):
            stylizer.stylize(scene, style)


def test_a_card_needs_a_picture_and_a_proper_name(stylizer: Stylizer, scene: Picture) -> None:
    with pytest.raises(RequestError, match="at least one"):
        stylizer.card("empty", [])
    with pytest.raises(RequestError, match="a list"):
        stylizer.card("letters", "photo.jpg")
    with pytest.raises(StyleError, match="Not A Name"):
        stylizer.card("Not A Name", [scene])


def test_the_gallery_that_ships_is_complete(stylizer: Stylizer) -> None:
    shipped = [card for card in stylizer.gallery if stylizer.gallery.is_shipped(card.name)]
    assert len(shipped) >= 24
    assert {"starry-night", "the-scream", "the-wave", "composition-vii", "udnie"} <= {c.name for c in shipped}
    for card in shipped:
        assert card.title, card.name
        assert card.artist, card.name
        assert card.date, card.name
        assert card.source, card.name
        assert len(card.palette) >= 3, card.name
        assert card.code(stylizer.model).shape == (256,), card.name
        with Image.open(io.BytesIO(card.thumbnail)) as thumbnail:
            assert thumbnail.size == (256, 256), card.name
