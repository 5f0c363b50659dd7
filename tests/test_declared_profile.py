"""Colours stated by other means than an ICC profile; Little CMS, given a profile that says the same, judges."""

from __future__ import annotations

import contextlib
import io
import struct
import zlib
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import noise, saved
from PIL import ExifTags, Image, ImageCms
from test_profile import gray_profile, profile
from tiffs import by_hand, tiff

from impasto.errors import PictureError
from impasto.picture import Picture
from impasto.picture.icc.color_space import cicp_color_space
from impasto.picture.icc.declared_profile import declared_profile
from impasto.picture.icc.profile import srgb
from impasto.picture.raster import Raster
from impasto.picture.reading import read

LIMIT = 1_000_000
Array = np.ndarray[Any, np.dtype[Any]]
PIXELS = np.kron(noise(12, 9, seed=5), np.ones((8, 8, 1), np.uint8))
SPACES = {
    # Red, green and blue in XYZ under D50, as they are published.
    "srgb": ((0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.71410)),
    "adobe": ((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457)),
    "p3": ((0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407)),
    "bt2020": ((0.67348, 0.27904, -0.00193), (0.16566, 0.67534, 0.02998), (0.12505, 0.04561, 0.79686)),
}
CODES = {1: "srgb", 9: "bt2020", 12: "p3"}


def fixed(*values: float) -> bytes:
    return struct.pack(f">{len(values)}i", *(round(v * 65536) for v in values))


def power(gamma: float) -> bytes:
    return b"para\0\0\0\0\0\0\0\0" + fixed(gamma)


def bent(gamma: float, a: float, slope: float, end: float) -> bytes:
    """((v + a) / (1 + a)) ** gamma, below ``end`` v / slope."""
    return b"para\0\0\0\0\0\3\0\0" + fixed(gamma, 1 / (1 + a), a / (1 + a), 1 / slope, end)


CURVES = {
    1: bent(1 / 0.45, 0.099, 4.5, 0.081),
    4: power(2.2),
    8: power(1.0),
    13: bent(2.4, 0.055, 12.92, 0.04045),
}


def judged(space: str, curve: bytes, array: Array = PIXELS) -> Array:
    """What Little CMS makes of pixels in a space."""
    tags = {b"wtpt": b"XYZ \0\0\0\0" + fixed(0.9642, 1, 0.8249)}
    for name, xyz in zip("rgb", SPACES[space], strict=True):
        tags[f"{name}XYZ".encode()] = b"XYZ \0\0\0\0" + fixed(*xyz)
        tags[f"{name}TRC".encode()] = curve
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile(b"mntr", b"RGB ", b"XYZ ", tags)))
    target = ImageCms.ImageCmsProfile(io.BytesIO(srgb()))
    intent, flags = ImageCms.Intent.RELATIVE_COLORIMETRIC, ImageCms.Flags.BLACKPOINTCOMPENSATION
    done = ImageCms.profileToProfile(Image.fromarray(array), source, target, intent, flags=flags)
    assert done is not None
    return np.asarray(done, np.int16)


def picture(data: bytes) -> Raster:
    return read(data, max_pixels=LIMIT)


def far(found: Raster | Array, right: Array) -> float:
    pixels = found.as_type(np.dtype(np.uint8)).pixels if isinstance(found, Raster) else found
    return float(np.abs(pixels.astype(int) - right).max())


# --- EXIF


def camera(**tags: Any) -> Image.Exif:
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "Maker"
    inner = exif.get_ifd(ExifTags.IFD.Exif)
    if "space" in tags:
        inner[ExifTags.Base.ColorSpace] = tags["space"]
    if "index" in tags:
        inner[ExifTags.IFD.Interop] = {1: tags["index"], 2: b"0100"}
    return exif


@pytest.mark.parametrize("format_", ["jpeg", "webp", "png", "avif"])
@pytest.mark.parametrize("tags", [{"space": 65535, "index": "R03"}, {"index": "R03"}, {"space": 2}])
def test_cameras_that_say_adobe_rgb(format_: str, tags: dict[str, Any]) -> None:
    options = {"quality": 100, "subsampling": "4:4:4"} if format_ in ("jpeg", "avif") else {}
    plain = saved(Image.fromarray(PIXELS), format_, **options)
    if format_ == "avif":
        plain, options = with_nclx(plain, 2, 2), options
    said = saved(Image.fromarray(PIXELS), format_, exif=camera(**tags), **options)
    said = with_nclx(said, 2, 2) if format_ == "avif" else said
    stored = picture(plain).pixels
    assert far(picture(said), judged("adobe", power(563 / 256), np.ascontiguousarray(stored))) <= 2
    assert far(stored, judged("adobe", power(563 / 256))) > 20


def test_a_tiff_that_says_adobe_rgb() -> None:
    height, width = PIXELS.shape[:2]
    tags = {256: (width,), 257: (height,), 258: (8, 8, 8), 259: (1,), 262: (2,), 277: (3,), 278: (height,)}
    at = len(by_hand({**tags, 34665: (0,)}, [PIXELS.tobytes()]))
    directories = struct.pack("<HHHIII", 1, 0xA005, 4, 1, at + 18, 0)
    directories += struct.pack("<HHHI4sI", 1, 1, 2, 4, b"R03", 0)
    found = picture(by_hand({**tags, 34665: (at,)}, [PIXELS.tobytes()]) + directories)
    assert far(found, judged("adobe", power(563 / 256))) <= 2


@pytest.mark.parametrize("tags", [{"space": 1}, {"space": 1, "index": "R98"}, {"space": 65535, "index": "R98"}])
def test_cameras_that_say_srgb(tags: dict[str, Any]) -> None:
    assert (picture(saved(Image.fromarray(PIXELS), "webp", exif=camera(**tags))).pixels == PIXELS).all()


def test_a_profile_counts_before_exif() -> None:
    exif = camera(space=65535, index="R03")
    data = saved(Image.fromarray(PIXELS), "webp", exif=exif, icc_profile=srgb())
    assert (picture(data).pixels == PIXELS).all()


def test_what_is_kept_of_exif_says_srgb() -> None:
    found = picture(saved(Image.fromarray(PIXELS), "webp", exif=camera(space=65535, index="R03")))
    kept = Image.Exif()
    kept.load(found.metadata.exif)
    inner = kept.get_ifd(ExifTags.IFD.Exif)
    assert inner[ExifTags.Base.ColorSpace] == 1
    assert ExifTags.IFD.Interop not in inner


def test_a_pillow_image_says_it_too() -> None:
    data = saved(Image.fromarray(PIXELS), "webp", exif=camera(index="R03"))
    found = Picture.from_pil(Image.open(io.BytesIO(data)))
    assert far(found, judged("adobe", power(563 / 256))) <= 2
    converted = Picture.from_pil(Image.open(io.BytesIO(data)).convert("RGB"))
    assert (converted.pixels == found.pixels).all()


def test_the_tags_of_tiff() -> None:
    points = [(64, 100), (33, 100), (21, 100), (71, 100), (15, 100), (6, 100)]
    white = [(3127, 10000), (3290, 10000)]
    table = np.rint((np.arange(256) / 255) ** 1.8 * 65535).astype(int).tolist()
    tags = [
        (318, 5, 2, sum(white, ()), True),
        (319, 5, 6, sum(points, ()), True),
        (301, 3, 256 * 3, table * 3, True),
    ]
    data = tiff(PIXELS, photometric="rgb", extratags=tags)
    assert far(picture(data), judged("adobe", power(1.8))) <= 2


# --- PNG


def png(*chunks: tuple[bytes, bytes], mode: str = "RGB", **options: Any) -> bytes:
    data = saved(Image.fromarray(PIXELS).convert(mode), "png", **options)
    made = [struct.pack(">I", len(body)) + kind + body for kind, body in chunks]
    return data[:33] + b"".join(c + struct.pack(">I", zlib.crc32(c[4:])) for c in made) + data[33:]


def chrm(*points: float) -> tuple[bytes, bytes]:
    return b"cHRM", struct.pack(">8I", *(round(p * 100_000) for p in points))


def gama(gamma: float) -> tuple[bytes, bytes]:
    return b"gAMA", struct.pack(">I", round(gamma * 100_000))


ADOBE = chrm(0.3127, 0.3290, 0.64, 0.33, 0.21, 0.71, 0.15, 0.06)
P3 = chrm(0.3127, 0.3290, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060)
CICP = (b"cICP", bytes([12, 13, 0, 1]))


@pytest.mark.parametrize(
    ("chunks", "space", "curve"),
    [
        ([gama(1.0)], "srgb", power(1.0)),
        ([gama(1 / 1.8)], "srgb", power(1.8)),
        ([gama(256 / 563), ADOBE], "adobe", power(563 / 256)),
        ([gama(0.45455), P3], "p3", power(2.2)),
        ([P3], "p3", CURVES[13]),
        ([CICP], "p3", CURVES[13]),
        ([(b"cICP", bytes([9, 1, 0, 1]))], "bt2020", CURVES[1]),
        ([CICP, gama(1.0), ADOBE, (b"sRGB", b"\0")], "p3", CURVES[13]),
    ],
)
def test_png(chunks: list[tuple[bytes, bytes]], space: str, curve: bytes) -> None:
    found = picture(png(*chunks))
    assert far(found, judged(space, curve)) <= 2
    assert far(PIXELS, judged(space, curve)) > 10
    assert (Picture.from_pil(Image.open(io.BytesIO(png(*chunks)))).pixels == found.pixels).all()


def test_png_that_means_srgb() -> None:
    srgb_points = chrm(0.3127, 0.3290, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)
    for chunks in (
        [gama(0.45455)],
        [gama(0.45455), srgb_points],
        [(b"sRGB", b"\0"), gama(1.0)],
        [(b"cICP", bytes([1, 13, 0, 1])), gama(1.0)],
        [chrm(*[0.0] * 8)],
        [gama(0.0)],
    ):
        assert (picture(png(*chunks)).pixels == PIXELS).all(), chunks


def test_the_order_of_png() -> None:
    swapped = srgb().replace(b"rXYZ", b"....", 1).replace(b"gXYZ", b"rXYZ", 1).replace(b"....", b"gXYZ", 1)
    assert far(picture(png(CICP, icc_profile=swapped)), judged("p3", CURVES[13])) <= 2
    assert (picture(png(gama(1.0), icc_profile=srgb())).pixels == PIXELS).all()


@pytest.mark.parametrize("mode", ["L", "LA", "P", "RGBA", "I;16"])
def test_png_of_every_mode(mode: str) -> None:
    chunks = [gama(1.0)]
    if mode == "I;16":
        grey = np.asarray(Image.fromarray(PIXELS).convert("L"))
        data = saved(Image.fromarray(grey.astype(np.uint16) * 257), "png")
        body = b"gAMA" + gama(1.0)[1]
        data = data[:33] + struct.pack(">I", 4) + body + struct.pack(">I", zlib.crc32(body)) + data[33:]
    else:
        data = png(*chunks, mode=mode)
    found = picture(data)
    with Image.open(io.BytesIO(data)) as image:
        plain = image.convert("RGB") if mode != "I;16" else Image.fromarray(grey).convert("RGB")
    linear = judged("srgb", power(1.0), np.asarray(plain))
    assert far(found, linear) <= 2
    if mode == "L":
        assert far(found, np.asarray(picture(png(mode="L", icc_profile=gray_profile())).pixels, np.int16)) <= 2


# --- AVIF


def with_nclx(data: bytes, primaries: int, transfer: int) -> bytes:
    at = data.index(b"colrnclx") + 8
    return data[:at] + struct.pack(">HH", primaries, transfer) + data[at + 4 :]


@settings(max_examples=20, deadline=None)
@given(st.sampled_from(list(CODES)), st.sampled_from(list(CURVES)))
def test_avif(primaries: int, transfer: int) -> None:
    plain = saved(Image.fromarray(PIXELS), "avif", quality=100, subsampling="4:4:4")
    stored = picture(plain).pixels
    assert np.abs(stored.astype(int) - PIXELS).max() < 12
    right = judged(CODES[primaries], CURVES[transfer], np.ascontiguousarray(stored))
    found = picture(with_nclx(plain, primaries, transfer))
    assert far(found, right) <= 2
    assert (
        Picture.from_pil(Image.open(io.BytesIO(with_nclx(plain, primaries, transfer)))).pixels == found.pixels
    ).all()


def test_heif_states_its_colours_as_avif_does() -> None:
    data = with_nclx(saved(Image.fromarray(PIXELS), "avif"), 12, 13)

    class Heif:
        fp, mode = io.BytesIO(data), "RGB"
        info: ClassVar[dict[str, Any]] = {}

    class Decoded:
        info: ClassVar[dict[str, Any]] = {"nclx_profile": {"color_primaries": 12, "transfer_characteristics": 13}}

    space = cicp_color_space(12, 13)
    assert space is not None
    for image in (Heif(), Decoded()):
        assert declared_profile(image, "heif", "RGB") == space.profile("RGB")


def test_a_profile_counts_before_nclx() -> None:
    data = saved(Image.fromarray(PIXELS), "avif", quality=100, subsampling="4:4:4", icc_profile=srgb())
    plain = picture(data).pixels
    assert (picture(with_nclx(data, 9, 8)).pixels == plain).all()


# --- bitmaps


def bitmap(kind: int, gamma: float, points: tuple[tuple[float, ...], ...], icc: bytes = b"") -> bytes:
    rows = PIXELS[::-1, :, ::-1].tobytes()
    height, width = PIXELS.shape[:2]
    header = struct.pack("<IiiHHIIiiII", 124, width, height, 1, 24, 0, len(rows), 0, 0, 0, 0) + bytes(16)
    ends = [round(v * 2**30) for point in points for v in point]
    header += struct.pack("<I9i3I", kind, *ends, *[round(gamma * 65536)] * 3)
    header += struct.pack("<4I", 4, 124 + len(rows), len(icc), 0)
    return b"BM" + struct.pack("<IHHI", 138 + len(rows) + len(icc), 0, 0, 138) + header + rows + icc


def test_bitmaps() -> None:
    adobe_d65 = ((0.57667, 0.29734, 0.02703), (0.18556, 0.62736, 0.07069), (0.18823, 0.07529, 0.99134))
    assert far(picture(bitmap(0, 2.2, adobe_d65)), judged("adobe", power(2.2))) <= 2
    nothing = ((0.0,) * 3,) * 3
    assert (picture(bitmap(0, 2.2, nothing)).pixels == PIXELS).all()
    assert (picture(bitmap(0x73524742, 1.0, adobe_d65)).pixels == PIXELS).all()
    swapped = srgb().replace(b"rXYZ", b"....", 1).replace(b"gXYZ", b"rXYZ", 1).replace(b"....", b"gXYZ", 1)
    right = picture(png(icc_profile=swapped)).pixels
    assert (picture(bitmap(0x4D424544, 0, nothing, swapped)).pixels == right).all()


# --- spaces


@pytest.mark.parametrize("primaries", [1, 4, 5, 6, 7, 8, 9, 11, 12, 22])
@pytest.mark.parametrize("transfer", [1, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18])
def test_every_code_keeps_white_and_black(primaries: int, transfer: int) -> None:
    space = cicp_color_space(primaries, transfer)
    assert space is not None
    light = space.light(np.linspace(0, 1, 300))
    assert (np.diff(light) >= 0).all()
    assert light[0] <= 0.01
    assert light[-1] >= 0.99
    icc = space.profile("RGB")
    ends = np.array([[[0, 0, 0], [255, 255, 255]]], np.uint8)
    found = picture(saved(Image.fromarray(ends), "png", icc_profile=icc))
    assert np.abs(found.pixels.astype(int) - ends).max() <= (16 if transfer in (9, 10) else 1)


def test_reference_white_of_high_dynamic_range() -> None:
    for transfer, value in ((16, 0.5807), (18, 0.75)):
        space = cicp_color_space(9, transfer)
        assert space is not None
        assert space.light(np.array([value]))[0] == pytest.approx(1, abs=0.01)


@given(st.binary(max_size=60))
@settings(deadline=None)
def test_whatever_is_stated_there_is_a_picture(rubbish: bytes) -> None:
    plain = saved(Image.fromarray(PIXELS), "avif", quality=60)
    at = plain.index(b"colrnclx") + 4
    for start in (at, plain.index(b"ipma"), plain.index(b"pitm")):
        broken = plain[:start] + rubbish + plain[start + len(rubbish) :]
        with contextlib.suppress(PictureError):
            assert picture(broken).size == (96, 72)
