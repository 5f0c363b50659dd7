"""Provenance: the settings come back from every format, and nothing in a file can break their reader."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile, PngImagePlugin

from impasto.errors import PictureError, UnsupportedFormat
from impasto.picture import Picture
from impasto.picture.provenance import annotate_exif, read_settings, settings_note
from impasto.picture.writing import WRITABLE, encode

PICTURE = Picture.from_array(np.full((8, 8, 3), 90, np.uint8))
KINDS = [(f, 8) for f in WRITABLE] + [("png", 16), ("tiff", 16)]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def written(format_: str, bits: int, settings_: dict[str, object] | None) -> bytes:
    return encode(PICTURE, format_, quality=90, bits=bits, keep_metadata=False, settings=settings_)


@pytest.mark.parametrize(("format_", "bits"), KINDS)
def test_round_trip(format_: str, bits: int, tmp_path: Path) -> None:
    stored = {"model": "instant@2", "style": ["Große Welle 神奈川 🌊", "\udcff"], "strength": 0.5, "size": None}
    data = written(format_, bits, stored)
    path = tmp_path / "pastiche"
    path.write_bytes(data)
    for source in (data, path, str(path), io.BytesIO(data)):
        assert read_settings(source) == stored
    assert read_settings(written(format_, bits, None)) is None
    assert read_settings(written(format_, bits, {})) == {}


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.text(), VALUES, max_size=4), st.sampled_from(KINDS))
def test_any_settings(stored: dict[str, object], kind: tuple[str, int]) -> None:
    assert read_settings(written(*kind, stored)) == stored


def test_pixels_are_not_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    files = [written(*kind, {"a": 1}) for kind in KINDS] + [written(*kind, None) for kind in KINDS]

    def fail(self: Any) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr(ImageFile.ImageFile, "load", fail)
    monkeypatch.setattr(PngImagePlugin.PngImageFile, "load", fail)
    assert [read_settings(data) for data in files] == [{"a": 1}] * len(KINDS) + [None] * len(KINDS)


def test_software_is_named_where_exif_is() -> None:
    for format_ in ("jpeg", "webp", "tiff", "avif"):
        assert Image.open(io.BytesIO(written(format_, 8, {"a": 1}))).getexif()[305] == "Impasto"


def test_compact_and_ascii() -> None:
    text = settings_note({"a": [1, 2], "b": "é", "c": Path("x")})
    assert text == '{"a":[1,2],"b":"\\u00e9","c":"x"}'


def commented(comment: object) -> bytes:
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9286] = comment
    file = io.BytesIO()
    Image.new("RGB", (4, 4)).save(file, "JPEG", exif=exif)
    return file.getvalue()


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[1]",
        "1",
        "null",
        "[" * 5000,
        "{" * 5000,
        '{"a":' * 4000,
        "",
        "9" * 5000,
        '{"a":' + "9" * 5000 + "}",
        '{"a":NaN}',
        '{"a":[-Infinity]}',
        '{"a":1e999}',
        "\x00",
    ],
)
def test_malformed_settings(text: str) -> None:
    assert read_settings(commented(b"ASCII\0\0\0impasto:" + text.encode())) is None
    texts = PngImagePlugin.PngInfo()
    texts.add_itxt("impasto", text)
    file = io.BytesIO()
    Image.new("RGB", (4, 4)).save(file, "PNG", pnginfo=texts)
    assert read_settings(file.getvalue()) is None


def test_a_comment_of_someone_else() -> None:
    for comment in (b'ASCII\0\0\0{"a":1}', b"UNICODE\0h\0i\0", "text", b"", 7):
        assert read_settings(commented(comment)) is None
    assert read_settings(commented(b'ASCII\0\0\0impasto:{"a":1}')) == {"a": 1}


def test_settings_larger_than_bearable() -> None:
    assert read_settings(written("tiff", 8, {"a": "x" * 2**21})) is None


@pytest.mark.parametrize(("format_", "bits"), KINDS)
def test_broken_files(format_: str, bits: int) -> None:
    data = written(format_, bits, {"a": 1})
    rng = np.random.default_rng(3)
    answers = []
    for length in range(1, len(data), max(1, len(data) // 40)):
        answers.append(answer(data[:length]))
        broken = bytearray(data)
        broken[int(rng.integers(4, len(data)))] ^= 1 << int(rng.integers(8))
        answers.append(answer(bytes(broken)))
    assert "refused" in answers
    assert {"a": 1} in answers


def answer(data: bytes) -> object:
    try:
        return read_settings(data)
    except PictureError:
        return "refused"


def test_what_is_not_a_picture(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedFormat):
        read_settings(b"dear diary")
    with pytest.raises(PictureError, match=r"none\.png"):
        read_settings(tmp_path / "none.png")


def test_what_does_not_fit_is_left_out() -> None:
    exif = Image.Exif()
    exif[270] = "x" * 500
    whole = annotate_exif(exif.tobytes(), {"a": 1}, limit=10_000)
    assert b"x" * 500 in whole
    assert b"impasto:" in whole
    note_only = annotate_exif(exif.tobytes(), {"a": 1}, limit=400)
    assert b"xx" not in note_only
    assert b"impasto:" in note_only
    assert annotate_exif(exif.tobytes(), {"a": 1}, limit=10) == b""
    assert annotate_exif(b"", None, limit=10_000) == b""
