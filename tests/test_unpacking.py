"""Unpacking: every mode, every depth, every orientation, and what is kept besides pixels."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import noise, saved
from PIL import Image, ImageCms, ImageOps

from impasto.errors import PictureError
from impasto.picture import Picture
from impasto.picture.icc.profile import srgb
from impasto.picture.raster import Raster
from impasto.picture.reading import read

LIMIT = 1_000_000


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def swapped_profile() -> bytes:
    """sRGB with the red and green primaries exchanged: what it calls red is green."""
    return srgb().replace(b"rXYZ", b"....", 1).replace(b"gXYZ", b"rXYZ", 1).replace(b"....", b"gXYZ", 1)


# --- modes


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "CMYK", "YCbCr", "HSV", "RGBX"])
def test_opaque_modes(mode: str) -> None:
    image = Image.fromarray(noise(31, 17)).convert(mode)
    picture = Picture.from_pil(image)
    assert picture.alpha is None
    assert picture.format is None
    assert (picture.pixels == np.asarray(image.convert("RGB"))).all()


def test_lab() -> None:
    colours = np.kron(np.array([[[200, 60, 40], [90, 160, 90]]], np.uint8), np.ones((4, 4, 1), np.uint8))
    image = Image.fromarray(colours)
    srgb_, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    image = ImageCms.profileToProfile(image, srgb_, lab, outputMode="LAB") or image
    for profile_ in (image.info["icc_profile"], b""):
        image.info["icc_profile"] = profile_
        assert np.abs(Picture.from_pil(image).pixels.astype(int) - colours).max() <= 3


@pytest.mark.parametrize("mode", ["LA", "La", "PA", "RGBA", "RGBa"])
def test_modes_with_alpha(mode: str) -> None:
    rgba = Image.fromarray(noise(31, 17, 4))
    steps = {"La": ["LA", "La"], "PA": ["P", "PA"], "RGBA": []}.get(mode, [mode])
    image = rgba
    for step in steps:
        image = image.convert(step)
    if mode == "PA":
        image.putalpha(rgba.getchannel("A"))
    picture = Picture.from_pil(image)
    expected = image.convert("LA").convert("RGBA") if mode == "La" else image.convert("RGBA")
    assert picture.alpha is not None
    assert (picture.to_array() == np.asarray(expected)).all()


def test_an_image_is_not_changed_by_taking_it_over() -> None:
    image = Image.fromarray(noise(9, 9)).convert("P")
    image.info["transparency"] = 3
    before = (image.tobytes(), dict(image.info), image.mode)
    Picture.from_pil(image)
    assert (image.tobytes(), dict(image.info), image.mode) == before


def test_alpha_that_hides_nothing_is_dropped() -> None:
    image = Image.fromarray(noise(9, 9))
    image.putalpha(255)
    assert Picture.from_pil(image).alpha is None


def test_transparency_of_palettes() -> None:
    image = Image.fromarray(np.array([[0, 1, 2]], np.uint8))
    image.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    for transparency, alpha in ((1, [255, 0, 255]), (b"\x00\x80\xff", [0, 128, 255])):
        picture = read(saved(image, "png", transparency=transparency), max_pixels=LIMIT)
        assert picture.alpha is not None
        assert picture.alpha.tolist() == [alpha]
        assert picture.pixels.tolist() == [[[255, 0, 0], [0, 255, 0], [0, 0, 255]]]


def test_transparent_colour_keys() -> None:
    rgb = np.array([[[1, 2, 3], [1, 2, 4]]], np.uint8)
    cases = [
        (saved(Image.fromarray(rgb), "png", transparency=(1, 2, 3)), 255),
        (saved(Image.fromarray(rgb[..., 2]), "png", transparency=3), 255),
        (saved(Image.fromarray(np.array([[0, 255]], np.uint8)).convert("1"), "png", transparency=0), 255),
        (saved(Image.fromarray(np.array([[300, 301]], np.uint16)), "png", transparency=300), 65535),
        (raw_png(2, 1, 4, 0, b"\x00\x37", tRNS=b"\0\3"), 255),
        (
            raw_png(
                2,
                1,
                16,
                2,
                b"\0" + struct.pack(">6H", 256, 512, 768, 256, 512, 1024),
                tRNS=struct.pack(">3H", 256, 512, 768),
            ),
            255,
        ),
    ]
    for data, peak in cases:
        picture = read(data, max_pixels=LIMIT)
        assert picture.alpha is not None
        assert picture.alpha.tolist() == [[0, peak]]


def raw_png(width: int, height: int, bits: int, color: int, rows: bytes, **chunks: bytes) -> bytes:
    parts = [b"\x89PNG\r\n\x1a\n", chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, color, 0, 0, 0))]
    parts += [chunk(name.encode(), data) for name, data in chunks.items()]
    return b"".join([*parts, chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")])


def test_sixteen_bit_grey_keeps_its_depth() -> None:
    deep = np.arange(0, 65536, 97).astype(np.uint16).reshape(26, 26)
    sources: list[Raster] = [read(saved(Image.fromarray(deep), f), max_pixels=LIMIT) for f in ("png", "tiff")]
    big_endian = io.BytesIO()
    tifffile.imwrite(big_endian, deep, byteorder=">", metadata=None)
    sources.append(read(big_endian.getvalue(), max_pixels=LIMIT))
    sources.append(Picture.from_pil(Image.fromarray(deep.astype(np.int32))))
    sources.append(Picture.from_pil(Image.fromarray(deep.astype(np.float32))))
    sources.append(Picture.from_pil(Image.fromarray((deep / 65535).astype(np.float32))))
    for picture in sources:
        assert picture.pixels.dtype == np.uint16
        assert (picture.pixels == deep[..., None]).all()


def test_grey_of_other_ranges() -> None:
    for values, dtype in (([0, 128, 255], np.int32), ([0, 128, 255], np.float32)):
        pixels = Picture.from_pil(Image.fromarray(np.array([values], dtype))).pixels
        assert pixels[0, :, 0].tolist() == [0, 128 * 257, 65535]
    far = Picture.from_pil(Image.fromarray(np.array([[-100, 0, 100_000 - 100]], np.int32))).pixels
    assert far[0, :, 0].tolist() == [0, 66, 65535]
    flat = Picture.from_pil(Image.fromarray(np.full((2, 2), -5, np.float32))).pixels
    assert (flat == flat[0, 0]).all()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_floats_that_are_not_finite(value: float) -> None:
    for at in (0, 3):
        array = np.zeros((2, 2), np.float32)
        array.flat[at] = value
        with pytest.raises(PictureError, match="finite"):
            Picture.from_pil(Image.fromarray(array))


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize(
    "options", [{}, {"compression": "zlib", "predictor": 2}, {"byteorder": ">"}, {"tile": (16, 16)}]
)
@pytest.mark.parametrize("orientation", [1, 6])
def test_sixteen_bit_colour_tiff(channels: int, options: dict[str, Any], orientation: int) -> None:
    deep = np.random.default_rng(1).integers(0, 65536, (20, 30, channels), dtype=np.uint16)
    file = io.BytesIO()
    extra = None if channels == 3 else ["unassalpha"]
    tags = [(274, 3, 1, orientation, True)]
    tifffile.imwrite(file, deep, photometric="rgb", extrasamples=extra, metadata=None, extratags=tags, **options)
    picture = read(file.getvalue(), max_pixels=LIMIT)
    assert (picture.to_array() == (np.rot90(deep, -1) if orientation == 6 else deep)).all()


# --- orientation


@pytest.mark.parametrize("orientation", range(10))
@pytest.mark.parametrize("format_", ["png", "jpeg", "webp", "tiff", "avif"])
def test_orientation(format_: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[274] = orientation
    exif[271] = "Maker"
    blocks = np.kron(noise(3, 2, seed=4), np.ones((16, 16, 1), np.uint8))
    image = Image.fromarray(blocks)
    options = {} if format_ == "webp" else {"quality": 95} if format_ in ("jpeg", "avif") else {}
    if format_ == "avif" and orientation not in range(1, 9):
        pytest.skip("Pillow does not write it")
    picture = read(saved(image, format_, exif=exif, **options), max_pixels=LIMIT)
    marked = image.copy()
    if 1 <= orientation <= 8:
        marked.getexif()[274] = orientation
    upright = np.asarray(ImageOps.exif_transpose(marked), np.int16)
    assert picture.pixels.shape == upright.shape
    assert np.abs(picture.pixels[8::16, 8::16] - upright[8::16, 8::16]).max() < (
        40 if format_ in ("jpeg", "avif") else 1
    )
    kept = Image.Exif()
    kept.load(picture.metadata.exif)
    assert kept.get(274) == 1
    assert kept[271] == "Maker"


def test_orientation_in_xmp_is_applied_and_reset() -> None:
    xmp = b'<x:xmpmeta><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    picture = read(saved(Image.new("RGB", (8, 4)), "jpeg", xmp=xmp), max_pixels=LIMIT)
    assert picture.size == (4, 8)
    assert picture.metadata.xmp == xmp.replace(b"6", b"1")


@settings(max_examples=80, deadline=None)
@given(
    st.integers(1, 97),
    st.integers(1, 61),
    st.sampled_from(["1", "L", "P", "RGB", "LA", "RGBA"]),
    st.integers(1, 8),
    st.sampled_from(["png", "tiff", "webp", "gif", "bmp"]),
)
def test_any_size_mode_and_orientation(width: int, height: int, mode: str, orientation: int, format_: str) -> None:
    image = Image.fromarray(noise(width, height, 4)).convert("RGB" if mode in ("1", "P") else mode).convert(mode)
    if format_ in ("gif", "bmp") and mode in ("LA", "RGBA"):
        image = image.convert("RGB")
    exif = Image.Exif()
    exif[274] = orientation
    data = saved(image, format_, **({} if format_ in ("gif", "bmp") else {"exif": exif}))
    reference = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGBA")
    picture = read(data, max_pixels=LIMIT)
    assert picture.size == reference.size
    expected = np.asarray(reference)
    assert (picture.pixels == expected[..., :3]).all()
    assert (expected[..., 3] == (255 if picture.alpha is None else picture.alpha)).all()


def test_strips_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    exif = Image.Exif()
    exif[274] = 8
    data = saved(Image.fromarray(noise(37, 23, 4)), "png", exif=exif, icc_profile=swapped_profile())
    whole = read(data, max_pixels=LIMIT)
    monkeypatch.setattr("impasto.picture.pillow_modes._STRIP", 80)
    assert (read(data, max_pixels=LIMIT).to_array() == whole.to_array()).all()


# --- metadata


def test_what_is_kept_of_the_metadata() -> None:
    exif = Image.Exif()
    exif[274] = 3
    exif.get_ifd(0x8825)[1] = "N"
    exif.get_ifd(0x8769)[0x829A] = 0.5
    picture = read(saved(Image.new("RGB", (4, 4)), "jpeg", exif=exif, dpi=(150, 150), xmp=b"<x/>"), max_pixels=LIMIT)
    kept = Image.Exif()
    kept.load(picture.metadata.exif)
    assert kept.get_ifd(0x8825)[1] == "N"
    assert kept.get_ifd(0x8769)[0x829A] == 0.5
    assert picture.metadata.xmp == b"<x/>"
    assert picture.metadata.dpi == (150, 150)


def test_of_a_tiff_only_what_describes_is_kept() -> None:
    picture = read(saved(Image.new("RGB", (4, 4)), "tiff", tiffinfo={270: "A harbour"}), max_pixels=LIMIT)
    kept = Image.Exif()
    kept.load(picture.metadata.exif)
    assert kept[270] == "A harbour"
    assert 273 not in kept
    assert 256 not in kept
