"""Declared colours: what a file says of its colours, by an ICC profile or by any other means, as an ICC profile."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import IO, Any

import numpy as np
from PIL import ExifTags, Image

from impasto.picture.icc.color_space import ADOBE_RGB, SRGB, ColorSpace, cicp_color_space, power

__all__ = ["declared_profile"]

_COLOUR_SPACE_SRGB, _COLOUR_SPACE_ADOBE = 1, 2
_TRANSFER_FUNCTION, _WHITE_POINT, _PRIMARIES = 301, 318, 319
_GAMMA = 0xA500
_SRGB_GAMMA = 0.45455
_SLACK = 0.001
_LARGEST_BOX = 2**24
_BMP_CALIBRATED, _BMP_EMBEDDED = 0, b"DEBM"


def declared_profile(image: Any, format_: str | None, mode: str) -> bytes:
    """The ICC profile for ``image``, a Pillow image or what stands in for one, decoded as ``mode``; else ``b""``.

    In the order in which they hold: PNG's cICP; an ICC profile; AVIF's and HEIF's nclx, PNG's sRGB, gAMA and cHRM, a
    bitmap's header; and EXIF, by which a camera says Adobe RGB. What only a file can say, and not the image, is lost
    once the image is decoded.
    """
    file = getattr(image, "fp", None)
    try:
        code = _cicp(file) if format_ == "png" and file is not None else None
        space = cicp_color_space(*code) if code else None
        if space is None:
            icc = image.info.get("icc_profile")
            if isinstance(icc, bytes) and icc:
                return icc
            if format_ == "bmp" and file is not None and (icc := _bmp_profile(file)):
                return icc
            space = _format_profile(image, format_, file) or _in_exif(image)
        return space.profile(mode) if space is not None and mode in ("L", "RGB") else b""
    except Exception:  # what it says is hostile input, and a picture without it is still a picture
        return b""


def _format_profile(image: Any, format_: str | None, file: IO[bytes] | None) -> ColorSpace | None:
    if format_ == "png":
        return _png(image.info)
    if format_ in ("avif", "heif"):
        code = _nclx(file) if file is not None else None
        said = image.info.get("nclx_profile")
        if code is None and isinstance(said, Mapping):
            code = int(said.get("color_primaries", 2)), int(said.get("transfer_characteristics", 2))
        return cicp_color_space(*code) if code else None
    if format_ == "bmp" and file is not None:
        return _bmp(file)
    return None


# --- PNG


def _cicp(file: IO[bytes]) -> tuple[int, int] | None:
    """Primaries and transfer of the cICP chunk, which stands before the pixels."""
    at = file.tell()
    try:
        file.seek(8)
        while len(head := file.read(8)) == 8:
            length, kind = struct.unpack(">I4s", head)
            if kind == b"cICP" and length == 4:
                primaries, transfer, _, _ = file.read(4)
                return primaries, transfer
            if kind in (b"IDAT", b"IEND"):
                return None
            file.seek(length + 4, 1)
        return None
    finally:
        file.seek(at)


def _png(info: Mapping[str, Any]) -> ColorSpace | None:
    if "srgb" in info:
        return None
    points, gamma = info.get("chromaticity"), info.get("gamma")
    if points is None and gamma is None:
        return None
    space = SRGB
    if points is not None:
        white, red, green, blue = ((float(x), float(y)) for x, y in zip(points[::2], points[1::2], strict=True))
        space = ColorSpace(white, red, green, blue, SRGB.light)
    return _with_gamma(space, 1 / gamma) if gamma else space


# --- AVIF and HEIF


def _nclx(file: IO[bytes]) -> tuple[int, int] | None:
    """Primaries and transfer of the primary item's colour box, else of the first one."""
    at = file.tell()
    try:
        file.seek(0)
        data = next((body for kind, body in _file_boxes(file) if kind == b"meta"), b"")
    finally:
        file.seek(at)
    meta = dict(_boxes(data[4:]))
    properties = dict(_boxes(meta.get(b"iprp", b"")))
    kinds = list(_boxes(properties.get(b"ipco", b"")))
    codes = {
        index: struct.unpack_from(">HH", body, 4)
        for index, (kind, body) in enumerate(kinds, 1)
        if kind == b"colr" and body[:4] == b"nclx" and len(body) >= 10
    }
    own = _associated(properties.get(b"ipma", b""), _primary(meta.get(b"pitm", b"")))
    return next((codes[index] for index in own if index in codes), next(iter(codes.values()), None))


def _file_boxes(file: IO[bytes]) -> Iterator[tuple[bytes, bytes]]:
    while len(head := file.read(8)) == 8:
        size, kind = struct.unpack(">I4s", head)
        start = 8
        if size == 1:
            (size,), start = struct.unpack(">Q", file.read(8)), 16
        if size < start:
            return
        if kind == b"meta":
            yield kind, file.read(min(size - start, _LARGEST_BOX))
            return
        file.seek(size - start, 1)


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    while at + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        if size < 8:
            return
        yield kind, data[at + 8 : at + size]
        at += size


def _primary(pitm: bytes) -> int:
    if len(pitm) < 6:
        return 0
    return int.from_bytes(pitm[4:6] if pitm[0] == 0 else pitm[4:8], "big")


def _associated(ipma: bytes, item: int) -> list[int]:
    """The properties of an item, by number from 1."""
    if len(ipma) < 8:
        return []
    wide, long = ipma[0] >= 1, ipma[3] & 1
    (count,), at = struct.unpack_from(">I", ipma, 4), 8
    for _ in range(count):
        (found,) = struct.unpack_from(">I" if wide else ">H", ipma, at)
        at += 4 if wide else 2
        number = ipma[at]
        size = 2 if long else 1
        entries = [int.from_bytes(ipma[at + 1 + i * size : at + 1 + (i + 1) * size], "big") for i in range(number)]
        if found == item:
            return [entry & (0x7FFF if long else 0x7F) for entry in entries]
        at += 1 + number * size
    return []


# --- bitmaps


def _bmp_header(file: IO[bytes]) -> bytes:
    at = file.tell()
    try:
        file.seek(14)
        return file.read(124)
    finally:
        file.seek(at)


def _bmp_profile(file: IO[bytes]) -> bytes:
    """The profile that a header of version 5 points to."""
    header = _bmp_header(file)
    if len(header) < 124 or struct.unpack_from("<I", header)[0] < 124 or header[56:60] != _BMP_EMBEDDED:
        return b""
    offset, size = struct.unpack_from("<II", header, 112)
    at = file.tell()
    try:
        file.seek(14 + offset)
        return file.read(min(size, _LARGEST_BOX))
    finally:
        file.seek(at)


def _bmp(file: IO[bytes]) -> ColorSpace | None:
    """The calibrated colours of a header of version 4 or 5: end points in XYZ, and a gamma for each channel."""
    header = _bmp_header(file)
    if len(header) < 108 or struct.unpack_from("<I", header)[0] < 108:
        return None
    kind, *numbers = struct.unpack_from("<I9i3I", header, 56)
    ends = np.array(numbers[:9]).reshape(3, 3) / 2**30
    gamma = numbers[10] / 2**16
    if kind != _BMP_CALIBRATED or not gamma or (ends.sum(axis=1) <= 0).any():
        return None
    white, red, green, blue = (
        (float(x / (x + y + z)), float(y / (x + y + z))) for x, y, z in (ends.sum(axis=0), *ends)
    )
    return ColorSpace(white, red, green, blue, power(gamma))


# --- EXIF and TIFF


def _in_exif(image: Any) -> ColorSpace | None:
    if getattr(image, "format", None) == "PNG" and "exif" not in image.info:
        return None  # Pillow would decode the pixels to look for it behind them
    tags: Image.Exif = image.getexif()
    camera = tags.get_ifd(ExifTags.IFD.Exif)
    space = camera.get(ExifTags.Base.ColorSpace)
    if space == _COLOUR_SPACE_SRGB:
        return None
    if space == _COLOUR_SPACE_ADOBE or _interoperability(tags) == "R03":
        return ADOBE_RGB
    white, points, gamma = (tags.get(tag) for tag in (_WHITE_POINT, _PRIMARIES, _GAMMA))
    gamma = camera.get(_GAMMA, gamma)
    curve = _transfer(tags.get(_TRANSFER_FUNCTION))
    if points is None and gamma is None and curve is None:
        return None
    known = SRGB
    if points is not None:
        x = [float(v) for v in points]
        white_point = (float(white[0]), float(white[1])) if white is not None else SRGB.white
        known = ColorSpace(white_point, (x[0], x[1]), (x[2], x[3]), (x[4], x[5]), SRGB.light)
    known = known if gamma is None else _with_gamma(known, float(gamma))
    return known if curve is None else replace(known, light=curve)


def _with_gamma(space: ColorSpace, gamma: float) -> ColorSpace:
    """``space`` with a power for its curve; beside the primaries of sRGB, 2.2 is how files say sRGB's own."""
    ours, srgb = (np.array([s.white, s.red, s.green, s.blue]) for s in (space, SRGB))
    if abs(1 / gamma - _SRGB_GAMMA) < _SLACK and np.abs(ours - srgb).max() < _SLACK:
        return space
    return replace(space, light=power(gamma))


def _interoperability(tags: Image.Exif) -> str:
    if ExifTags.IFD.Interop not in tags.get_ifd(ExifTags.IFD.Exif):
        return ""
    index = tags.get_ifd(ExifTags.IFD.Interop).get(ExifTags.Interop.InteropIndex, "")
    return (index.decode("ascii", "replace") if isinstance(index, bytes) else str(index)).rstrip("\0 ")


def _transfer(table: Any) -> Any:
    """A TIFF's transfer function: linear light in 0..65535 for every value; of three channels, the green one's."""
    if not isinstance(table, (tuple, list)) or len(table) < 4:
        return None
    third = len(table) // 3
    steps = np.array(table if len(table) & (len(table) - 1) == 0 else table[third : 2 * third], float) / 65535
    return lambda v: np.interp(v, np.linspace(0, 1, len(steps)), steps)
