"""Resolution is neither camera, date nor place: it is kept whether metadata are or not."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import noise, saved
from PIL import ExifTags, Image
from tiffs import tiff

from impasto.picture import Picture
from impasto.picture.raster import Metadata
from impasto.picture.reading import read
from impasto.picture.writing import WRITABLE, encode

LIMIT = 1_000_000
OPTIONS: dict[str, Any] = {"quality": 90, "settings": {"style": "udnie"}}


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(WRITABLE), st.sampled_from([(300, 300), (72, 144), (1200, 600)]), st.booleans(), st.booleans())
def test_every_format_keeps_it(format_: str, dpi: tuple[int, int], keep: bool, deep: bool) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "Maker"
    exif.get_ifd(ExifTags.IFD.GPSInfo)[1] = "N"
    picture = Picture(noise(16, 12), metadata=Metadata(exif.tobytes(), b"<x:xmpmeta/>", dpi))
    bits = 16 if deep and format_ in ("png", "tiff") else 8
    data = encode(picture, format_, bits=bits, keep_metadata=keep, **OPTIONS)
    found = read(data, max_pixels=LIMIT).metadata
    assert found.dpi == pytest.approx(dpi, abs=0.02)
    assert (b"Maker" in data) == keep
    assert (b"xmpmeta" in data) == keep


def test_where_there_is_none_none_is_made_up() -> None:
    for format_ in WRITABLE:
        data = encode(Picture(noise(16, 12)), format_, bits=8, keep_metadata=False, **OPTIONS)
        assert read(data, max_pixels=LIMIT).metadata.dpi in (None, (1, 1)), format_


def test_every_format_is_asked_for_it() -> None:
    image = Image.fromarray(noise(16, 12))
    exif = Image.Exif()
    exif[ExifTags.Base.XResolution], exif[ExifTags.Base.YResolution] = 300.0, 150.0
    exif[ExifTags.Base.ResolutionUnit] = 2
    sources = [saved(image, f, dpi=(300, 150)) for f in ("png", "jpeg", "tiff", "bmp")]
    sources += [saved(image, f, exif=exif) for f in ("webp", "avif", "jpeg")]
    sources += [tiff(np.asarray(image), resolution=(300 / 2.54, 150 / 2.54), resolutionunit="centimeter")]
    for data in sources:
        assert read(data, max_pixels=LIMIT).metadata.dpi == pytest.approx((300, 150), abs=0.5)
    assert read(tiff(np.asarray(image), resolution=(3, 2), resolutionunit=1), max_pixels=LIMIT).metadata.dpi is None
    assert Picture.from_pil(Image.open(io.BytesIO(sources[0]))).metadata.dpi == pytest.approx((300, 150), abs=0.5)


@pytest.mark.parametrize("dpi", [(0, 0), (-1, 300), (1e9, 1e9), (float("nan"), 1)])
def test_one_that_no_format_holds_is_left_out(dpi: tuple[float, float]) -> None:
    for format_ in WRITABLE:
        picture = Picture(noise(16, 12), metadata=Metadata(dpi=dpi))
        data = encode(picture, format_, bits=8, keep_metadata=False, **OPTIONS)
        assert read(data, max_pixels=LIMIT).metadata.dpi in (None, (1, 1)), format_
