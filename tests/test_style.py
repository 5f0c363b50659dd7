"""Styles: where they come from, how they mix, how they are described."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from impasto.errors import PictureError, StyleError, UnknownStyle
from impasto.picture import Picture
from impasto.styles import Gallery, Style, StyleCard
from impasto.styles.style import PictureStyle


def card(name: str) -> StyleCard:
    return StyleCard(name, {"instant@2": {1.0: np.ones(4, np.float32)}}, title=f"title of {name}")


def png(color: tuple[int, int, int] = (200, 30, 30)) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (8, 6), color).save(file, "png")
    return file.getvalue()


@pytest.fixture
def gallery(tmp_path: Path) -> Gallery:
    found = Gallery(tmp_path / "styles")
    found.add(card("my-waves"))
    found.add(card("my-storm"))
    return found


def names(style: Style) -> list[str]:
    return [part.name for part, _ in style.parts]


def weights(style: Style) -> list[float]:
    return [weight for _, weight in style.parts]


def test_a_style_is_itself(gallery: Gallery) -> None:
    style = Style.from_card(card("a"))
    assert Style.of(style) is style


def test_of_a_card_and_of_its_bytes(gallery: Gallery) -> None:
    made = card("a")
    assert Style.of(made).parts == ((made, 1.0),)
    for data in (made.to_bytes(), bytearray(made.to_bytes()), memoryview(made.to_bytes())):
        part = Style.of(data).parts[0][0]
        assert isinstance(part, StyleCard)
        assert part.title == "title of a"
    with pytest.raises(StyleError, match="not a style card"):
        Style.of(b"{}")


@pytest.mark.parametrize(
    "source", [png(), np.zeros((6, 8, 3), np.uint8), Image.new("L", (8, 6)), Picture(np.zeros((6, 8, 3), np.uint8))]
)
def test_of_a_picture_in_any_form(source: object) -> None:
    part = Style.of(source).parts[0][0]
    assert isinstance(part, PictureStyle)
    assert (part.picture.size, part.name) == ((8, 6), "picture")


def test_of_what_is_no_style() -> None:
    with pytest.raises(PictureError):
        Style.of(5)
    with pytest.raises(PictureError):
        Style.of(b"no picture at all")


def test_of_a_path(tmp_path: Path, gallery: Gallery) -> None:
    path = tmp_path / "Red Square.png"
    path.write_bytes(png())
    for source in (path, str(path)):
        part = Style.of(source, gallery).parts[0][0]
        assert isinstance(part, PictureStyle)
        assert (part.name, part.picture.pixels[0, 0].tolist()) == ("Red Square", [200, 30, 30])
    shared = tmp_path / "shared.style"
    shared.write_bytes(card("from-a-friend").to_bytes())
    assert Style.of(shared, gallery).describe() == "from-a-friend"
    assert Style.of(str(shared), gallery).describe() == "from-a-friend"
    with pytest.raises(StyleError, match="cannot read"):
        Style.of(tmp_path / "none.style", gallery)


def test_a_gallery_name_goes_before_a_file(tmp_path: Path, gallery: Gallery, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("my-waves").write_bytes(png())
    Path("other").write_bytes(png())
    assert isinstance(Style.of("my-waves", gallery).parts[0][0], StyleCard)
    assert isinstance(Style.of("other", gallery).parts[0][0], PictureStyle)
    assert isinstance(Style.of(Path("my-waves"), gallery).parts[0][0], PictureStyle)


def test_a_file_goes_before_an_alias(tmp_path: Path, gallery: Gallery, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert Style.of("My Waves", gallery).describe() == "my-waves"
    assert Style.mix({"MY WAVES": 1, "noite estrelada": 1}, gallery).describe() == {
        "my-waves": 0.5,
        "starry-night": 0.5,
    }
    Path("My Waves").write_bytes(png())
    assert isinstance(Style.of("My Waves", gallery).parts[0][0], PictureStyle)


def test_the_users_gallery_is_the_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMPASTO_HOME", str(tmp_path))
    Gallery().add(card("mine"))
    assert Style.of("mine").describe() == "mine"
    assert Style.mix({"mine": 1}).describe() == "mine"
    other = Gallery(tmp_path / "other")
    with pytest.raises(UnknownStyle):
        Style.of("mine", other)
    with pytest.raises(UnknownStyle):
        Style.mix({"mine": 1}, other)


@pytest.mark.parametrize("name", ["my-wave", "my-waves/", "a\0b", "x" * 5000, "../my-waves", ""])
def test_unknown_names(name: str, gallery: Gallery) -> None:
    with pytest.raises(UnknownStyle, match=r"[Gg]ive one of the") as error:
        Style.of(name, gallery)
    assert "path of a picture" in str(error.value)
    assert len(str(error.value)) < 400


def test_unknown_names_suggest_near_ones(gallery: Gallery) -> None:
    with pytest.raises(UnknownStyle, match="'my-wavse'; did you mean my-waves"):
        Style.of("my-wavse", gallery)
    with pytest.raises(UnknownStyle) as error:
        Style.of("qqqqqqqq", gallery)
    assert "did you mean" not in str(error.value)


def test_weights_are_normalised(gallery: Gallery) -> None:
    one: Any = np.float32(1)
    style = Style.mix({"my-waves": 3, "my-storm": one}, gallery)
    assert names(style) == ["my-waves", "my-storm"]
    assert weights(style) == [0.75, 0.25]
    assert all(type(weight) is float for weight in weights(style))
    assert style.describe() == {"my-waves": 0.75, "my-storm": 0.25}


@pytest.mark.parametrize("size", [1e-320, 1.7e308])
def test_extreme_weights_are_normalised(size: float, gallery: Gallery) -> None:
    assert weights(Style.mix({"my-waves": size, "my-storm": size}, gallery)) == [0.5, 0.5]


def test_what_has_no_weight_is_left_out(gallery: Gallery) -> None:
    assert Style.mix({"my-waves": 0, "my-storm": 2.0}, gallery).describe() == "my-storm"


@pytest.mark.parametrize("weight", [-1, float("nan"), float("inf"), "1", None, True])
def test_bad_weights(weight: Any, gallery: Gallery) -> None:
    with pytest.raises(StyleError, match="the weight of style my-storm is"):
        Style.mix({"my-waves": 1, "my-storm": weight}, gallery)
    with pytest.raises(StyleError, match="the weight of style a is"):
        Style(((card("a"), weight),))


def test_no_weight_at_all(gallery: Gallery) -> None:
    nothing: list[dict[str | Style, float]] = [{}, {"my-waves": 0}]
    for weights_given in nothing:
        with pytest.raises(StyleError, match="no style has any weight"):
            Style.mix(weights_given, gallery)
    with pytest.raises(StyleError, match="no style has any weight"):
        Style(())


def test_mixes_of_mixes_are_flat(gallery: Gallery) -> None:
    inner = Style.mix({"my-waves": 1, "my-storm": 3}, gallery)
    outer = Style.mix({inner: 1, Style.from_picture(png(), "poppies"): 1}, gallery)
    assert outer.describe() == {"my-waves": 0.125, "my-storm": 0.375, "poppies": 0.5}


def test_of_a_mapping_is_a_mix(gallery: Gallery) -> None:
    assert Style.of({"my-waves": 1, "my-storm": 4}, gallery).describe() == {"my-waves": 0.2, "my-storm": 0.8}


def test_namesakes_are_told_apart() -> None:
    red, blue = Style.from_picture(png()), Style.from_picture(png((0, 0, 200)))
    assert Style.mix({red: 2, blue: 1}).describe() == {"picture": 0.666667, "picture 2": 0.333333}


def test_picture_names() -> None:
    assert Style.from_picture(png(), name="poppies").describe() == "poppies"
    assert Style.from_picture(png()).describe() == "picture"
