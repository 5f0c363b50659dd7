"""PNG with 16 bits a channel, which Pillow cannot write in colour."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping

import numpy as np

from impasto.picture.raster import Pixels

__all__ = ["write_png16"]

_STRIP = 2**20
_SUB, _UP = 1, 2


def write_png16(
    pixels: Pixels,
    alpha: Pixels | None,
    *,
    icc: bytes,
    exif: bytes = b"",
    texts: Mapping[str, str] | None = None,
    dpi: tuple[float, float] | None = None,
) -> bytes:
    """A PNG file's bytes from ``uint16`` pixels ``(height, width, 3)`` and alpha ``(height, width)``.

    ``exif`` begins at its byte order mark; ``texts`` become one iTXt chunk each.
    """
    height, width = pixels.shape[:2]
    color = 2 if alpha is None else 6
    parts = [b"\x89PNG\r\n\x1a\n", _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, color, 0, 0, 0))]
    parts.append(_chunk(b"iCCP", b"sRGB\0\0" + zlib.compress(icc)))
    if dpi is not None:
        per_metre = [min(round(d / 0.0254), 2**31 - 1) for d in dpi]
        parts.append(_chunk(b"pHYs", struct.pack(">IIB", *per_metre, 1)))
    if exif:
        parts.append(_chunk(b"eXIf", exif))
    for key, text in (texts or {}).items():
        parts.append(_chunk(b"iTXt", key.encode("latin-1") + b"\0\0\0\0\0" + text.encode("utf-8", "replace")))
    parts.extend(_chunk(b"IDAT", data) for data in _compressed(pixels, alpha))
    parts.append(_chunk(b"IEND", b""))
    return b"".join(parts)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _compressed(pixels: Pixels, alpha: Pixels | None) -> Iterator[bytes]:
    height, width = pixels.shape[:2]
    step = max(1, _STRIP // width)
    packer = zlib.compressobj(6)
    above = np.zeros((1, width * (3 if alpha is None else 4) * 2), np.uint8)
    for top in range(0, height, step):
        rows = slice(top, top + step)
        colour = pixels[rows] if alpha is None else np.dstack([pixels[rows], alpha[rows]])
        raw = colour.astype(">u2").view(np.uint8).reshape(len(colour), -1)
        if data := packer.compress(_filtered(raw, above, colour.shape[2] * 2)):
            yield data
        above = raw[-1:]
    yield packer.flush()


def _filtered(raw: Pixels, above: Pixels, pixel: int) -> bytes:
    """The rows, each with whichever of the Sub and Up filters leaves the smaller numbers."""
    sub = raw.copy()
    sub[:, pixel:] -= raw[:, :-pixel]
    up = raw - np.vstack([above, raw[:-1]])
    cost = [np.abs(f.view(np.int8).astype(np.int16)).sum(axis=1, dtype=np.int64) for f in (sub, up)]
    use_up = (cost[1] < cost[0])[:, None]
    kind = np.where(use_up, _UP, _SUB).astype(np.uint8)
    return np.hstack([kind, np.where(use_up, up, sub)]).tobytes()
