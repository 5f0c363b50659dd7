"""A TIFF's page: the one that is the picture, what it says of itself, and its colours.

tifffile decides what a page holds. Only what it cannot unpack, and libtiff can, goes through Pillow as a whole: JPEG
and fax inside of TIFF, and YCbCr, all of 8 bits a sample or one. Everything else is refused.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from io import BytesIO
from itertools import islice
from typing import IO, Any, Literal

import numpy as np
from PIL import ExifTags, Image, TiffImagePlugin

from impasto.errors import UnsupportedFormat
from impasto.picture.formats.sample_levels import levels, to_uint8, to_uint16
from impasto.picture.formats.tiff_samples import BYTEWISE, read_samples
from impasto.picture.raster import Pixels

__all__ = ["TiffPage", "check_decoded", "raw_file"]

Base = Literal["L", "RGB", "CMYK", "LAB"]

_WHITE_IS_ZERO, _GREY, _RGB, _PALETTE, _MASK, _CMYK, _YCBCR = range(7)
_CIELAB, _ICCLAB = 8, 9
_BASES: dict[int, tuple[Base, int]] = {
    _WHITE_IS_ZERO: ("L", 1),
    _GREY: ("L", 1),
    _RGB: ("RGB", 3),
    _PALETTE: ("RGB", 1),
    _CMYK: ("CMYK", 4),
    _CIELAB: ("LAB", 3),
    _ICCLAB: ("LAB", 3),
}
_THROUGH_PILLOW = frozenset({2, 3, 4, 6, 7})
_RAW_COLOURS = frozenset({32803, 34892})
_RAW_COMPRESSIONS = frozenset({32767, 32769, 32770, 34713, 65000, 65535})
_DNG_VERSION = 50706
_INK_SET = 332
_NEW_SUBFILE_TYPE, _OLD_SUBFILE_TYPE, _OLD_REDUCED = 254, 255, 2
_REDUCED, _TRANSPARENCY, _DEPTH = 1, 4, 8
_ASSOCIATED, _UNASSOCIATED, _COREL = 1, 2, 999
_MOST_PAGES = 64


class TiffPage:
    """Stands in for a Pillow image that is not decoded yet: ``size``, ``info``, ``format`` and ``getexif()``.

    Of several pages it is the first that is neither a reduced version of another (NewSubfileType 1) nor a mask, the
    pages below a page (SubIFDs) before the next. ``frame`` names another one. Raises :class:`UnsupportedFormat` for a
    camera's raw file, and ``ValueError`` where no page is the picture.
    """

    format = "TIFF"

    def __init__(self, file: IO[bytes], name: str, frame: int = 0) -> None:
        import tifffile

        self._file = file
        file.seek(0)
        whole = tifffile.TiffFile(file)
        try:
            first = whole.pages.first
        except IndexError:
            raise ValueError("it has no pages") from None
        self._page = whole.pages[frame] if frame else _chosen(whole, name)
        tags = self._page.tags
        # A page below another shares what it does not say itself.
        self._shared = first.tags if len(self._page._index) > 1 else tags
        self.size = (int(self._page.imagewidth), int(self._page.imagelength))
        self.orientation = _orientation(self._value(ExifTags.Base.Orientation))
        self.turned = ExifTags.Base.Orientation in tags
        self.info: dict[str, Any] = {"icc_profile": self._value(TiffImagePlugin.ICCPROFILE)}
        self.info["xmp"] = first.tags.valueof(TiffImagePlugin.XMP)
        if dpi := _dpi(tags):
            self.info["dpi"] = dpi

    def __enter__(self) -> TiffPage:
        return self

    def __exit__(self, *_: object) -> None:
        self._page.parent.close()

    def _value(self, tag: int) -> Any:
        value = self._page.tags.valueof(tag)
        return self._shared.valueof(tag) if value is None else value

    def getexif(self) -> Image.Exif:
        """What the file's first page says; raises whatever Pillow does where it is broken."""
        exif = Image.Exif()
        self._file.seek(0)
        exif.load_from_fp(self._file)
        return exif

    def through_pillow(self) -> TiffImagePlugin.TiffImageFile | None:
        """The page as Pillow has it, where the page's samples cannot be read by :meth:`decode`; else ``None``.

        Raises ``ValueError`` where Pillow would not read it right either.
        """
        page = self._page
        if page.compression in BYTEWISE and page.photometric != _YCBCR:
            return None
        if page.compression == 1 and page.tags.valueof(TiffImagePlugin.YCBCRSUBSAMPLING, (1, 1)) != (1, 1):
            raise ValueError("its colours have fewer samples than its light, and are not packed; save it as RGB")
        together = page.planarconfig == 1 or page.samplesperpixel == 1
        plain = together and page.bitspersample in (1, 8) and page.sampleformat == 1
        if page.compression not in BYTEWISE | _THROUGH_PILLOW or not plain:
            packed = getattr(page.compression, "name", page.compression)
            planes = "" if together else ", each channel by itself"
            raise ValueError(
                f"{page.bitspersample} bits a sample{planes}, packed as {packed}; save it with LZW or Deflate"
            )
        if page.parent.pages.first.offset == page.offset:
            self._file.seek(0)
            return TiffImagePlugin.TiffImageFile(self._file)
        self._file.seek(0)
        data = bytearray(self._file.read())
        # Pillow begins at the page that the header names.
        number, at = ("Q", 8) if page.parent.is_bigtiff else ("I", 4)
        struct.pack_into(page.parent.byteorder + number, data, at, page.offset)
        return TiffImagePlugin.TiffImageFile(BytesIO(data))

    def decode(self) -> TiffColors:
        """The page's colours; raises ``ValueError`` with the reason where it is not to be read."""
        return TiffColors(self._page, self._file)


class TiffColors:
    """Decoded samples, given out in strips as grey, RGB, CMYK or Lab and alpha, of 8 or 16 bits each."""

    def __init__(self, page: Any, file: IO[bytes]) -> None:
        photometric = int(page.photometric)
        if photometric not in _BASES or (photometric == _CMYK and page.tags.valueof(_INK_SET, 1) != 1):
            raise ValueError(f"its colours are {getattr(page.photometric, 'name', photometric)}")
        numbers = isinstance(page.bitspersample, int) and page.dtype is not None and page.dtype.kind in "biuf"
        if page.imagedepth != 1 or not numbers:
            raise ValueError("its samples are not numbers of one kind that a picture could have")
        self.base, count = _BASES[photometric]
        self._photometric = photometric
        if page.samplesperpixel < count:
            raise ValueError(f"it has {page.samplesperpixel} samples a pixel, and its colours need {count}")
        extra = _alpha(page, count)
        self._associated = extra is not None and extra[1]
        planes = [*range(count), *([] if extra is None else [extra[0]])]
        self._samples = read_samples(page, file, planes)
        self._count, self._bits = count, int(page.bitspersample)
        self._palette = _palette(page) if photometric == _PALETTE else None
        plain = self._samples.dtype.kind in "bu" and self._bits <= 16
        self._plain = plain
        self._colour_levels = self._alpha_levels = (0.0, 1.0)
        if not plain:
            self._colour_levels = _levels(self._samples[..., :count])
            self._alpha_levels = (0.0, _levels(self._samples[..., -1])[1])

    def strip(self, rows: slice) -> tuple[Pixels, Pixels | None]:
        """Colour ``(rows, width, channels)`` and alpha ``(rows, width)``, of the same type."""
        stored = self._samples[rows]
        colour = self._colour(stored[..., : self._count])
        if stored.shape[2] == self._count:
            return colour, None
        alpha = self._scaled(stored[..., self._count], self._alpha_levels)
        alpha = to_uint8(alpha) if colour.dtype == np.uint8 else alpha
        return (_unmultiply(colour, alpha) if self._associated else colour), alpha

    def _colour(self, stored: Pixels) -> Pixels:
        if self._palette is not None:
            return np.asarray(self._palette[stored[..., 0].astype(np.intp)])
        if self.base == "LAB":
            return self._lab(stored)
        colour = self._scaled(stored, self._colour_levels)
        return np.iinfo(colour.dtype).max - colour if self._photometric == _WHITE_IS_ZERO else colour

    def _lab(self, stored: Pixels) -> Pixels:
        """Bytes as Pillow takes them: a and b with a sign."""
        if stored.dtype.itemsize not in (1, 2) or stored.dtype.kind not in "iu":
            raise ValueError("its Lab colours have neither 8 nor 16 bits")
        eight = (stored.view(np.uint16) >> 8).astype(np.uint8) if stored.dtype.itemsize == 2 else stored.view(np.uint8)
        return eight ^ np.array([0, 128, 128], np.uint8) if self._photometric == _ICCLAB else eight

    def _scaled(self, stored: Pixels, scale: tuple[float, float]) -> Pixels:
        if not self._plain:
            return to_uint16(stored, *scale)
        if self._bits in (8, 16):
            return stored
        peak, kind = (255, np.uint8) if self._bits < 8 else (65535, np.uint16)
        white = 2**self._bits - 1
        return np.asarray((stored.astype(np.uint32) * peak + white // 2) // white, kind)


def _chosen(whole: Any, name: str) -> Any:
    first = whole.pages.first
    reduced = _is_reduced(first)
    others = list(islice(_others(whole), _MOST_PAGES)) if reduced else _sub_pages(first)
    if _DNG_VERSION in first.tags or any(map(_is_raw, [first, *others])):
        raise raw_file(name)
    # A page below another that is larger makes the other a preview, whatever it says.
    least = _area(first) + (0 if reduced else 1)
    for page in others:
        if not _is_reduced(page) and _area(page) >= least:
            return page
    if reduced and others:
        raise ValueError(f"its {len(others) + 1} pages are reduced versions or masks of a picture that is not there")
    return first


def check_decoded(image: TiffImagePlugin.TiffImageFile, name: str) -> None:
    """Refuse what Pillow has decoded where that is not the picture: it takes a file's first page, whatever that is, and
    does not use how all of them are stored.

    Raises :class:`UnsupportedFormat` for a camera's raw file, and ``ValueError`` for the others.
    """
    tags = image.tag_v2
    if _DNG_VERSION in tags:
        raise raw_file(name)
    is_reduced = bool(tags.get(_NEW_SUBFILE_TYPE, 0) & _REDUCED) or tags.get(_OLD_SUBFILE_TYPE) == _OLD_REDUCED
    has_others = image.is_animated or TiffImagePlugin.SUBIFD in tags
    if is_reduced and has_others and image.tell() == 0:
        raise ValueError("what was decoded is a reduced version of it; give the file itself")
    bits, is_planar = tags.get(TiffImagePlugin.BITSPERSAMPLE, ()), tags.get(TiffImagePlugin.PLANAR_CONFIGURATION) == 2
    is_torn = is_planar and 16 in bits and tags.get(TiffImagePlugin.COMPRESSION, 1) == 1
    # Whole numbers without a sign, which have got one.
    is_wrapped = image.mode == "I" and tags.get(TiffImagePlugin.SAMPLEFORMAT, (1,))[0] == 1 and _lowest(image) < 0
    if is_torn or is_wrapped:
        raise ValueError(f"{max(bits, default=1)} bits a sample are decoded wrong by Pillow; give the file itself")


def _lowest(image: Image.Image) -> float:
    low, _ = image.getextrema()
    return float(low)  # type: ignore[arg-type]


def raw_file(name: str) -> UnsupportedFormat:
    """The refusal of a camera's raw file: what a reader of pictures finds in it is a preview."""
    return UnsupportedFormat(f"{name} is a camera's raw file; develop it with another program and give a JPEG or TIFF")


def _area(page: Any) -> int:
    return int(page.imagewidth) * int(page.imagelength)


def _others(whole: Any) -> Iterator[Any]:
    yield from _sub_pages(whole.pages.first)
    for index in range(1, _MOST_PAGES):
        try:
            page = whole.pages[index]
        except IndexError:
            return
        yield page
        yield from _sub_pages(page)


def _sub_pages(page: Any) -> list[Any]:
    if not page.subifds:
        return []
    found = page.pages
    return [found[index] for index in range(min(len(found), _MOST_PAGES))]


def _is_raw(page: Any) -> bool:
    return int(page.photometric) in _RAW_COLOURS or int(page.compression) in _RAW_COMPRESSIONS


def _is_reduced(page: Any) -> bool:
    return bool(page.subfiletype & (_REDUCED | _TRANSPARENCY | _DEPTH)) or int(page.photometric) == _MASK


def _orientation(value: object) -> int:
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _dpi(tags: Any) -> tuple[float, float] | None:
    unit = tags.valueof(TiffImagePlugin.RESOLUTION_UNIT, 2)
    try:
        sides = [tags.valueof(tag) for tag in (TiffImagePlugin.X_RESOLUTION, TiffImagePlugin.Y_RESOLUTION)]
        x, y = (top / bottom * {2: 1.0, 3: 2.54}[unit] for top, bottom in sides)
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
    return x, y


def _alpha(page: Any, count: int) -> tuple[int, bool] | None:
    """Which sample is alpha, and whether colours are multiplied by it. One that is not named is alpha."""
    said = page.tags.valueof(TiffImagePlugin.EXTRASAMPLES)
    extras = page.samplesperpixel - count
    if said is None:
        return (count, False) if extras == 1 else None
    kinds = list(said) if isinstance(said, (tuple, list)) else [said]
    for index, kind in enumerate(int(kind) for kind in kinds[:extras]):
        if kind in (_ASSOCIATED, _UNASSOCIATED, _COREL):
            return count + index, kind == _ASSOCIATED
    return None


def _palette(page: Any) -> Pixels:
    table = page.colormap
    bits = page.bitspersample
    if table is None or bits > 16 or table.shape != (3, 2**bits):
        raise ValueError("it has no palette")
    # Some programs write bytes where the high bytes of 16 bits belong.
    return np.ascontiguousarray((table >> 8 if table.max() > 255 else table).astype(np.uint8).T)


def _levels(values: Pixels) -> tuple[float, float]:
    return levels(float(values.min()), float(values.max()), values.dtype)


def _unmultiply(colour: Pixels, alpha: Pixels) -> Pixels:
    """Colours that are not multiplied by their alpha any more."""
    peak = np.iinfo(colour.dtype).max
    cover = np.maximum(alpha, 1).astype(np.uint64)[..., None]
    return np.asarray(np.minimum((colour.astype(np.uint64) * peak + cover // 2) // cover, peak), colour.dtype)
