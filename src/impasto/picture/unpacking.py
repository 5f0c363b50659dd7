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

from impasto.picture.picture import Metadata, Picture, Pixels
from impasto.picture.profile import to_srgb

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
_MOVED = (
    # Offsets into the old file, and the size of the old picture.
    ExifTags.Base.MakerNote,
    ExifTags.IFD.Interop,
    ExifTags.Base.ExifImageWidth,
    ExifTags.Base.ExifImageHeight,
)
_PROFILED = {"1": "L", "L": "L", "LA": "L", "La": "L", "CMYK": "CMYK", "LAB": "LAB"}
_STRAIGHT = {"La": "LA", "RGBa": "RGBA", "P": "RGBA", "PA": "RGBA"}

Strip = tuple[Pixels, Pixels | None]
Key = int | tuple[int, ...] | None
Transform = ImageCms.ImageCmsTransform

logging.getLogger("tifffile").addHandler(logging.NullHandler())


def unpack(image: Image.Image, format_: str | None) -> Picture:
    """The picture in ``image``; decodes it where that has not happened. Raises whatever Pillow does."""
    icc = image.info.get("icc_profile") or b""
    transform = to_srgb(icc if isinstance(icc, bytes) else b"", _PROFILED.get(image.mode, _gray(image.mode) or "RGB"))
    key = _key(image)
    deep = None
    if isinstance(image, TiffImagePlugin.TiffImageFile) and transform is None:
        # Pillow turns a TIFF upright while it decodes; here nobody has yet.
        orientation = _orientation(image)
        deep = _sixteen_bits(image)
    if deep is not None:
        alpha = deep[..., 3] if deep.shape[2] == 4 else None
        pixels, alpha = _assemble((deep.shape[1], deep.shape[0]), orientation, lambda rows: _cut(deep, alpha, rows))
    else:
        image.load()
        orientation = _orientation(image)
        convert = _converter(image, transform, key)
        width = image.width
        pixels, alpha = _assemble(
            image.size, orientation, lambda rows: convert(image.crop((0, rows.start, width, rows.stop)))
        )
    return Picture(pixels, alpha, format_, _metadata(image))


def _cut(pixels: Pixels, alpha: Pixels | None, rows: slice) -> Strip:
    return pixels[rows, :, :3], None if alpha is None else alpha[rows]


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
        scale = _scale(image)
        if transform is None:
            return lambda strip: _sixteen(strip, scale, key)
        return lambda strip: _narrowed(_sixteen(strip, scale, key), transform)
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
    if not (math.isfinite(low) and math.isfinite(high)):
        raise ValueError("it holds values that are not finite")
    for white in (1.0, 255.0, 65535.0) if image.mode == "F" else (255.0, 65535.0):
        if low >= 0 and high <= white:
            return 0.0, white
    return low, high


def _sixteen(strip: Image.Image, scale: tuple[float, float], key: Key) -> Strip:
    values = np.asarray(strip)
    if not strip.mode.startswith("I;16"):
        black, white = scale
        if not np.isfinite(values).all():
            raise ValueError("it holds values that are not finite")
        values = np.rint((values - black) * (65535.0 / max(white - black, 1e-30))).clip(0, 65535)
    values = values.astype(np.uint16)
    return values[..., None], None if key is None else _keyed(values, key)


def _narrowed(strip: Strip, transform: Transform) -> Strip:
    # Little CMS, as Pillow has it, gives 8 bits: right colours matter more than depth.
    gray, alpha = ((None if a is None else ((a.astype(np.uint32) + 128) // 257).astype(np.uint8)) for a in strip)
    assert gray is not None
    return np.asarray(transform.apply(Image.fromarray(gray[..., 0]))), alpha


def _sixteen_bits(image: TiffImagePlugin.TiffImageFile) -> Pixels | None:
    """The samples of a plain 16-bit RGB or RGBA TIFF, which Pillow would cut to 8 bits; else ``None``."""
    tags = image.tag_v2
    samples = tags.get(TiffImagePlugin.SAMPLESPERPIXEL)
    plain = (
        samples in (3, 4)
        and tags.get(TiffImagePlugin.BITSPERSAMPLE) == (16,) * samples
        and tags.get(TiffImagePlugin.PHOTOMETRIC_INTERPRETATION) == 2
        and set(tags.get(TiffImagePlugin.SAMPLEFORMAT, (1,))) == {1}
        and tags.get(TiffImagePlugin.EXTRASAMPLES, ()) == (() if samples == 3 else (2,))
    )
    if not plain:
        return None
    import tifffile

    file = image.fp
    assert file is not None
    try:
        file.seek(0)
        with tifffile.TiffFile(file) as whole:
            array: Pixels = whole.pages[0].asarray()
    except Exception:  # compressed in a way that it does not know, or broken: let Pillow try
        return None
    height, width = tags[TiffImagePlugin.IMAGELENGTH], tags[TiffImagePlugin.IMAGEWIDTH]
    return array if array.shape == (height, width, samples) and array.dtype == np.uint16 else None


def _metadata(image: Image.Image) -> Metadata:
    xmp = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp") or b""
    xmp = xmp.encode("utf-8", "replace") if isinstance(xmp, str) else xmp
    xmp = re.sub(rb'(tiff:Orientation(?:="|>))[0-9]', rb"\g<1>1", xmp) if isinstance(xmp, bytes) else b""
    return Metadata(_exif(image), xmp, _dpi(image))


def _exif(image: Image.Image) -> bytes:
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
                kept.get_ifd(tag).update(inner)
                said = True
        if not said:
            return b""
        kept[_ORIENTATION] = 1
        return kept.tobytes()
    except Exception:  # EXIF is hostile input; a picture without it is still a picture
        return b""


def _dpi(image: Image.Image) -> tuple[float, float] | None:
    try:
        x, y = (float(v) for v in image.info["dpi"])
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
    return (x, y) if math.isfinite(x) and math.isfinite(y) and x > 0 and y > 0 else None
