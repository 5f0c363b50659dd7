"""Unpacking: from a Pillow image of any mode to upright sRGB pixels and alpha.

Everything happens in strips of rows that are written straight to their final place, so that a large
picture is held twice (Pillow's and ours) and never more.
"""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Callable

import numpy as np
from PIL import ExifTags, Image, ImageCms, TiffImagePlugin

from impasto.picture.formats.sample_levels import levels, to_uint8, to_uint16
from impasto.picture.formats.tiff_page import TiffPage
from impasto.picture.icc.declared_profile import declared_profile
from impasto.picture.icc.profile import to_srgb
from impasto.picture.raster import Metadata, Pixels, Raster

__all__ = ["unpack"]

_STRIP = 2**21
_ORIENTATION = ExifTags.Base.Orientation
_DESCRIPTIVE = (
    # What a person or camera said; the other tags describe the file's own layout.
    ExifTags.Base.ImageDescription,
    ExifTags.Base.Make,
    ExifTags.Base.Model,
    ExifTags.Base.XResolution,
    ExifTags.Base.YResolution,
    ExifTags.Base.ResolutionUnit,
    ExifTags.Base.Software,
    ExifTags.Base.DateTime,
    ExifTags.Base.Artist,
    ExifTags.Base.Copyright,
)
_SRGB = 1
_MOVED = (
    # Offsets into the old file, the size of the old picture, and its colours.
    ExifTags.Base.MakerNote,
    ExifTags.IFD.Interop,
    ExifTags.Base.ExifImageWidth,
    ExifTags.Base.ExifImageHeight,
    ExifTags.Base.Gamma,
)
_PROFILED = {"1": "L", "L": "L", "LA": "L", "La": "L", "CMYK": "CMYK", "LAB": "LAB"}
_STRAIGHT = {"La": "LA", "RGBa": "RGBA", "P": "RGBA", "PA": "RGBA"}

Strip = tuple[Pixels, Pixels | None]
Key = int | tuple[int, ...] | None
Transform = ImageCms.ImageCmsTransform

logging.getLogger("tifffile").addHandler(logging.NullHandler())


def unpack(image: Image.Image | TiffPage, format_: str | None, orientation: int | None = None) -> Raster:
    """The picture in ``image``; decodes it where that has not happened. Raises whatever Pillow does.

    ``orientation`` counts instead of what its EXIF says.
    """
    if isinstance(image, TiffPage):
        pixels, alpha = _page(image)
    else:
        key, profile = _key(image), declared_profile(image, format_, _base(image.mode))
        image.load()
        pixels, alpha = _image(image, profile, _orientation(image) if orientation is None else orientation, key)
    return Raster(pixels, alpha, format_, _metadata(image))


def _base(mode: str) -> str:
    return _PROFILED.get(mode, _gray(mode) or "RGB")


def _image(image: Image.Image, profile: bytes, orientation: int, key: Key = None) -> Strip:
    convert = _converter(image, to_srgb(profile, _base(image.mode)), key)
    width = image.width
    return _assemble(image.size, orientation, lambda rows: convert(image.crop((0, rows.start, width, rows.stop))))


def _page(page: TiffPage) -> Strip:
    image = page.through_pillow()
    if image is not None:
        with image:
            image.load()
            # Pillow turns a TIFF upright while it decodes, if the page itself says how it lies.
            profile = declared_profile(page, "tiff", _base(image.mode))
            return _image(image, profile, 1 if page.turned else page.orientation)
    colours = page.decode()
    transform = to_srgb(declared_profile(page, "tiff", colours.base), colours.base)

    def strip(rows: slice) -> Strip:
        colour, alpha = colours.strip(rows)
        return _coloured(colour, alpha, colours.base, transform)

    return _assemble(page.size, page.orientation, strip)


def _coloured(colour: Pixels, alpha: Pixels | None, base: str, transform: Transform | None) -> Strip:
    if transform is None and base in ("L", "RGB"):
        return colour, alpha
    colour, alpha = to_uint8(colour), None if alpha is None else to_uint8(alpha)
    image = Image.frombytes(base, (colour.shape[1], colour.shape[0]), np.ascontiguousarray(colour).tobytes())
    return np.asarray(image.convert("RGB") if transform is None else transform.apply(image)), alpha


def _assemble(size: tuple[int, int], orientation: int, strip: Callable[[slice], Strip]) -> Strip:
    width, height = size
    shape = (width, height) if orientation > 4 else (height, width)
    step = max(1, _STRIP // width)
    pixels: Pixels | None = None
    alpha: Pixels | None = None
    opaque = True
    for top in range(0, height, step):
        rows = slice(top, min(top + step, height))
        colour, cover = strip(rows)
        if pixels is None:
            pixels = np.empty((*shape, 3), colour.dtype)
            alpha = None if cover is None else np.empty(shape, cover.dtype)
        _as_stored(pixels, orientation)[rows] = colour
        if alpha is not None and cover is not None:
            _as_stored(alpha, orientation)[rows] = cover
            opaque = opaque and bool((cover == np.iinfo(cover.dtype).max).all())
    assert pixels is not None
    return pixels, None if opaque else alpha


def _as_stored(upright: Pixels, orientation: int) -> Pixels:
    """A view of ``upright`` with its rows and columns in the file's order."""
    if orientation > 4:
        upright = upright.swapaxes(0, 1)
    down = -1 if orientation in (3, 4, 6, 7) else 1
    across = -1 if orientation in (2, 3, 7, 8) else 1
    return upright[::down, ::across]


def _orientation(image: Image.Image) -> int:
    try:
        value = image.getexif().get(_ORIENTATION)
    except Exception:  # EXIF is hostile input; a picture without it is still a picture
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _gray(mode: str) -> str | None:
    return "L" if mode in ("I", "F") or mode.startswith("I;16") else None


def _key(image: Image.Image) -> Key:
    """The colour that a PNG's tRNS chunk declares transparent, on the scale of the decoded pixels."""
    key = image.info.get("transparency")
    if image.mode not in ("1", "L", "RGB", "I;16") or not isinstance(key, tuple if image.mode == "RGB" else int):
        return None
    tile = getattr(image, "tile", None)
    raw = tile[0][3] if tile else ""
    raw = raw[0] if isinstance(raw, tuple) and raw else raw
    if isinstance(key, tuple):
        return tuple(k >> 8 for k in key) if raw == "RGB;16B" else key
    return key * {"L;2": 85, "L;4": 17}.get(str(raw), 1)


def _converter(image: Image.Image, transform: Transform | None, key: Key) -> Callable[[Image.Image], Strip]:
    if _gray(image.mode):
        scale, negative = _scale(image), _is_negative(image)
        if transform is None:
            return lambda strip: _sixteen(strip, scale, key, negative)
        return lambda strip: _narrowed(_sixteen(strip, scale, key, negative), transform)
    return lambda strip: _eight(strip, transform, key)


def _eight(strip: Image.Image, transform: Transform | None, key: Key) -> Strip:
    alpha = None
    if strip.mode in ("La", "RGBa") or (strip.mode in ("P", "PA") and strip.has_transparency_data):
        strip = strip.convert(_STRAIGHT[strip.mode])
    if strip.mode in ("LA", "RGBA"):
        alpha = np.asarray(strip.getchannel("A"))
    base = _PROFILED.get(strip.mode, "RGB")
    strip.info.pop("transparency", None)  # else Pillow would see to the colour key, and warn of it
    if key is not None and strip.mode in ("1", "L", "RGB"):
        alpha = _keyed(np.asarray(strip.convert(base)), key)
    colour = strip.convert("RGB") if transform is None else transform.apply(strip.convert(base))
    return np.asarray(colour), alpha


def _keyed(values: Pixels, key: int | tuple[int, ...]) -> Pixels:
    same = values == np.asarray(key)
    if same.ndim == 3:
        same = same.all(axis=2)
    return np.where(same, 0, np.iinfo(values.dtype).max).astype(values.dtype)


def _scale(image: Image.Image) -> tuple[float, float]:
    """What is black and what is white in a grey image of 16 or 32 bits, or of floats."""
    if image.mode.startswith("I;16"):
        return 0.0, 65535.0
    low, high = (float(v) for v in image.getextrema())  # type: ignore[arg-type]
    return levels(low, high, np.dtype(np.float32 if image.mode == "F" else np.int32))


def _is_negative(image: Image.Image) -> bool:
    """Whether 0 is white, as of TIFFs: where there are more than 8 bits, Pillow leaves it at that."""
    if not isinstance(image, TiffImagePlugin.TiffImageFile):
        return False
    return bool(image.tag_v2.get(TiffImagePlugin.PHOTOMETRIC_INTERPRETATION) == 0)


def _sixteen(strip: Image.Image, scale: tuple[float, float], key: Key, negative: bool) -> Strip:
    values = np.asarray(strip)
    values = values.astype(np.uint16) if strip.mode.startswith("I;16") else to_uint16(values, *scale)
    values = 65535 - values if negative else values
    return values[..., None], None if key is None else _keyed(values, key)


def _narrowed(strip: Strip, transform: Transform) -> Strip:
    # Little CMS, as Pillow has it, gives 8 bits: right colours matter more than depth.
    gray, alpha = strip
    colour = np.asarray(transform.apply(Image.fromarray(to_uint8(gray[..., 0]))))
    return colour, None if alpha is None else to_uint8(alpha)


def _metadata(image: Image.Image | TiffPage) -> Metadata:
    xmp = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp") or b""
    xmp = xmp.encode("utf-8", "replace") if isinstance(xmp, str) else xmp
    xmp = re.sub(rb'(tiff:Orientation(?:="|>))[0-9]', rb"\g<1>1", xmp) if isinstance(xmp, bytes) else b""
    return Metadata(_exif(image), xmp, _dpi(image))


def _exif(image: Image.Image | TiffPage) -> bytes:
    try:
        source = image.getexif()
        kept = Image.Exif()
        said = False
        for name in _DESCRIPTIVE:
            if name in source:
                kept[name] = source[name]
                said = True
        for tag in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo):
            if inner := {k: v for k, v in source.get_ifd(tag).items() if k not in _MOVED}:
                if ExifTags.Base.ColorSpace in inner:
                    inner[ExifTags.Base.ColorSpace] = _SRGB
                kept.get_ifd(tag).update(inner)
                said = True
        if not said:
            return b""
        kept[_ORIENTATION] = 1
        return kept.tobytes()
    except Exception:  # EXIF is hostile input; a picture without it is still a picture
        return b""


def _dpi(image: Image.Image | TiffPage) -> tuple[float, float] | None:
    try:
        # For a JPEG that has none, Pillow makes one up.
        made_up = image.format in ("JPEG", "MPO") and image.info.get("jfif_unit") not in (1, 2)
        sides = image.info["dpi"] if "dpi" in image.info and not made_up else _exif_dpi(image.getexif())
        x, y = (float(v) for v in sides)
    except Exception:  # EXIF is hostile input; a picture without it is still a picture
        return None
    return (x, y) if math.isfinite(x) and math.isfinite(y) and x > 0 and y > 0 else None


def _exif_dpi(exif: Image.Exif) -> tuple[float, float]:
    """What EXIF says, which is all that WebP, AVIF and HEIF have."""
    unit = {2: 1.0, 3: 2.54}[exif.get(ExifTags.Base.ResolutionUnit, 2)]
    return exif[ExifTags.Base.XResolution] * unit, exif[ExifTags.Base.YResolution] * unit
