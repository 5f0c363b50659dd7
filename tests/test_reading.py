"""Reading: every source, every limit, and files that lie."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
import threading
import warnings
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pictures import noise, saved
from PIL import Image, PngImagePlugin

from impasto.errors import ImpastoError, MissingExtra, PictureError, PictureTooLarge, UnsupportedFormat
from impasto.picture import reading as reading_module
from impasto.picture.icc.profile import srgb
from impasto.picture.reading import READABLE, read

FORMATS = [f for f in READABLE if f != "heif"]
LIMIT = 1_000_000


def sample(format_: str) -> bytes:
    gradient = np.dstack([*np.meshgrid(np.arange(48) * 5, np.arange(36) * 7), np.full((36, 48), 90)]).astype(np.uint8)
    return saved(Image.fromarray(gradient), format_)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def swapped_profile() -> bytes:
    """sRGB with the red and green primaries exchanged: what it calls red is green."""
    return srgb().replace(b"rXYZ", b"....", 1).replace(b"gXYZ", b"rXYZ", 1).replace(b"....", b"gXYZ", 1)


# --- formats and sources


@pytest.mark.parametrize("format_", FORMATS)
def test_every_format(format_: str) -> None:
    picture = read(sample(format_), max_pixels=LIMIT)
    assert picture.format == format_
    assert picture.size == (48, 36)
    assert picture.alpha is None
    assert np.abs(picture.pixels[18, 24].astype(int) - (120, 126, 90)).max() < (40 if format_ == "gif" else 12)


def test_the_suffix_does_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(sample("png"))
    assert read(path, max_pixels=LIMIT).format == "png"


class Trickle(io.RawIOBase):
    """A stream that cannot seek and gives a few bytes at a time."""

    def __init__(self, data: bytes) -> None:
        self._rest = data

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        part, self._rest = self._rest[:97], self._rest[97:]
        return part


@pytest.mark.parametrize("format_", FORMATS)
def test_paths_bytes_and_streams_are_one(format_: str, tmp_path: Path) -> None:
    data = sample(format_)
    path = tmp_path / "photo"
    path.write_bytes(data)
    expected = read(data, max_pixels=LIMIT)
    for source in (path, str(path), io.BytesIO(data), Trickle(data)):
        assert (read(source, max_pixels=LIMIT).pixels == expected.pixels).all()  # type: ignore[arg-type]


def test_a_callers_stream_stays_open() -> None:
    stream = io.BytesIO(sample("png"))
    read(stream, max_pixels=LIMIT)
    assert not stream.closed


def refusal(source: Any, max_pixels: int = LIMIT) -> ImpastoError:
    with pytest.raises(ImpastoError) as caught:
        read(source, max_pixels=max_pixels)
    return caught.value


def test_what_is_not_there_or_not_a_file(tmp_path: Path) -> None:
    for path, reason in ((tmp_path / "none.png", "No such file"), (tmp_path, "directory")):
        error = refusal(path)
        assert type(error) is PictureError
        assert str(path) in str(error)
        assert reason in str(error)
    assert type(refusal("nul\0.png")) is PictureError


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    path.write_bytes(sample("png"))
    path.chmod(0)
    assert "Permission denied" in str(refusal(path))


def test_what_is_not_a_picture(tmp_path: Path) -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as z:
        z.writestr("a.png", sample("png"))
    path = tmp_path / "notes.jpg"
    for data in (
        b"dear diary",
        archive.getvalue(),
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"%PDF-1.7",
        b"\0" * 99,
    ):
        path.write_bytes(data)
        error = refusal(path)
        assert type(error) is UnsupportedFormat
        assert "notes.jpg" in str(error)
        assert all(f in str(error) for f in READABLE)


def test_formats_off_the_list_are_refused() -> None:
    for format_ in ("ppm", "tga", "pcx", "ico", "eps"):
        assert type(refusal(saved(Image.new("RGB", (16, 16)), format_))) in (UnsupportedFormat, PictureError)


def test_empty_and_text() -> None:
    assert "empty" in str(refusal(b""))
    assert "binary" in str(refusal(io.StringIO("text")))
    closed = io.BytesIO(sample("png"))
    closed.close()
    assert type(refusal(closed)) is PictureError


def test_too_many_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = sample("bmp")
    monkeypatch.setattr(reading_module, "_MAX_BYTES", 2**10)
    path = tmp_path / "photo.bmp"
    path.write_bytes(data)
    for source in (path, io.BytesIO(data)):
        assert type(refusal(source)) is PictureTooLarge


def test_heif_without_its_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    for brands in (b"heic\0\0\0\0mif1heic", b"mif1\0\0\0\0mif1heix"):
        error = refusal(struct.pack(">I", 8 + len(brands)) + b"ftyp" + brands + b"\0" * 40)
        assert type(error) is MissingExtra
        assert "impasto[heif]" in str(error)


# --- limits


def claims(width: int, height: int) -> dict[str, bytes]:
    """Small files whose headers claim a size; decoding any of them would fail for lack of data."""
    ihdr = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    entries = [(256, 4, width), (257, 4, height), (258, 3, 8), (259, 3, 1), (262, 3, 1), (273, 4, 8), (277, 3, 1)]
    tiff = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in [*entries, (279, 4, 9)])
    short_width, short_height = min(width, 65535), min(height, 65535)
    canvas = b"\0" * 4 + (min(width, 16384) - 1).to_bytes(3, "little") + (min(height, 16384) - 1).to_bytes(3, "little")
    frame = b"VP8L" + struct.pack("<I", 6) + b"\x2f" + b"\xff" * 5
    return {
        "png": b"\x89PNG\r\n\x1a\n" + ihdr + chunk(b"IDAT", b"x") + chunk(b"IEND", b""),
        "bmp": b"BM" + struct.pack("<IHHIIiiHHIIiiII", 99, 0, 0, 54, 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0),
        "gif": b"GIF89a" + struct.pack("<HHBBB", short_width, short_height, 0, 0, 0) + b",\0\0\0\0\1\0\1\0\0\2\0;",
        "tiff": b"II*\0\x08\0\0\0" + struct.pack("<H", 8) + tiff + b"\0" * 8,
        "webp": b"RIFF" + struct.pack("<I", 40) + b"WEBP" + b"VP8X" + struct.pack("<I", 10) + canvas + frame,
    }


@pytest.mark.parametrize("format_", claims(1, 1))
def test_huge_claims_are_refused_before_decoding(format_: str, tmp_path: Path) -> None:
    path = tmp_path / f"huge.{format_}"
    for size in ((16000, 16000), (60000, 60000), (2_000_000_000, 1)):
        path.write_bytes(claims(*size)[format_])
        error = refusal(path, 200_000 if size[1] > 1 else 10_000)
        assert isinstance(error, PictureError)
        if format_ != "webp":  # its frame is broken as well, and may be what is noticed
            assert type(error) is PictureTooLarge
        assert "huge" in str(error)


def test_the_limit_names_size_and_remedy(tmp_path: Path) -> None:
    path = tmp_path / "wall.png"
    path.write_bytes(saved(Image.new("L", (1500, 1000)), "png"))
    message = str(refusal(path, 1_499_999))
    assert "wall.png" in message
    assert "1500 x 1000" in message
    assert "1.5 megapixels" in message
    assert "--max-pixels" in message
    assert read(path, max_pixels=1_500_000).size == (1500, 1000)


@pytest.mark.parametrize("format_", FORMATS)
def test_our_limit_decides_not_pillows(format_: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # At the first multiple Pillow warns, at the second it raises; there, two plugins have the last word.
    pillows = 1000 if format_ in ("tiff", "webp") else 100
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", pillows)
    data = sample(format_)
    assert read(data, max_pixels=48 * 36).size == (48, 36)
    assert type(refusal(data, 48 * 36 - 1)) is PictureTooLarge
    assert vars(Image)["MAX_IMAGE_PIXELS"] == pillows


def test_memory_is_twice_the_picture_at_most(tmp_path: Path) -> None:
    path = tmp_path / "large.jpg"
    exif = Image.Exif()
    exif[274] = 6
    Image.linear_gradient("L").resize((6000, 4000)).convert("RGB").save(path, quality=50, exif=exif)
    script = (
        "import resource, sys; from impasto.picture import Picture; import impasto.picture.reading\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024\n"
        "before = peak(); assert Picture.open(sys.argv[1]).size == (4000, 6000); sys.stdout.write(str(peak() - before))"
    )
    done = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True)
    pillows, ours = 4 * 24e6, 3 * 24e6
    assert int(done.stdout) < (pillows + ours) * 1.25


# --- hostile files


def outcome(source: Any) -> PictureError | None:
    """The one kind of error that broken files may raise, or none where enough of the file is whole."""
    try:
        read(source, max_pixels=LIMIT)
    except PictureError as error:
        return error
    return None


@pytest.mark.parametrize("format_", FORMATS)
def test_truncated_files(format_: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    data = sample(format_)
    path = tmp_path / f"cut.{format_}"
    failed = 0
    for length in range(1, len(data), max(1, len(data) // 60)):
        path.write_bytes(data[:length])
        error = outcome(path)
        failed += error is not None
        assert error is None or "cut." in str(error)
    assert failed > 30
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("format_", FORMATS)
def test_flipped_bits(format_: str, capfd: pytest.CaptureFixture[str]) -> None:
    exif = Image.Exif()
    exif[274] = 6
    exif[270] = "a"
    exif.get_ifd(0x8825)[1] = "N"
    kept = {} if format_ in ("bmp", "gif") else {"exif": exif, "icc_profile": swapped_profile()}
    data = saved(Image.fromarray(noise(24, 16)), format_, **kept)
    rng = np.random.default_rng(7)
    for round_ in range(150):
        broken = bytearray(data)
        reach = len(data) if round_ % 2 else min(len(data), 400)
        for at in rng.integers(4, reach, rng.integers(1, 6)):
            broken[at] ^= 1 << int(rng.integers(8))
        error = outcome(bytes(broken))
        assert error is None or ("the picture" in str(error) and "\n" not in str(error))
    assert capfd.readouterr() == ("", "")


@given(
    st.sampled_from([b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"II*\0", b"MM\0*", b"GIF89a", b"BM"]),
    st.binary(max_size=300),
)
def test_any_bytes_at_all(start: bytes, rest: bytes) -> None:
    error = outcome(start + rest)
    assert error is None or "the picture" in str(error)


def test_a_bomb_of_text() -> None:
    bomb = b"key\0\0" + zlib.compress(b"\0" * 30_000_000)
    data = sample("png")
    error = refusal(data[:33] + chunk(b"zTXt", bomb) * 4 + data[33:])
    assert type(error) is PictureError
    assert "PNG" in str(error)


def test_whatever_a_decoder_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = (
        OSError,
        SyntaxError,
        ValueError,
        struct.error,
        KeyError,
        zlib.error,
        OverflowError,
        RuntimeError,
        EOFError,
    )
    for kind in kinds:
        monkeypatch.setattr(
            PngImagePlugin.PngImageFile, "load", lambda self, kind=kind: (_ for _ in ()).throw(kind("bad"))
        )
        error = refusal(sample("png"))
        assert type(error) is PictureError
        assert "bad" in str(error)
    monkeypatch.setattr(PngImagePlugin.PngImageFile, "load", lambda self: (_ for _ in ()).throw(MemoryError()))
    assert type(refusal(sample("png"))) is PictureTooLarge


def test_warnings_stay_inside_and_filters_are_restored() -> None:
    # An APNG whose control chunk is broken makes Pillow warn.
    data = sample("png")
    data = data[:33] + chunk(b"acTL", struct.pack(">II", 0, 0)) + data[33:]
    with pytest.warns(UserWarning, match="APNG"):
        Image.open(io.BytesIO(data))
    before = list(warnings.filters)
    failures: list[BaseException] = []

    def work() -> None:
        try:
            for _ in range(20):
                read(data, max_pixels=LIMIT)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert warnings.filters == before


# --- frames


def test_only_the_first_frame() -> None:
    frames = [Image.new("RGB", (20, 10), c) for c in ("red", "blue")]
    for format_, options in (
        ("png", {}),
        ("gif", {}),
        ("webp", {}),
        ("tiff", {}),
        ("avif", {"quality": 100}),
        ("mpo", {}),
    ):
        file = io.BytesIO()
        frames[0].save(file, format_.upper(), save_all=True, append_images=frames[1:], **options)
        picture = read(file.getvalue(), max_pixels=LIMIT)
        assert picture.format == ("jpeg" if format_ == "mpo" else format_)
        assert np.abs(picture.pixels.astype(int) - (255, 0, 0)).max() < 5, format_
