"""Writing: what goes into a file, what must not, and how it reaches the disk."""

from __future__ import annotations

import errno
import io
import os
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from impasto.errors import OutputError, OutputExists, RequestError, UnsupportedFormat
from impasto.picture import Picture
from impasto.picture.files import write_atomically
from impasto.picture.provenance import read_settings
from impasto.picture.raster import Metadata
from impasto.picture.writing import WRITABLE, encode, format_of

GPS, EXIF = 0x8825, 0x8769


def random_picture(width: int, height: int, channels: int = 3, dtype: Any = np.uint8, seed: int = 0) -> Picture:
    peak = np.iinfo(dtype).max
    array = np.random.default_rng(seed).integers(0, peak + 1, (height, width, channels)).astype(dtype)
    return Picture.from_array(array)


def smooth_picture(channels: int = 3) -> Picture:
    x, y = np.meshgrid(np.arange(64), np.arange(48))
    array = np.dstack([x * 4, y * 5, 255 - x * 2, 60 + x * 3])[..., :channels].astype(np.uint8)
    return Picture.from_array(array)


def photograph() -> Picture:
    exif = Image.Exif()
    exif[271] = "Maker"
    exif[274] = 1
    exif.get_ifd(EXIF)[0x829A] = 0.5
    exif.get_ifd(GPS)[1] = "N"
    exif.get_ifd(GPS)[2] = (52.0, 30.0, 1.0)
    return replace(
        smooth_picture(), metadata=Metadata(exif.tobytes(), b"<x:xmpmeta>Verona</x:xmpmeta>", (300.0, 300.0))
    )


def encoded(picture: Picture, format_: str, **changes: Any) -> bytes:
    options: dict[str, Any] = {"quality": 95, "bits": 8, "keep_metadata": False, "settings": None, **changes}
    return encode(picture, format_, **options)


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


BOTH = [(f, 8) for f in WRITABLE] + [("png", 16), ("tiff", 16)]


# --- names


@pytest.mark.parametrize(
    ("name", "format_"),
    [
        ("a.png", "png"),
        ("a.JPG", "jpeg"),
        ("a.b.jpeg", "jpeg"),
        ("a.WebP", "webp"),
        ("a.tif", "tiff"),
        ("a.TIFF", "tiff"),
        ("a.avif", "avif"),
    ],
)
def test_the_suffix_names_the_format(name: str, format_: str, tmp_path: Path) -> None:
    assert format_of(name) == format_
    assert format_of(tmp_path / name) == format_


@pytest.mark.parametrize("name", ["a.gif", "a", "a.png.exe", ".png", ""])
def test_other_suffixes(name: str) -> None:
    with pytest.raises(UnsupportedFormat, match=r"\.png, .*\.avif"):
        format_of(name)


def test_what_encode_refuses() -> None:
    picture = smooth_picture()
    with pytest.raises(UnsupportedFormat, match="gif"):
        encoded(picture, "gif")
    with pytest.raises(RequestError, match="png or tiff"):
        encoded(picture, "jpeg", bits=16)
    with pytest.raises(RequestError, match="8 or 16"):
        encoded(picture, "png", bits=12)
    with pytest.raises(OutputError, match="16383"):
        encoded(Picture.from_array(np.zeros((1, 16384), np.uint8)), "webp")


# --- pixels


@pytest.mark.parametrize(("format_", "bits"), BOTH)
@pytest.mark.parametrize("channels", [3, 4])
def test_what_is_written_is_read(format_: str, bits: int, channels: int) -> None:
    picture = smooth_picture(channels)
    image = opened(encoded(picture, format_, bits=bits, quality=98))
    assert image.format == format_.upper()
    assert image.mode == ("RGBA" if channels == 4 and format_ != "jpeg" else "RGB")
    expected = picture.to_array().astype(float)
    if format_ == "jpeg" and channels == 4:
        cover = expected[..., 3:] / 255
        expected = expected[..., :3] * cover + 255 * (1 - cover)
    tolerance = 0.51 if format_ in ("png", "tiff") else 12
    assert np.abs(np.asarray(image) - expected).max() <= tolerance


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 97), st.integers(1, 61), st.sampled_from([3, 4]), st.sampled_from(BOTH))
def test_any_size(width: int, height: int, channels: int, kind: tuple[str, int]) -> None:
    format_, bits = kind
    picture = random_picture(width, height, channels)
    again = Picture.open(encoded(picture, format_, bits=bits))
    assert again.size == (width, height)
    if format_ in ("png", "tiff"):
        assert (again.as_type(np.dtype(np.uint8)).pixels == picture.pixels).all()


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 97), st.integers(1, 61), st.sampled_from([3, 4]))
def test_sixteen_bits_are_exact(width: int, height: int, channels: int) -> None:
    picture = random_picture(width, height, channels, np.uint16)
    assert (Picture.open(encoded(picture, "tiff", bits=16)).to_array()[..., :3] == picture.pixels).all()
    stored = tifffile.imread(io.BytesIO(encoded(picture, "tiff", bits=16)))
    assert stored.dtype == np.uint16
    assert (stored == picture.to_array()).all()
    assert (unpacked_png(encoded(picture, "png", bits=16)) == picture.to_array()).all()


def unpacked_png(data: bytes) -> np.ndarray[Any, Any]:
    """An independent reader of 16-bit PNG with the filters 0, 1 and 2, one row after the other."""
    import struct
    import zlib

    at, packed, header = 8, b"", b""
    while at < len(data):
        (length,), kind = struct.unpack_from(">I", data, at), data[at + 4 : at + 8]
        body = data[at + 8 : at + 8 + length]
        assert struct.unpack_from(">I", data, at + 8 + length)[0] == zlib.crc32(kind + body)
        header = body if kind == b"IHDR" else header
        packed += body if kind == b"IDAT" else b""
        at += 12 + length
    width, height, depth, color = struct.unpack(">IIBB", header[:10])
    assert depth == 16
    pixel = {2: 6, 6: 8}[color]
    raw = np.frombuffer(zlib.decompress(packed), np.uint8).reshape(height, 1 + width * pixel)
    above = np.zeros(width * pixel, np.uint8)
    rows = []
    for line in raw:
        row = line[1:].copy()
        if line[0] == 1:
            row = np.cumsum(row.reshape(width, pixel), axis=0, dtype=np.uint64).astype(np.uint8).ravel()
        else:
            assert line[0] == 2
            row += above
        rows.append(row)
        above = row
    return np.stack(rows).view(">u2").reshape(height, width, pixel // 2).astype(np.uint16)


def test_depth_is_changed_both_ways() -> None:
    picture = random_picture(20, 10, 4)
    wide = tifffile.imread(io.BytesIO(encoded(picture, "tiff", bits=16)))
    assert (wide == picture.to_array().astype(np.uint16) * 257).all()
    narrow = np.asarray(opened(encoded(Picture.from_array(wide), "png")))
    assert (narrow == picture.to_array()).all()


def test_pillow_reads_our_sixteen_bit_png(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("impasto.picture.formats.png16._STRIP", 100)  # so that strips meet in the middle
    for channels in (3, 4):
        picture = random_picture(33, 21, channels, np.uint16)
        data = encoded(picture, "png", bits=16)
        assert (np.asarray(opened(data)) == picture.to_array() >> 8).all()
        assert (unpacked_png(data) == picture.to_array()).all()


def test_colour_is_stored_in_full_from_quality_90() -> None:
    checks = np.indices((32, 32)).sum(axis=0)[..., None] % 2 * np.array([[[255, 0, 255]]]) + [[[0, 128, 0]]]
    picture = Picture.from_array(checks.astype(np.uint8))
    for format_ in ("jpeg", "avif"):
        error = [
            np.abs(np.asarray(opened(encoded(picture, format_, quality=q)), int) - checks).mean() for q in (89, 90)
        ]
        assert error[1] < error[0] / 3


def test_quality_matters_and_bytes_repeat() -> None:
    picture = random_picture(64, 64)
    for format_ in ("jpeg", "webp", "avif"):
        small, large = (encoded(picture, format_, quality=q) for q in (30, 95))
        assert len(small) < len(large)
    for format_, bits in BOTH:
        note = {"model": "m"}
        assert encoded(picture, format_, bits=bits, settings=note) == encoded(
            picture, format_, bits=bits, settings=note
        )


# --- metadata


@pytest.mark.parametrize(("format_", "bits"), BOTH)
def test_always_tagged_srgb(format_: str, bits: int) -> None:
    profile = ImageCms.ImageCmsProfile(
        io.BytesIO(opened(encoded(smooth_picture(), format_, bits=bits)).info["icc_profile"])
    )
    assert "sRGB" in ImageCms.getProfileDescription(profile)


@pytest.mark.parametrize(("format_", "bits"), BOTH)
@pytest.mark.parametrize("note", [None, {"style": "wave"}])
def test_nothing_of_the_source_survives_unless_asked(format_: str, bits: int, note: dict[str, object] | None) -> None:
    data = encoded(photograph(), format_, bits=bits, settings=note)
    exif = opened(data).getexif()
    assert GPS not in exif
    assert not exif.get_ifd(GPS)
    assert 271 not in exif
    for trace in (b"Maker", b"Verona", "Maker".encode("utf-16-le")):
        assert trace not in data


@pytest.mark.parametrize(("format_", "bits"), BOTH)
@pytest.mark.parametrize("note", [None, {"style": "wave"}])
def test_everything_of_the_source_survives_if_asked(format_: str, bits: int, note: dict[str, object] | None) -> None:
    data = encoded(photograph(), format_, bits=bits, keep_metadata=True, settings=note)
    image = Image.open(io.BytesIO(data))
    exif = image.getexif()
    assert exif[271] == "Maker"
    assert exif.get(274, 1) == 1
    assert exif.get_ifd(GPS)[2] == (52.0, 30.0, 1.0)
    assert exif.get_ifd(EXIF)[0x829A] == 0.5
    assert b"Verona" in data
    if format_ in ("png", "jpeg", "tiff"):
        assert image.info["dpi"] == pytest.approx((300, 300), abs=0.01)
    again = Picture.open(data)
    assert again.metadata.xmp == photograph().metadata.xmp
    assert again.size == (64, 48)
    assert read_settings(data) == note


def test_metadata_too_large_for_jpeg_is_left_out() -> None:
    exif = Image.Exif()
    exif[270] = "x" * 70_000
    picture = replace(smooth_picture(), metadata=Metadata(exif.tobytes(), b"<x/>" * 20_000))
    data = encoded(picture, "jpeg", keep_metadata=True, settings={"style": "wave"})
    assert read_settings(data) == {"style": "wave"}
    assert opened(data).size == (64, 48)
    assert read_settings(encoded(picture, "jpeg", settings={"style": "w" * 70_000})) is None


@pytest.mark.parametrize(("format_", "bits"), BOTH)
def test_broken_metadata_does_not_lose_the_picture(format_: str, bits: int) -> None:
    for exif in (b"rubbish", b"II*\0\x08\0\0\0\xff\xff", b"Exif\0\0", b"MM"):
        picture = replace(smooth_picture(), metadata=Metadata(exif, b"\xff\xfe\0", (1e9, 1e-9)))
        assert opened(encoded(picture, format_, bits=bits, keep_metadata=True, settings={})).size == (64, 48)


# --- to disk


def entries(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def test_a_file_is_written_with_ordinary_permissions(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_atomically(tmp_path / "a.png", b"one")
    finally:
        os.umask(before)
    assert (tmp_path / "a.png").read_bytes() == b"one"
    assert stat.S_IMODE((tmp_path / "a.png").stat().st_mode) == 0o640
    assert entries(tmp_path) == ["a.png"]


def test_overwriting_is_a_choice(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    write_atomically(path, b"one", overwrite=False)
    with pytest.raises(OutputExists, match=r"a\.png"):
        write_atomically(path, b"two", overwrite=False)
    assert path.read_bytes() == b"one"
    write_atomically(path, b"two")
    assert path.read_bytes() == b"two"
    assert entries(tmp_path) == ["a.png"]


@pytest.mark.parametrize("links", [True, False])
def test_a_file_that_appears_meanwhile_is_not_overwritten(
    links: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.png"
    fsync, link = os.fsync, os.link

    def another_writer(descriptor: int) -> None:
        fsync(descriptor)
        path.write_bytes(b"theirs")

    def no_links(*_: Any) -> None:
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr(os, "link", link if links else no_links)
    write_atomically(path, b"ours", overwrite=False)
    assert path.read_bytes() == b"ours"
    path.unlink()
    monkeypatch.setattr(os, "fsync", another_writer)
    with pytest.raises(OutputExists):
        write_atomically(path, b"ours", overwrite=False)
    assert path.read_bytes() == b"theirs"
    assert entries(tmp_path) == ["a.png"]


@pytest.mark.parametrize("place", ["fsync", "replace"])
@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt(), MemoryError()]
)
def test_a_failure_midway_leaves_nothing_behind(
    place: str, error: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"before")

    def fail(*_: Any) -> None:
        raise error

    monkeypatch.setattr(os, place, fail)
    with pytest.raises(OutputError if isinstance(error, OSError) else type(error)) as caught:
        write_atomically(path, b"after")
    if isinstance(error, OSError):
        assert "No space left" in str(caught.value)
        assert "a.png" in str(caught.value)
    assert path.read_bytes() == b"before"
    assert entries(tmp_path) == ["a.png"]


def test_a_claimed_name_is_given_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "link", fail)
    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OutputError, match="Input/output"):
        write_atomically(tmp_path / "a.png", b"x", overwrite=False)
    assert entries(tmp_path) == []


def test_places_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="does not exist") as caught:
        write_atomically(tmp_path / "none" / "a.png", b"x")
    assert type(caught.value) is OutputError
    with pytest.raises(OutputError, match="not a regular file"):
        write_atomically(tmp_path, b"x")
    with pytest.raises(OutputError, match="not a regular file"):
        write_atomically("/dev/null", b"x")
    with pytest.raises(OutputError, match="null"):
        write_atomically("nul\0.png", b"x")
    with pytest.raises(OutputError, match="too long"):
        write_atomically(tmp_path / ("a" * 300 + ".png"), b"x")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match="does not exist"):
        write_atomically(tmp_path / "file" / "a.png", b"x")
    assert entries(tmp_path) == ["file"]


def test_names_at_the_limit_of_the_file_system(tmp_path: Path) -> None:
    path = tmp_path / ("a" * 251 + ".png")
    write_atomically(path, b"x")
    assert path.read_bytes() == b"x"
