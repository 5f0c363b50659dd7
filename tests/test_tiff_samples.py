"""TIFF: whatever its samples are and however they are stored, the picture is the right one, or there is none."""

from __future__ import annotations

import io
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from pictures import noise, saved
from PIL import Image
from tiffs import by_hand, lzw, tiff

from impasto.errors import PictureError
from impasto.picture.icc.profile import srgb
from impasto.picture.raster import Raster
from impasto.picture.reading import read

LIMIT = 1_000_000
Array = np.ndarray[Any, np.dtype[Any]]


def deep(width: int, height: int, channels: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).integers(0, 65536, (height, width, channels), dtype=np.uint16)


def picture(data: bytes) -> Raster:
    return read(data, max_pixels=LIMIT)


@settings(max_examples=120, deadline=None)
@given(st.data())
def test_any_layout_gives_the_same_pixels(data: st.DataObject) -> None:
    peak = data.draw(st.sampled_from([255, 65535]))
    dtype = np.dtype(np.uint8 if peak == 255 else np.uint16)
    channels = data.draw(st.sampled_from([1, 2, 3, 4, 5]))
    height, width = data.draw(st.integers(1, 40)), data.draw(st.integers(1, 40))
    array = np.random.default_rng(height * width).integers(0, peak + 1, (height, width, channels)).astype(dtype)
    options: dict[str, Any] = {"byteorder": data.draw(st.sampled_from("<>"))}
    options["compression"] = data.draw(st.sampled_from([None, "zlib", "lzma"]))
    if options["compression"]:
        options["predictor"] = data.draw(st.booleans())
    rows = data.draw(st.integers(1, 40))
    cuts: list[dict[str, Any]] = [{}, {"tile": (16, 32)}, {"rowsperstrip": rows}]
    cut = data.draw(st.sampled_from(cuts))
    colours = 3 if channels >= 3 else 1
    extras = channels - colours
    alpha = extras > 0 and data.draw(st.booleans())
    if extras:
        options["extrasamples"] = ["unassalpha" if alpha and i == 0 else "unspecified" for i in range(extras)]
    options["photometric"] = "rgb" if colours == 3 else data.draw(st.sampled_from(["minisblack", "miniswhite"]))
    planar = channels > 1 and data.draw(st.booleans())
    if planar:
        stored, options["planarconfig"] = np.ascontiguousarray(np.moveaxis(array, 2, 0)), "separate"
    else:
        stored = array if channels > 1 else array[..., 0]
        options |= {"planarconfig": "contig"} if channels > 1 else {}
    found = picture(tiff(stored, **options, **cut))
    expected = array[..., :colours]
    if options["photometric"] == "miniswhite":
        expected = peak - expected
    assert found.pixels.dtype == dtype
    assert (found.pixels == expected).all()
    cover = array[..., colours] if alpha else np.full((height, width), peak)
    assert np.array_equal(cover, np.full((height, width), peak) if found.alpha is None else found.alpha)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from([np.float16, np.float32, np.float64]),
    st.sampled_from([1, 2, 3, 4]),
    st.sampled_from("<>"),
    st.booleans(),
    st.sampled_from([1.0, 255.0, 65535.0]),
)
def test_floats(dtype: Any, channels: int, order: str, planar: bool, white: float) -> None:
    if dtype == np.float16 and white > 60000:
        white = 255.0
    array = (deep(13, 7, channels) / 65535 * white).astype(dtype)
    array[0, 0] = white  # so that the range is known
    stored = np.ascontiguousarray(np.moveaxis(array, 2, 0)) if planar and channels > 1 else array
    options: dict[str, Any] = {"photometric": "rgb" if channels > 2 else "minisblack", "byteorder": order}
    if channels > 1:
        options["planarconfig"] = "separate" if planar else "contig"
    if channels in (2, 4):
        options["extrasamples"] = ["unassalpha"]
    found = picture(tiff(stored if channels > 1 else stored[..., 0], **options))
    right = np.rint(array.astype(np.float64) / white * 65535)
    assert found.pixels.dtype == np.uint16
    assert np.abs(found.pixels - right[..., : 3 if channels > 2 else 1]).max() <= 1
    if channels in (2, 4):
        assert found.alpha is not None
        assert np.abs(found.alpha - right[..., -1]).max() <= 1


@given(arrays.arrays(np.uint32, (3, 4), elements=st.integers(0, 2**32 - 1)))
@settings(deadline=None)
def test_32_bits_do_not_wrap(values: Array) -> None:
    values[0, 0] = 2**32 - 1
    assert np.abs(picture(tiff(values)).pixels[..., 0] - np.rint(values / (2**32 - 1) * 65535)).max() <= 0


@pytest.mark.parametrize(
    ("values", "dtype", "right"),
    [
        ([-32768, 0, 32767], np.int16, [0, 32768, 65535]),
        ([0, 16384, 32767], np.int16, [0, 32769, 65535]),
        ([0, 64, 127], np.int8, [0, 33026, 65535]),
        ([0, 51, 255], np.uint32, [0, 13107, 65535]),
        ([0, 51, 65535], np.int32, [0, 51, 65535]),
        ([-0.2, 0.5, 1.3], np.float32, [0, 32768, 65535]),
        ([0, 2, 8], np.float32, [0, 16384, 65535]),
        ([0, 51, 255], np.float64, [0, 13107, 65535]),
    ],
)
def test_what_is_black_and_what_is_white(values: list[float], dtype: Any, right: list[int]) -> None:
    assert picture(tiff(np.array([values], dtype))).pixels[0, :, 0].tolist() == right


@pytest.mark.parametrize("bits", [1, 2, 4, 6, 8, 10, 12, 14, 16])
@pytest.mark.parametrize("photometric", [0, 1, 2])
def test_any_number_of_bits(bits: int, photometric: int) -> None:
    width, height, samples = 7, 5, 3 if photometric == 2 else 1
    values = np.random.default_rng(bits).integers(0, 2**bits, (height, width * samples))
    text = ["".join(f"{int(v):0{bits}b}" for v in row) for row in values]
    rows = [int(line + "0" * (-len(line) % 8), 2).to_bytes((len(line) + 7) // 8, "big") for line in text]
    tags = {256: (width,), 257: (height,), 258: (bits,) * samples, 259: (1,), 262: (photometric,), 277: (samples,)}
    data = by_hand({**tags, 278: (height,)}, [b"".join(rows)], ">")
    peak = 255 if bits <= 8 else 65535
    right = np.floor(values / (2**bits - 1) * peak + 0.5).reshape(height, width, samples)
    assert (picture(data).pixels == (peak - right if photometric == 0 else right)).all()


@pytest.mark.parametrize(("compression", "pack"), [(5, lzw), (8, zlib.compress), (32946, zlib.compress)])
@pytest.mark.parametrize("planar", [1, 2])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("fill", [1, 2])
def test_packed_sixteen_bits(compression: int, pack: Any, planar: int, order: str, fill: int) -> None:
    array = deep(9, 11, 3)
    stored = (array if planar == 1 else np.moveaxis(array, 2, 0)).astype(f"{order}u2")
    planes = [stored] if planar == 1 else list(stored)
    strips = [pack(plane[top : top + 4].tobytes()) for plane in planes for top in (0, 4, 8)]
    if fill == 2:
        strips = [bytes(int(f"{byte:08b}"[::-1], 2) for byte in strip) for strip in strips]
    tags = {256: (9,), 257: (11,), 258: (16,) * 3, 259: (compression,), 262: (2,), 266: (fill,), 277: (3,), 278: (4,)}
    assert (picture(by_hand({**tags, 284: (planar,)}, strips, order)).pixels == array).all()


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_the_predictor_of_floats(dtype: Any) -> None:
    array = (deep(9, 5, 3) / 65535).astype(dtype)
    size = array.itemsize
    planes = array.astype(array.dtype.newbyteorder(">")).reshape(5, 27).view(np.uint8).reshape(5, 27, size)
    rows = planes.transpose(0, 2, 1).reshape(5, -1, 3).copy()
    rows[:, 1:] -= rows[:, :-1].copy()
    tags = {256: (9,), 257: (5,), 258: (size * 8,) * 3, 259: (8,), 262: (2,), 277: (3,), 278: (5,), 317: (3,)}
    data = by_hand({**tags, 339: (3, 3, 3)}, [zlib.compress(rows.tobytes())])
    assert np.abs(picture(data).pixels - array.astype(float) * 65535).max() <= 1


def test_colours_that_are_multiplied_by_their_alpha() -> None:
    for peak, dtype in ((255, np.uint8), (65535, np.uint16)):
        straight = np.array([[[peak, 0, peak // 5, peak // 5], [9, 9, 9, peak]]])
        stored = straight.copy()
        stored[..., :3] = np.rint(straight[..., :3] * straight[..., 3:] / peak)
        found = picture(tiff(stored.astype(dtype), photometric="rgb", extrasamples=["assocalpha"]))
        assert np.abs(found.to_array().astype(int) - straight).max() <= 3


def test_sixteen_bit_cmyk_and_lab() -> None:
    ink = np.zeros((4, 4, 4), np.uint16)
    ink[..., 0] = 65535
    found = picture(tiff(ink, photometric="separated"))
    assert (found.pixels == np.asarray(Image.new("CMYK", (4, 4), (255, 0, 0, 0)).convert("RGB"))).all()
    lab = Image.new("LAB", (4, 4), (160, 40, 200))
    eight = picture(saved(lab, "tiff"))
    signed = np.array([160, 40 - 128, 200 - 128]) * 256
    sixteen = picture(tiff(np.broadcast_to(signed, (4, 4, 3)).astype(np.uint16), photometric="cielab"))
    assert (eight.pixels == sixteen.pixels).all()


def test_palettes_of_both_kinds() -> None:
    table = np.random.default_rng(3).integers(0, 256, (3, 256))
    index = noise(8, 8, 1)[..., 0]
    for scale in (257, 256, 1):
        found = picture(tiff(index, photometric="palette", colormap=(table * scale).astype(np.uint16)))
        assert (found.pixels == table.T[index]).all()


@pytest.mark.parametrize("compression", ["jpeg", "tiff_lzw", "packbits", "tiff_adobe_deflate", "zstd", "lzma"])
@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "CMYK", "YCbCr"])
def test_what_pillow_writes_is_read_as_pillow_reads_it(compression: str, mode: str) -> None:
    image = Image.fromarray(noise(70, 40, 4)).convert("RGB" if mode in ("CMYK", "YCbCr") else mode).convert(mode)
    data = saved(image, "tiff", compression=compression)
    found = picture(data)
    with Image.open(io.BytesIO(data)) as reference:
        assert (found.pixels == np.asarray(reference.convert("RGB"))).all()


@pytest.mark.parametrize("compression", ["group3", "group4", "tiff_ccitt"])
def test_fax(compression: str) -> None:
    image = Image.fromarray(noise(70, 40)).convert("1")
    assert (picture(saved(image, "tiff", compression=compression)).pixels == np.asarray(image.convert("RGB"))).all()


def test_profiles_are_applied_at_any_depth() -> None:
    swapped = srgb().replace(b"rXYZ", b"....", 1).replace(b"gXYZ", b"rXYZ", 1).replace(b"....", b"gXYZ", 1)
    red = np.zeros((4, 4, 3))
    red[..., 0] = 1
    for array in (red.astype(np.float32), (red * 65535).astype(np.uint16), (red * 255).astype(np.uint8)):
        found = picture(tiff(array, photometric="rgb", iccprofile=swapped))
        assert np.abs(found.pixels[0, 0].astype(int) - (0, 255, 0)).max() <= 3


@pytest.mark.parametrize(
    ("tags", "reason"),
    [
        ({259: (34712,)}, "JPEG2000"),
        ({258: (24,), 339: (3,)}, "24 bits"),
        ({258: (8, 8, 8), 259: (7,), 262: (2,), 277: (3,), 284: (2,)}, "each channel by itself, packed as JPEG"),
        ({262: (32844,)}, "LOGL|32844"),
        ({258: (8, 8), 277: (200,)}, "samples"),
        ({262: (5,), 277: (3,), 258: (8, 8, 8)}, "samples"),
        ({262: (6,), 277: (3,), 258: (8, 8, 8), 530: (2, 2)}, "fewer samples"),
        ({317: (7,)}, "predictor"),
        ({278: (1,)}, "lacks 3 of its 4 strips"),
        ({257: (40,), 278: (40,)}, "ends before"),
    ],
)
def test_what_cannot_be_read_is_refused(tags: dict[int, tuple[int, ...]], reason: str) -> None:
    plain = {256: (4,), 257: (4,), 258: (8,), 259: (1,), 262: (1,), 277: (1,), 278: (4,)}
    assert picture(by_hand(plain, [bytes(range(16))])).size == (4, 4)
    with pytest.raises(PictureError, match=reason):
        picture(by_hand({**plain, **tags}, [bytes(range(16))]))


def test_a_bomb_does_not_grow() -> None:
    plain = {256: (64,), 257: (64,), 258: (8,), 259: (8,), 262: (1,), 277: (1,), 278: (64,)}
    bomb = zlib.compress(bytes(50_000_000), 9)
    assert picture(by_hand(plain, [bomb])).size == (64, 64)
    tiled = {k: v for k, v in plain.items() if k != 278} | {322: (2**20,), 323: (2**20,), 324: (8,), 325: (9,)}
    with pytest.raises(PictureError, match="tiles are"):
        picture(by_hand(tiled, [bomb]))
