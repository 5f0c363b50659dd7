"""Of several pictures one is broken: the message says which, whatever it was given as."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from pictures import noise, saved
from PIL import Image

from impasto import Picture, Stylizer
from impasto.errors import ImpastoError, MissingExtra, PictureError, StyleError, UnknownStyle
from impasto.picture.error_context import naming_errors
from impasto.styles import Style

PHOTO = saved(Image.fromarray(noise(48, 48)), "png")
TORN = PHOTO[: len(PHOTO) // 2]
BROKEN: dict[str, Callable[[], Any]] = {
    "half a file": lambda: TORN,
    "nothing": lambda: b"",
    "no picture": lambda: b"no picture",
    "a stream": lambda: io.BytesIO(TORN),
    "an array": lambda: np.zeros((4, 4, 7), np.uint8),
    "no kind of picture": lambda: 7,
}


@pytest.mark.parametrize("kind", BROKEN)
@pytest.mark.parametrize("role", ["content", "style", "mask", "guide", "initial"])
def test_the_library_names_the_role(stylizer: Stylizer, role: str, kind: str) -> None:
    given: dict[str, Any] = {"content": PHOTO, "style": PHOTO, role: BROKEN[kind]()}
    if role in ("guide", "initial"):
        given["engine"] = "iterative"
    with pytest.raises(PictureError, match=f"^{role}: "):
        stylizer.request(**given)


def test_a_broken_card_is_named(stylizer: Stylizer) -> None:
    with pytest.raises(StyleError, match=r"^style: this is not a style card"):
        stylizer.request(PHOTO, b"{}")


def test_of_a_mix_the_number_is_told(stylizer: Stylizer) -> None:
    good = Style.from_picture(PHOTO)
    with pytest.raises(PictureError, match=r"^style 2 of 3: the picture cannot be read as PNG"):
        stylizer.request(PHOTO, {good: 1.0, TORN: 2.0, "starry-night": 1.0})
    # A name says so by itself.
    with pytest.raises(UnknownStyle, match=r"^no style is named .nobody."):
        stylizer.request(PHOTO, {good: 1.0, "nobody": 1.0})


def test_of_regions_number_and_role_are_told(stylizer: Stylizer) -> None:
    for regions, which in (
        ([(PHOTO, "udnie"), (TORN, "udnie")], "^the mask of region 2: "),
        ([(PHOTO, TORN)], "^the style of region 1: "),
    ):
        with pytest.raises(PictureError, match=which):
            stylizer.request(PHOTO, "udnie", engine="iterative", regions=regions)


def test_of_a_cards_paintings_the_number_is_told(stylizer: Stylizer) -> None:
    with pytest.raises(PictureError, match=r"^picture 2 of 2: "):
        stylizer.card("mine", [Picture.open(PHOTO), TORN])


@pytest.mark.parametrize("error", [PictureError("torn"), StyleError("torn"), MissingExtra("reading it", "heif")])
def test_an_error_keeps_its_class_and_its_words(error: ImpastoError) -> None:
    before = str(error)
    with pytest.raises(type(error)) as told, naming_errors("style", 2, of=3):
        raise error
    assert told.value is error
    assert str(error) == f"style 2 of 3: {before}"
    assert error.args[0] == str(error)
