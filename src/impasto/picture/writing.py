"""Writing pictures: to a file's bytes, tagged sRGB, and from there to disk all at once or not at all."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, PngImagePlugin

from impasto.errors import OutputError, RequestError, UnsupportedFormat
from impasto.picture.files import SUFFIXES
from impasto.picture.formats.png16 import write_png16
from impasto.picture.formats.tiff_writer import write_tiff
from impasto.picture.icc.profile import srgb
from impasto.picture.provenance import KEYWORD, annotate_exif, settings_note
from impasto.picture.raster import Metadata, Raster

__all__ = ["DEEP", "WRITABLE", "chosen_format", "encode", "format_of"]

WRITABLE = ("png", "jpeg", "webp", "tiff", "avif")
"""Formats that can be written."""

DEEP = ("png", "tiff")
"""Those of them that hold 16 bits a channel."""

_SUFFIXES = {suffix: format_ for suffix, format_ in SUFFIXES.items() if format_ in WRITABLE}
_LONGEST_SIDE = {"jpeg": 65535, "webp": 16383, "avif": 65535}
_SEGMENT = 65533  # what one segment of a JPEG holds
_XMP_HEADER = 29
_FULL_COLOUR = 90
_XMP_CHUNK = "XML:com.adobe.xmp"
_NO_LIMIT = 2**30
_LARGEST_DPI = 65535

Settings = Mapping[str, object]


def format_of(path: str | os.PathLike[str]) -> str:
    """The format that a path's suffix names; raises :class:`UnsupportedFormat` for any other."""
    suffix = Path(path).suffix.lower()
    if suffix not in _SUFFIXES:
        found = f"the suffix {suffix}" if suffix else "no suffix"
        raise UnsupportedFormat(f"{path} has {found}; give one of {', '.join(_SUFFIXES)}")
    return _SUFFIXES[suffix]


def chosen_format(own: str | None, asked: str | None, bits: int) -> str:
    """The format asked for; else the photograph's own where it can be written with so many bits; else PNG."""
    if asked:
        return asked
    return own if own is not None and own in (DEEP if bits == 16 else WRITABLE) else "png"


def encode(
    picture: Raster,
    format: str,  # noqa: A002
    *,
    quality: int,
    bits: int,
    keep_metadata: bool,
    settings: Settings | None,
) -> bytes:
    """The bytes of a file in ``format``, one of :data:`WRITABLE`, tagged sRGB.

    ``quality`` is 1..100, for JPEG, WebP and AVIF; ``bits`` is 8, or 16 for PNG and TIFF. JPEG has no
    alpha and is laid over white. The source's resolution is written always, its EXIF and XMP only with
    ``keep_metadata``, and all of it only as far as the format holds it. ``settings`` are stored as
    :mod:`impasto.picture.provenance` says.

    Raises :class:`UnsupportedFormat`, :class:`RequestError` where the format cannot hold 16 bits, and
    :class:`OutputError` where it cannot hold the picture.
    """
    if format not in WRITABLE:
        raise UnsupportedFormat(f"{format!r} cannot be written; choose one of {', '.join(WRITABLE)}")
    if bits not in (8, 16):
        raise RequestError(f"bits is {bits}; give 8 or 16")
    if bits == 16 and format not in DEEP:
        raise RequestError(f"bits is 16, which {format} cannot hold; choose png or tiff")
    longest = _LONGEST_SIDE.get(format)
    if longest and max(picture.size) > longest:
        raise OutputError(
            f"the picture is {picture.width} x {picture.height} pixels, and {format} holds at most {longest} a side; "
            "choose png or tiff"
        )
    said = _storable_metadata(picture.metadata if keep_metadata else Metadata(dpi=picture.metadata.dpi))
    picture = picture.as_type(np.dtype(np.uint16 if bits == 16 else np.uint8))
    try:
        if format == "tiff":
            exif = annotate_exif(said.exif, settings, limit=_NO_LIMIT)
            return write_tiff(picture.pixels, picture.alpha, icc=srgb(), exif=exif, xmp=said.xmp, dpi=said.dpi)
        return (
            _png16(picture, said, settings) if bits == 16 else _through_pillow(picture, format, quality, said, settings)
        )
    except Exception as error:  # the encoders raise a dozen kinds
        raise OutputError(f"the picture cannot be written as {format}: {error}; choose another format") from error


def _storable_metadata(said: Metadata) -> Metadata:
    """Without what no format could hold."""
    dpi = said.dpi if said.dpi and all(1 <= d <= _LARGEST_DPI for d in said.dpi) else None
    return replace(said, exif=annotate_exif(said.exif, None, limit=_NO_LIMIT), dpi=dpi)


def _through_pillow(picture: Raster, format_: str, quality: int, said: Metadata, settings: Settings | None) -> bytes:
    extra: dict[str, Any] = {"icc_profile": srgb()}
    if format_ != "png":
        # WebP and AVIF have no other place for the resolution.
        dpi = said.dpi if format_ in ("webp", "avif") else None
        exif = annotate_exif(said.exif, settings, dpi=dpi, limit=_SEGMENT if format_ == "jpeg" else _NO_LIMIT)
    else:
        exif = said.exif
        texts = PngImagePlugin.PngInfo()
        for key, text in _texts(said, settings).items():
            texts.add_itxt(key, text)
        extra["pnginfo"] = texts
    if exif:
        extra["exif"] = exif
    if said.dpi and format_ in ("png", "jpeg"):
        extra["dpi"] = said.dpi
    if said.xmp and (format_ in ("webp", "avif") or (format_ == "jpeg" and len(said.xmp) <= _SEGMENT - _XMP_HEADER)):
        extra["xmp"] = said.xmp
    if format_ in ("jpeg", "webp", "avif"):
        extra["quality"] = quality
    if format_ in ("jpeg", "avif") and quality >= _FULL_COLOUR:
        extra["subsampling"] = "4:4:4"
    image = (_over_white(picture) if format_ == "jpeg" else picture).to_pil()
    file = BytesIO()
    image.save(file, format_.upper(), **extra)
    return file.getvalue()


def _over_white(picture: Raster) -> Raster:
    if picture.alpha is None:
        return picture
    image = Image.new("RGB", picture.size, "white")
    image.paste(Image.fromarray(picture.pixels), mask=Image.fromarray(picture.alpha))
    return Raster(np.asarray(image).copy())


def _texts(said: Metadata, settings: Settings | None) -> dict[str, str]:
    texts = {}
    if settings is not None:
        texts[KEYWORD] = settings_note(settings)
    if said.xmp:
        texts[_XMP_CHUNK] = said.xmp.decode("utf-8", "replace")
    return texts


def _png16(picture: Raster, said: Metadata, settings: Settings | None) -> bytes:
    return write_png16(
        picture.pixels,
        picture.alpha,
        icc=srgb(),
        exif=said.exif.removeprefix(b"Exif\0\0"),
        texts=_texts(said, settings),
        dpi=said.dpi,
    )
