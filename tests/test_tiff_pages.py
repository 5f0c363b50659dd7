"""Containers: what is read of a file with several pictures is the photograph, never its preview."""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import noise, saved
from PIL import Image

from impasto.errors import PictureError, PictureTooLarge, UnsupportedFormat
from impasto.picture import Picture
from impasto.picture.provenance import read_settings
from impasto.picture.reading import read

LIMIT = 1_000_000
BIG = noise(128, 96)
SMALL = BIG[::8, ::8]
DNG = [(50706, 1, 4, (1, 4, 0, 0), True)]
REDUCED = 1


def written(*pages: dict[str, Any], bigtiff: bool = False) -> bytes:
    """Pages in order; ``subifds`` of one takes the next so many below it."""
    file = io.BytesIO()
    with tifffile.TiffWriter(file, bigtiff=bigtiff) as out:
        for page in pages:
            out.write(metadata=None, **{"photometric": "rgb", "data": BIG, **page})
    return file.getvalue()


def thumbnail(**more: Any) -> dict[str, Any]:
    return {"data": SMALL, "subfiletype": REDUCED, **more}


@pytest.mark.parametrize("bigtiff", [False, True])
@pytest.mark.parametrize(
    "pages",
    [
        [thumbnail(), {}],
        [thumbnail(), thumbnail(), {}],
        [thumbnail(subifds=1), {}],
        [thumbnail(subifds=2), thumbnail(data=BIG[::2, ::2]), {}],
        [thumbnail(subifds=1), thumbnail(), {}],
        [thumbnail(), {"data": np.zeros((96, 128), bool), "photometric": "mask", "subfiletype": 4}, {}],
        [{"data": SMALL, "subifds": 1}, {}],
        [thumbnail(), {"data": BIG[:4, :4]}, {}],
        [{}, thumbnail()],
        [{"subifds": 1}, thumbnail()],
        [{}, {"data": np.zeros((200, 200, 3), np.uint8)}],
        [{"subfiletype": 2}, {"data": np.zeros_like(BIG), "subfiletype": 2}],
        [thumbnail(data=BIG)],
    ],
)
def test_the_first_full_page_is_the_picture(pages: list[dict[str, Any]], bigtiff: bool) -> None:
    data = written(*pages, bigtiff=bigtiff)
    picture = read(data, max_pixels=LIMIT)
    assert picture.size == (128, 96)
    assert (picture.pixels == BIG).all()
    assert (Picture.from_pil(Image.open(io.BytesIO(data))).pixels == BIG).all()


def test_the_old_tag_counts_too() -> None:
    old = {"data": SMALL, "extratags": [(255, 3, 1, 2, True)]}
    assert read(written(old, {}), max_pixels=LIMIT).size == (128, 96)


def test_a_page_that_a_caller_chose_is_taken() -> None:
    image = Image.open(io.BytesIO(written({}, {"data": SMALL})))
    image.seek(1)
    assert (Picture.from_pil(image).pixels == SMALL).all()


def behind_a_thumbnail(data: bytes, *, below: bool) -> bytes:
    """The page of a file, put behind a reduced one of two by two grey pixels, or below it."""
    (page,) = struct.unpack_from("<I", data, 4)
    tags = [(254, 1), (256, 2), (257, 2), (258, 8), (259, 1), (262, 1), (273, len(data)), (277, 1), (278, 2), (279, 4)]
    tags += [(330, page)] if below else []
    start = len(data) + 4
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    entries = struct.pack("<H", len(tags)) + entries + struct.pack("<I", 0 if below else page)
    return data[:4] + struct.pack("<I", start) + data[8:] + bytes(range(4)) + entries


@pytest.mark.parametrize("below", [False, True])
@pytest.mark.parametrize("compression", ["jpeg", "tiff_lzw"])
def test_a_page_that_goes_through_pillow(compression: str, below: bool) -> None:
    image = Image.linear_gradient("L").resize((128, 96)).convert("RGB")
    if compression != "jpeg":
        image = image.convert("YCbCr")
    data = saved(image, "tiff", compression=compression)
    with Image.open(io.BytesIO(data)) as alone:
        right = np.asarray(alone.convert("RGB"))
    assert (read(data, max_pixels=LIMIT).pixels == right).all()
    assert (read(behind_a_thumbnail(data, below=below), max_pixels=LIMIT).pixels == right).all()


@pytest.mark.parametrize("bigtiff", [False, True])
@pytest.mark.parametrize("below", [0, 1])
def test_a_page_of_ycbcr_behind_a_thumbnail(below: int, bigtiff: bool) -> None:
    image = Image.fromarray(BIG).convert("YCbCr")
    page = {"data": np.asarray(image), "photometric": "ycbcr"}
    found = read(written(thumbnail(subifds=below), page, bigtiff=bigtiff), max_pixels=LIMIT)
    assert (found.pixels == np.asarray(image.convert("RGB"))).all()


def test_what_a_page_below_does_not_say_its_page_says() -> None:
    turned = [(274, 3, 1, 6, True)]
    picture = read(written(thumbnail(subifds=1, extratags=turned), {}), max_pixels=LIMIT)
    assert (picture.pixels == np.rot90(BIG, -1)).all()
    picture = read(written(thumbnail(extratags=turned), {}), max_pixels=LIMIT)
    assert (picture.pixels == BIG).all()


@pytest.mark.parametrize(
    "pages",
    [
        [thumbnail(extratags=DNG), {}],
        [thumbnail(extratags=DNG, subifds=1), {"data": BIG[..., 0], "photometric": "cfa"}],
        [thumbnail(subifds=2), thumbnail(data=BIG), {"data": BIG[..., 0].astype(np.uint16), "photometric": "cfa"}],
        [thumbnail(subifds=1), {"photometric": "linear_raw", "data": BIG.astype(np.uint16)}],
        [{"data": BIG[..., 0], "photometric": "cfa"}],
        [{"extratags": DNG}],
        [{"data": SMALL, "subifds": 1}, {"data": BIG[..., 0], "photometric": "cfa"}],
        [thumbnail(), {"data": BIG[..., 0], "photometric": "cfa"}],
    ],
)
def test_a_raw_file_is_refused(pages: list[dict[str, Any]]) -> None:
    with pytest.raises(UnsupportedFormat, match="camera's raw file"):
        read(written(*pages), max_pixels=LIMIT)


@pytest.mark.parametrize(
    "head",
    [
        b"II*\0\x10\0\0\0CR\2\0",
        b"IIU\0\x18\0\0\0",
        b"IIRO\x08\0\0\0",
        b"MMOR\0\0\0\x08",
        b"FUJIFILMCCD-RAW 0201",
        b"FOVb\0\0\0\0",
        b"\0MRM\0\0\0\0",
        b"\0\0\0\x18ftypcrx \0\0\0\1crx isom",
    ],
)
def test_raw_files_of_their_own_formats(head: bytes) -> None:
    with pytest.raises(UnsupportedFormat, match="camera's raw file"):
        read(head.ljust(200, b"\0"), max_pixels=LIMIT)


def test_previews_without_their_picture_are_refused() -> None:
    with pytest.raises(PictureError, match="reduced versions"):
        read(written(thumbnail(), thumbnail(data=BIG[::2, ::2])), max_pixels=LIMIT)


def test_the_limit_is_that_of_the_page_taken() -> None:
    with pytest.raises(PictureTooLarge, match="128 x 96"):
        read(written(thumbnail(), {}), max_pixels=128 * 96 - 1)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 2)), min_size=1, max_size=5), st.integers(0, 4))
def test_previews_anywhere(previews: list[tuple[bool, int]], at: int) -> None:
    """Wherever the full page stands among reduced ones and those below them, it is the one."""
    pages: list[dict[str, Any]] = []
    for index, (full_below, count) in enumerate(previews):
        last = index == min(at, len(previews) - 1)
        below = [thumbnail()] * count + ([{}] if full_below and last else [])
        pages += [thumbnail(subifds=len(below)), *below]
        if last and not full_below:
            pages += [{}]
    assert (read(written(*pages), max_pixels=LIMIT).pixels == BIG).all()


def test_a_thousand_pages_are_one_picture() -> None:
    many = written(*[{"data": SMALL[:2, :2]}] * 1000)
    assert read(many, max_pixels=LIMIT).size == (2, 2)


def test_settings_are_found_in_a_tiff_that_pillow_does_not_read() -> None:
    assert read_settings(written({"data": BIG.astype(np.float32)})) is None


# --- what Pillow has decoded already


def decoded(data: bytes, frame: int = 0) -> Picture:
    image = Image.open(io.BytesIO(data))
    image.seek(frame)
    image.load()
    return Picture.from_pil(image)


@pytest.mark.parametrize("pages", [[thumbnail(), {}], [thumbnail(subifds=1), {}]])
def test_a_decoded_thumbnail_is_not_the_picture(pages: list[dict[str, Any]]) -> None:
    with pytest.raises(PictureError, match="a reduced version of it; give the file itself"):
        decoded(written(*pages))


def test_a_decoded_preview_of_a_raw_file_is_refused() -> None:
    with pytest.raises(UnsupportedFormat, match="raw file"):
        decoded(written(thumbnail(extratags=DNG)))


def test_a_decoded_page_that_a_caller_chose_is_taken() -> None:
    assert decoded(written({}, thumbnail()), 1).size == (16, 12)
    assert decoded(written(thumbnail())).size == (16, 12)


@pytest.mark.parametrize(
    ("page", "right"),
    [
        ({"data": BIG[..., 0] * np.uint16(257), "photometric": "miniswhite"}, 255 - BIG[..., 0]),
        ({"data": (BIG[..., 0] / 255).astype(np.float32), "photometric": "miniswhite"}, 255 - BIG[..., 0]),
        ({"data": BIG[..., 0], "photometric": "miniswhite"}, 255 - BIG[..., 0]),
        ({"data": BIG[..., 0] * np.uint16(257), "photometric": "minisblack"}, BIG[..., 0]),
    ],
)
def test_what_is_white_in_a_decoded_page(page: dict[str, Any], right: np.ndarray[Any, Any]) -> None:
    found = decoded(written(page)).as_type(np.dtype(np.uint8)).pixels
    assert np.array_equal(found, np.repeat(right[..., None], 3, axis=2))


@pytest.mark.parametrize(
    "page",
    [
        {"data": BIG.transpose(2, 0, 1) * np.uint16(257), "planarconfig": "separate"},
        {"data": BIG[..., 0].astype(np.uint32) << 24, "photometric": "minisblack"},
    ],
)
def test_what_pillow_decodes_wrong_is_refused(page: dict[str, Any]) -> None:
    assert read(written(page), max_pixels=LIMIT).size == (128, 96)
    with pytest.raises(PictureError, match="decoded wrong by Pillow; give the file itself"):
        decoded(written(page))


# --- other containers


@pytest.mark.parametrize("format_", ["mpo", "gif", "png", "webp", "avif"])
def test_of_several_frames_the_first(format_: str) -> None:
    frames = [Image.new("RGB", size, c) for size, c in (((64, 48), "red"), ((64, 48), "blue"))]
    if format_ == "mpo":
        frames[1] = frames[1].resize((16, 12))
    options = {"quality": 100} if format_ in ("avif", "mpo") else {}
    data = saved(frames[0], format_, save_all=True, append_images=frames[1:], **options)
    picture = read(data, max_pixels=LIMIT)
    assert picture.size == (64, 48)
    assert np.abs(picture.pixels.astype(int) - (255, 0, 0)).max() < 5


def test_icons_are_refused() -> None:
    for format_ in ("ico", "icns"):
        with pytest.raises(UnsupportedFormat, match="not a picture that can be read"):
            read(saved(Image.new("RGBA", (64, 64), "red"), format_), max_pixels=LIMIT)
