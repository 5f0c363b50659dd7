"""What a caller has in hand: arrays of one meaning, Pillow images that were turned since, and masks nearly black."""

from __future__ import annotations

import io
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pictures import noise, saved
from PIL import ExifTags, Image, ImageOps

from impasto.errors import PictureError
from impasto.picture import Picture
from impasto.request import Request
from impasto.styles import Style

Array = np.ndarray[Any, np.dtype[Any]]
BLOCKS = np.kron(noise(3, 2, seed=4), np.ones((16, 16, 1), np.uint8))
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


# --- arrays


@given(
    st.sampled_from(["?", "u1", "<u2", ">u2", "<f2", ">f4", "<f8", ">f8"]),
    st.sampled_from([None, 1, 2, 3, 4]),
    st.booleans(),
)
def test_arrays_of_one_meaning(kind: str, channels: int | None, backwards: bool) -> None:
    dtype = np.dtype(kind)
    shape = (5, 7) if channels is None else (5, 7, channels)
    plain = np.random.default_rng(1).integers(0, 65536 if kind.endswith("u2") else 256, shape)
    array = plain > 127 if kind == "?" else (plain / 255).astype(dtype) if dtype.kind == "f" else plain.astype(dtype)
    right = (plain > 127) * 255 if kind == "?" else plain
    if backwards:
        array, right = array[::-1, ::-1], right[::-1, ::-1]
    array.flags.writeable = False
    picture = Picture.from_array(array)
    assert picture.pixels.dtype == (np.uint16 if kind.endswith("u2") else np.uint8)
    assert picture.pixels.dtype.isnative
    colour = right[..., None] if channels is None else right[..., : 1 if channels < 3 else 3]
    assert np.abs(picture.pixels.astype(int) - colour).max() <= (1 if kind == "<f2" else 0)
    assert (picture.alpha is not None) == (channels in (2, 4))
    if picture.alpha is not None:
        assert np.abs(picture.alpha.astype(int) - right[..., -1]).max() <= (1 if kind == "<f2" else 0)


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((4, 4, 5), np.uint8),
        np.zeros((1, 4, 4, 3), np.uint8),
        np.zeros(4, np.uint8),
        np.zeros((4, 4, 0), np.uint8),
        np.zeros((4, 4), np.int64),
        np.zeros((4, 4), np.uint32),
        np.zeros((4, 4), np.complex64),
        np.zeros((4, 4), ">i2"),
    ],
)
def test_arrays_of_several_meanings_are_refused(array: Array) -> None:
    with pytest.raises(PictureError, match="the array"):
        Picture.from_array(array)


# --- Pillow images


def photograph(orientation: int, *, sizes: bool, square: bool = False) -> Image.Image:
    """As a camera writes it: pixels as the sensor saw them, and how it was held."""
    image = Image.fromarray(BLOCKS[:, :32] if square else BLOCKS)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    if sizes:
        inner = exif.get_ifd(ExifTags.IFD.Exif)
        inner[ExifTags.Base.ExifImageWidth], inner[ExifTags.Base.ExifImageHeight] = image.size
    return Image.open(io.BytesIO(saved(image, "webp", exif=exif)))


@pytest.mark.parametrize("orientation", TURNS)
def test_a_photograph_turned_by_hand_is_not_turned_again(orientation: int) -> None:
    image = photograph(orientation, sizes=True)
    upright = np.asarray(ImageOps.exif_transpose(image))
    turned = image.transpose(TURNS[orientation])
    assert turned.getexif()[ExifTags.Base.Orientation] == orientation
    if orientation > 4:
        assert (Picture.from_pil(turned).pixels == upright).all()
        assert (Picture.from_pil(turned.resize((64, 96))).size) == (64, 96)
        assert (Picture.of(turned).pixels == upright).all()
    else:
        with pytest.warns(UserWarning, match=f"orientation {orientation}, which is applied"):
            Picture.from_pil(turned)


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
def test_one_that_was_only_changed_otherwise_is_turned(orientation: int) -> None:
    image = photograph(orientation, sizes=True)
    upright = ImageOps.exif_transpose(image)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for changed in (image, image.copy(), image.convert("RGBA"), image.resize((24, 16), Image.Resampling.NEAREST)):
            right = np.asarray(upright.convert("RGB").resize(changed.size[::-1], Image.Resampling.NEAREST))
            assert (Picture.from_pil(changed).pixels == right).all()


@pytest.mark.parametrize(
    "changed",
    [
        lambda: photograph(6, sizes=False).copy(),
        lambda: photograph(6, sizes=True, square=True).copy(),
        lambda: photograph(6, sizes=True).crop((0, 0, 30, 30)),
    ],
)
def test_where_the_sizes_tell_nothing_it_is_turned_with_a_warning(changed: Any) -> None:
    image = changed()
    with pytest.warns(UserWarning, match=r"exif_transpose") as caught:
        picture = Picture.from_pil(image)
    assert (picture.pixels == np.rot90(np.asarray(image), -1)).all()
    assert caught[0].filename == __file__


def test_one_whose_tag_was_seen_to_is_taken_as_it_is() -> None:
    image = photograph(6, sizes=False)
    upright = ImageOps.exif_transpose(image)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert (Picture.from_pil(upright).pixels == np.asarray(upright)).all()
        assert (Picture.from_pil(image).pixels == np.asarray(upright)).all()


# --- masks

STYLE = Style.of(Picture.from_array(np.full((8, 8, 3), 99, np.uint8)))
CONTENT = Picture.from_array(noise(8, 8))


def mask(values: Any) -> Picture:
    return Picture.from_array(np.asarray(values))


@pytest.mark.parametrize("nearly_black", [mask(np.eye(8, dtype=np.uint8)), mask(np.eye(8).astype(np.uint16) * 255)])
def test_a_mask_of_0_and_1_is_warned_of(nearly_black: Picture) -> None:
    with pytest.warns(UserWarning, match=r"the mask's brightest value is (1 of 255|255 of 65535)") as caught:
        Request(content=CONTENT, style=STYLE, mask=nearly_black)
    assert caught[0].filename == __file__


def test_other_masks_are_not() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for good in (np.eye(8, dtype=bool), np.eye(8), np.zeros((8, 8), np.uint8), np.eye(8, dtype=np.uint8) * 255):
            Request(content=CONTENT, style=STYLE, mask=mask(good))
    assert (mask(np.eye(8, dtype=bool)).pixels == mask(np.eye(8)).pixels).all()
