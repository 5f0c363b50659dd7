"""TIFF files for tests, written by tifffile, and by hand where it would not write them."""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np
import tifffile

Array = np.ndarray[Any, np.dtype[Any]]


def tiff(array: Array, **options: Any) -> bytes:
    """One page as tifffile writes it."""
    file = io.BytesIO()
    tifffile.imwrite(file, array, metadata=None, **options)
    return file.getvalue()


def by_hand(given: Mapping[int, tuple[int, ...]], segments: list[bytes], order: str = "<") -> bytes:
    """One page of these tags, all LONG, whose strips are ``segments``."""
    tags: dict[int, tuple[int, ...]] = {**given, 273: (0,) * len(segments), 279: tuple(map(len, segments))}
    at = 8 + 2 + 12 * len(tags) + 4
    spots, extra = {}, b""
    for tag, values in sorted(tags.items()):
        if len(values) > 1:
            spots[tag] = at
            at += 4 * len(values)
    offsets = [at + sum(map(len, segments[:i])) for i in range(len(segments))]
    tags[273] = tuple(offsets)
    entries = b""
    for tag, values in sorted(tags.items()):
        entries += struct.pack(f"{order}HHII", tag, 4, len(values), spots.get(tag, values[0]))
        if len(values) > 1:
            extra += struct.pack(f"{order}{len(values)}I", *values)
    head = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HIH", 42, 8, len(tags))
    return head + entries + bytes(4) + extra + b"".join(segments)


def lzw(data: bytes) -> bytes:
    """LZW as TIFF has it, of literal codes alone: 9 bits each, the table cleared before it would grow out of them."""
    codes = []
    for start in range(0, len(data), 250):
        codes += [256, *data[start : start + 250]]
    bits = "".join(f"{code:09b}" for code in [*codes, 257])
    bits += "0" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big")
