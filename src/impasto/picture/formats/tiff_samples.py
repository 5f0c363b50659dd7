"""The samples of a TIFF's page: its strips or tiles, unpacked and put together.

tifffile tells where each of them lies and what its bytes mean. What packs them is undone by libtiff, by way of Pillow:
it is given some of them as one grey picture of bytes, which cannot become longer than announced, whatever they hold.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Sequence
from io import BytesIO
from typing import IO, Any

import numpy as np
from PIL import TiffImagePlugin

from impasto.picture.raster import Pixels

__all__ = ["BYTEWISE", "read_samples"]

BYTEWISE = frozenset({1, 5, 8, 32773, 32946, 34925, 50000})
"""Compressions of plain bytes: none, LZW, Deflate (both numbers), PackBits, LZMA and Zstandard."""

_RAW, _DIFFERENCES, _FLOAT_DIFFERENCES = 1, 2, 3
_BITS_A_PIXEL = 1024
_AT_ONCE = 2**22
_LARGEST_TILE = 2**26
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def read_samples(page: Any, file: IO[bytes], planes: Sequence[int]) -> Pixels:
    """Some samples of every pixel, ``(height, width, len(planes))``, in a type that holds them, as they are stored.

    ``page`` is tifffile's, packed as one of :data:`BYTEWISE`. Raises ``ValueError`` with the reason where they cannot
    be read, and whatever libtiff does where they are broken.
    """
    layout = _Layout(page)
    samples = np.empty((layout.height, layout.width, len(planes)), page.dtype)
    first = list(planes) == list(range(len(planes)))
    for plane in [None] if layout.together else planes:
        for top, left, raw in layout.segments(file, plane):
            values = layout.values(raw)[: layout.height - top, : layout.width - left]
            part = samples[top : top + values.shape[0], left : left + values.shape[1]]
            if plane is None:
                part[...] = values[..., : len(planes)] if first else values[..., list(planes)]
            else:
                part[..., planes.index(plane)] = values[..., 0]
    return samples


class _Layout:
    """How a page is cut into segments, which are strips or tiles, and how each is stored."""

    def __init__(self, page: Any) -> None:
        self.width, self.height = int(page.imagewidth), int(page.imagelength)
        self.bits = int(page.bitspersample)
        self.type = page.dtype
        self.order = page.parent.byteorder
        self.compression, self.predictor = int(page.compression), int(page.predictor)
        self.reversed = int(page.fillorder) == 2
        self.together = int(page.planarconfig) == 1 or int(page.samplesperpixel) == 1
        self.samples = int(page.samplesperpixel) if self.together else 1
        if page.is_tiled:
            self.columns, self.rows = int(page.tilewidth), int(page.tilelength)
        else:
            self.columns, self.rows = self.width, int(page.rowsperstrip)
        if min(self.columns, self.rows) < 1:
            raise ValueError("its strips have no size")
        self.row = math.ceil(self.columns * self.samples * self.bits / 8)
        self.across, self.down = math.ceil(self.width / self.columns), math.ceil(self.height / self.rows)
        self.tiled = bool(page.is_tiled)
        self.places = list(zip(page.dataoffsets, page.databytecounts, strict=False))
        self._check()

    def _check(self) -> None:
        if self.samples * self.bits > _BITS_A_PIXEL:
            raise ValueError(f"it has {self.samples} samples a pixel")
        if self.tiled and self.row * self.rows > max(_LARGEST_TILE, 4 * self.height * self.row * self.across):
            raise ValueError(f"its tiles are {self.columns} x {self.rows} pixels")
        whole = self.bits == self.type.itemsize * 8
        if not whole and (self.type.kind not in "bu" or self.bits > 16):
            raise ValueError(f"it has {self.bits} bits a sample")
        known = {_RAW, _DIFFERENCES} if self.type.kind in "iu" else {_RAW, _DIFFERENCES, _FLOAT_DIFFERENCES}
        if self.predictor not in known or (self.predictor != _RAW and not whole):
            raise ValueError(f"it has predictor {self.predictor} with {self.bits} bits a sample")

    def segments(self, file: IO[bytes], plane: int | None) -> Iterator[tuple[int, int, bytes]]:
        """Top, left and bytes of each segment of a plane, unpacked."""
        count = self.across * self.down
        first = (plane or 0) * count
        places = self.places[first : first + count]
        if len(places) < count:
            raise ValueError(f"it lacks {count - len(places)} of its {count} strips or tiles")
        step = max(1, _AT_ONCE // (self.row * self.rows))
        for start in range(0, count, step):
            lengths = [self._length(index) for index in range(start, min(start + step, count))]
            stored = [self._stored(file, *places[start + i], n) for i, n in enumerate(lengths)]
            packed = self.compression != _RAW
            whole = _decompress(stored, self.compression, self.row, self.rows, sum(lengths)) if packed else b""
            for i, n in enumerate(lengths):
                at = i * self.rows * self.row
                raw = whole[at : at + n * self.row] if packed else stored[i]
                down, across = divmod(start + i, self.across)
                yield down * self.rows, across * self.columns, raw

    def _length(self, index: int) -> int:
        """Rows that a segment holds: only the last strip may have fewer."""
        return self.rows if self.tiled else min(self.rows, self.height - index * self.rows)

    def _stored(self, file: IO[bytes], offset: int, size: int, rows: int) -> bytes:
        needed = rows * self.row
        if self.compression == _RAW:
            size = needed if size in (0, needed) or size > needed else 0
        # What is packed is hardly longer than what it holds.
        data = file.read(min(size, 2 * needed + 1024)) if offset > 0 and size > 0 and file.seek(offset) else b""
        if len(data) < (needed if self.compression == _RAW else 1):
            raise ValueError("it ends before its last row")
        return data.translate(_REVERSED) if self.reversed else data

    def values(self, raw: bytes) -> Pixels:
        """A segment's samples, ``(rows, columns, samples)``, in this machine's byte order."""
        stored = np.frombuffer(raw, np.uint8).reshape(-1, self.row)
        shape = (len(stored), self.columns, self.samples)
        if self.bits != self.type.itemsize * 8:
            return _bitwise(stored, self.columns * self.samples, self.bits).astype(self.type).reshape(shape)
        if self.predictor == _FLOAT_DIFFERENCES:
            return _undo_float_predictor(stored, self.samples, self.type).reshape(shape)
        values: Pixels = stored.view(self.type.newbyteorder(self.order)).reshape(shape).astype(self.type, copy=False)
        if self.predictor == _DIFFERENCES:
            bits = values.view(f"u{self.type.itemsize}")
            values = bits.cumsum(axis=1, dtype=bits.dtype).view(self.type)
        return values


def _bitwise(stored: Pixels, count: int, bits: int) -> Pixels:
    """Samples of fewer bits than their type; each row begins at a byte."""
    values = np.zeros((len(stored), count), np.uint16)
    step = max(1, _AT_ONCE // (count * bits))
    for top in range(0, len(stored), step):
        rows = slice(top, top + step)
        digits = np.unpackbits(stored[rows], axis=1, count=count * bits).reshape(-1, count, bits)
        for digit in range(bits):
            values[rows] = (values[rows] << 1) | digits[..., digit]
    return values


def _undo_float_predictor(stored: Pixels, samples: int, kind: np.dtype[Any]) -> Pixels:
    """Floats from the floating-point predictor: differences of bytes, the high ones of a whole row first."""
    rows = len(stored)
    planes = stored.reshape(rows, -1, samples).cumsum(axis=1, dtype=np.uint8).reshape(rows, kind.itemsize, -1)
    return np.ascontiguousarray(planes.transpose(0, 2, 1)).view(kind.newbyteorder(">")).astype(kind)


def _decompress(parts: list[bytes], compression: int, row: int, rows: int, height: int) -> bytes:
    """The bytes of segments of ``rows`` rows each, the last with what is left of ``height``."""
    count = len(parts)
    start = 8 + 2 + 12 * 9 + 4
    lists = 8 * count if count > 1 else 0
    sizes = [len(part) for part in parts]
    offsets = [start + lists + sum(sizes[:i]) for i in range(count)]
    where, long = (start, start + 4 * count) if count > 1 else (offsets[0], sizes[0])
    entries = [
        (TiffImagePlugin.IMAGEWIDTH, 1, row),
        (TiffImagePlugin.IMAGELENGTH, 1, height),
        (TiffImagePlugin.BITSPERSAMPLE, 1, 8),
        (TiffImagePlugin.COMPRESSION, 1, compression),
        (TiffImagePlugin.PHOTOMETRIC_INTERPRETATION, 1, 1),
        (TiffImagePlugin.STRIPOFFSETS, count, where),
        (TiffImagePlugin.SAMPLESPERPIXEL, 1, 1),
        (TiffImagePlugin.ROWSPERSTRIP, 1, rows),
        (TiffImagePlugin.STRIPBYTECOUNTS, count, long),
    ]
    head = b"II*\0\x08\0\0\0" + struct.pack("<H", len(entries))
    head += b"".join(struct.pack("<HHII", tag, 4, n, value) for tag, n, value in entries) + bytes(4)
    head += struct.pack(f"<{2 * count}I", *offsets, *sizes) if count > 1 else b""
    with TiffImagePlugin.TiffImageFile(BytesIO(head + b"".join(parts))) as image:
        return image.tobytes()
