"""Colour profiles: those that must change the pixels, and those that must not."""

from __future__ import annotations

import io
import struct

import numpy as np
import tifffile
from pictures import noise, saved
from PIL import Image

from impasto.picture.icc.profile import srgb
from impasto.picture.reading import read

LIMIT = 1_000_000


# --- colour profiles


def swapped_profile() -> bytes:
    """sRGB with the red and green primaries exchanged: what it calls red is green."""
    return srgb().replace(b"rXYZ", b"....", 1).replace(b"gXYZ", b"rXYZ", 1).replace(b"....", b"gXYZ", 1)


def profile(kind: bytes, space: bytes, connection: bytes, tags: dict[bytes, bytes]) -> bytes:
    table, body = struct.pack(">I", len(tags)), b""
    at = 128 + 4 + 12 * len(tags)
    for name, data in tags.items():
        data += b"\0" * (-len(data) % 4)
        table += name + struct.pack(">II", at + len(body), len(data))
        body += data
    head = struct.pack(">I4sI4s4s4s", 0, b"lcms", 0x02400000, kind, space, connection)
    head += struct.pack(">6H", 2000, 1, 1, 0, 0, 0) + b"acsp" + b"\0" * 28 + struct.pack(">3i", 63190, 65536, 54061)
    whole = head.ljust(128, b"\0") + table + body
    return struct.pack(">I", len(whole)) + whole[4:]


def gray_profile() -> bytes:
    """Linear light: middle grey is far brighter than in sRGB."""
    white = b"XYZ \0\0\0\0" + struct.pack(">3i", 63190, 65536, 54061)
    return profile(b"mntr", b"GRAY", b"XYZ ", {b"wtpt": white, b"kTRC": b"curv\0\0\0\0\0\0\0\0"})


def cmyk_profile() -> bytes:
    """Cyan ink looks strong red; black and paper are as usual."""
    identity = bytes(range(256))
    lab = {(0, 0): (255, 128, 128), (1, 0): (136, 208, 195)}
    nodes = b"".join(bytes(lab.get((n >> 3 & 1, n & 1), (0, 128, 128))) for n in range(16))
    lut = b"mft1\0\0\0\0" + bytes([4, 3, 2, 0]) + struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 65536)
    white = b"XYZ \0\0\0\0" + struct.pack(">3i", 63190, 65536, 54061)
    return profile(b"prtr", b"CMYK", b"Lab ", {b"wtpt": white, b"A2B0": lut + identity * 4 + nodes + identity * 3})


def test_a_swapped_profile_swaps_the_colours() -> None:
    image = Image.fromarray(
        np.array([[[255, 0, 0, 10], [0, 255, 0, 200], [0, 0, 255, 255], [90, 90, 90, 0]]], np.uint8)
    )
    for data in (saved(image, f, icc_profile=swapped_profile()) for f in ("png", "webp", "tiff")):
        picture = read(data, max_pixels=LIMIT)
        expected = [[0, 255, 0], [255, 0, 0], [0, 0, 255], [90, 90, 90]]
        assert np.abs(picture.pixels[0].astype(int) - expected).max() <= 3
        assert picture.alpha is not None
        assert picture.alpha.tolist() == [[10, 200, 255, 0]]


def test_a_palette_has_colours_too() -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([255, 0, 0])
    picture = read(saved(image, "png", icc_profile=swapped_profile()), max_pixels=LIMIT)
    assert np.abs(picture.pixels[0, 0].astype(int) - (0, 255, 0)).max() <= 3


def test_grey_and_cmyk_profiles() -> None:
    linear = saved(Image.new("LA", (2, 2), (128, 77)), "tiff", icc_profile=gray_profile())
    picture = read(linear, max_pixels=LIMIT)
    assert np.abs(picture.pixels.astype(int) - 188).max() <= 2
    assert picture.alpha is not None
    assert (picture.alpha == 77).all()
    deep = read(saved(Image.new("I;16", (2, 2), 128 * 257), "png", icc_profile=gray_profile()), max_pixels=LIMIT)
    assert (deep.pixels == picture.pixels).all()
    for format_, options in (("tiff", {}), ("jpeg", {"quality": 100})):
        cyan = saved(Image.new("CMYK", (8, 8), (255, 0, 0, 0)), format_, icc_profile=cmyk_profile(), **options)
        red, green, blue = (int(v) for v in read(cyan, max_pixels=LIMIT).pixels[4, 4])
        assert red > 200
        assert max(green, blue) < 60


def test_profiles_that_must_not_matter() -> None:
    array = noise(16, 16)
    useless = [srgb(), b"rubbish", b"", swapped_profile()[:200], gray_profile(), cmyk_profile(), srgb() + b"\0"]
    for icc in useless:
        picture = read(saved(Image.fromarray(array), "png", icc_profile=icc), max_pixels=LIMIT)
        assert (picture.pixels == array).all()
    gray = saved(Image.fromarray(array[..., 0]), "png", icc_profile=swapped_profile())
    assert (read(gray, max_pixels=LIMIT).pixels == array[..., :1]).all()


def test_sixteen_bits_with_a_profile_get_the_right_colours() -> None:
    deep = np.zeros((4, 4, 3), np.uint16)
    deep[..., 0] = 65535
    for icc, expected, dtype in ((swapped_profile(), (0, 255, 0), np.uint8), (srgb(), (65535, 0, 0), np.uint16)):
        file = io.BytesIO()
        tifffile.imwrite(file, deep, photometric="rgb", iccprofile=icc, metadata=None)
        picture = read(file.getvalue(), max_pixels=LIMIT)
        assert picture.pixels.dtype == dtype
        assert np.abs(picture.pixels[0, 0].astype(int) - expected).max() <= 3
