"""TIFF with 8 or 16 bits a channel and full EXIF, which neither Pillow nor tifffile writes by itself."""

from __future__ import annotations

import struct
from io import BytesIO
from typing import Any

import numpy as np
from PIL import ExifTags, Image, TiffImagePlugin

from impasto.picture.raster import Pixels

__all__ = ["write_tiff"]

_ASCII, _BYTE, _LONG = 2, 1, 4
_TEXTS = (
    ExifTags.Base.ImageDescription,
    ExifTags.Base.Make,
    ExifTags.Base.Model,
    ExifTags.Base.Software,
    ExifTags.Base.DateTime,
    ExifTags.Base.Artist,
    ExifTags.Base.Copyright,
)
_DIRECTORIES = (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo)


def write_tiff(
    pixels: Pixels,
    alpha: Pixels | None,
    *,
    icc: bytes,
    exif: bytes = b"",
    xmp: bytes = b"",
    dpi: tuple[float, float] | None = None,
) -> bytes:
    """A deflated TIFF file's bytes from ``uint8`` or ``uint16`` pixels ``(height, width, 3)``.

    Alpha is ``(height, width)``, of the same type, not premultiplied. Raises ``ValueError`` beyond 4 GiB.
    """
    import tifffile

    source = Image.Exif()
    source.load(exif)
    tags: list[tuple[int, int, int, Any, bool]] = []
    for name in _TEXTS:
        if isinstance(text := source.get(name), str):
            ascii_ = text.encode("ascii", "replace") + b"\0"
            tags.append((int(name), _ASCII, len(ascii_), ascii_, True))
    inner = {int(tag): dict(source.get_ifd(tag)) for tag in _DIRECTORIES if source.get_ifd(tag)}
    if xmp:
        tags.append((TiffImagePlugin.XMP, _BYTE, len(xmp), xmp, True))
    file = BytesIO()
    tifffile.imwrite(
        file,
        pixels if alpha is None else np.dstack([pixels, alpha]),
        byteorder="<",
        bigtiff=False,
        photometric="rgb",
        extrasamples=None if alpha is None else ["unassalpha"],
        compression="zlib",
        predictor=2,
        metadata=None,
        software=False,
        iccprofile=icc,
        resolution=dpi,
        resolutionunit=2 if dpi else None,
        extratags=tags,
    )
    if inner:
        _appended(file, inner)
    return file.getvalue()


def _appended(file: BytesIO, directories: dict[int, dict[int, Any]]) -> None:
    """Put directories behind the picture, then the main one again with entries that point there.

    tifffile refuses to write these entries itself. The old main directory is left where it was,
    unused: all that it held, its entries' values included, stays at the same offsets.
    """
    whole = file.getvalue()
    (main,) = struct.unpack_from("<I", whole, 4)
    (count,) = struct.unpack_from("<H", whole, main)
    entries = [whole[at : at + 12] for at in range(main + 2, main + 2 + 12 * count, 12)]
    for tag, values in directories.items():
        directory = TiffImagePlugin.ImageFileDirectory_v2(ifh=b"II*\0\0\0\0\0", group=tag)
        for key, value in values.items():
            directory[key] = value
        start = _aligned(file)
        file.write(directory.tobytes(start))
        entries.append(struct.pack("<HHII", tag, _LONG, 1, start))
    start = _aligned(file)
    entries.sort(key=lambda entry: int.from_bytes(entry[:2], "little"))
    file.write(struct.pack("<H", len(entries)) + b"".join(entries) + bytes(4))
    file.seek(4)
    file.write(struct.pack("<I", start))


def _aligned(file: BytesIO) -> int:
    end = file.seek(0, 2)
    return end + file.write(bytes(end % 2))
