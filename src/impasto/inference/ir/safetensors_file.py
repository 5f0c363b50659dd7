"""Tensors: a ``.safetensors`` file, read within bounds and written, without a framework.

The format: eight bytes of length, that many of JSON (names with type, shape and place; texts about the whole under
``__metadata__``), then the numbers, little-endian.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from impasto.errors import ModelError

__all__ = ["Tensors", "pack_tensors", "widen"]

_HEADER = 2**20
"""Bytes of JSON: thousands of tensors need a tenth of it, and its objects take many times as much memory."""
_RANK = 8
_TYPES = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "BF16": "<u2",  # NumPy has none: see widen
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "|i1",
    "U64": "<u8",
    "U32": "<u4",
    "U16": "<u2",
    "U8": "|u1",
    "BOOL": "|u1",
}
_NAMES = {np.dtype(code): name for name, code in _TYPES.items() if name not in ("BF16", "BOOL")}


@dataclass(frozen=True, slots=True)
class _Place:
    type: str
    shape: tuple[int, ...]
    start: int
    stop: int


class Tensors:
    """The tensors of a file by name, and texts about them in ``metadata``. Nothing is read before it is asked for."""

    metadata: Mapping[str, str]

    def __init__(self, data: bytes) -> None:
        """Raises :class:`ModelError` where the header is malformed, or places of tensors overlap or lie outside."""
        if len(data) < 8:
            raise _broken(f"is {len(data)} bytes long")
        (length,) = struct.unpack_from("<Q", data)
        if length > min(len(data) - 8, _HEADER):
            raise _broken(f"has a header of {length} bytes; {min(len(data) - 8, _HEADER)} are the most")
        self._data = memoryview(data)[8 + length :]
        header = _header(data[8 : 8 + length])
        self.metadata = _texts(header.pop("__metadata__", {}))
        self._places = {name: self._place(name, entry) for name, entry in header.items()}
        end = 0
        for name, place in sorted(self._places.items(), key=lambda item: (item[1].start, item[1].stop)):
            if place.start < end:
                raise _broken(f"gives {name[:80]!r} and another tensor the same bytes")
            end = place.stop

    @property
    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        """Every name with its shape."""
        return {name: place.shape for name, place in self._places.items()}

    def read(self, name: str) -> np.ndarray[Any, Any]:
        """The tensor ``name``, a view of the file where NumPy has its type. Raises :class:`ModelError` without one."""
        if name not in self._places:
            raise ModelError(f"there is no tensor {name[:80]!r} in the file; get the file again")
        place = self._places[name]
        flat = np.frombuffer(self._data[place.start : place.stop], _TYPES[place.type])
        return (widen(flat) if place.type == "BF16" else flat).reshape(place.shape)

    def _place(self, name: str, entry: Any) -> _Place:
        if not isinstance(entry, dict) or not isinstance(entry.get("dtype"), str) or entry["dtype"] not in _TYPES:
            raise _broken(f"says of {name[:80]!r} no type that is known")
        shape, offsets = (_counts(entry.get(key)) for key in ("shape", "data_offsets"))
        if shape is None or offsets is None or len(shape) > _RANK or len(offsets) != 2:
            raise _broken(f"says of {name[:80]!r} no shape and place")
        start, stop = offsets
        if math.prod(max(1, length) for length in shape) > 2**48:
            raise _broken(f"says that {name[:80]!r} is larger than any file")
        if not start <= stop <= len(self._data):
            raise _broken(f"puts {name[:80]!r} outside of the file")
        if stop - start != math.prod(shape) * np.dtype(_TYPES[entry["dtype"]]).itemsize:
            raise _broken(f"gives {name[:80]!r} {stop - start} bytes, which do not fit its shape")
        return _Place(entry["dtype"], shape, start, stop)


def pack_tensors(tensors: Mapping[str, np.ndarray[Any, Any]], metadata: Mapping[str, str]) -> bytes:
    """The file's bytes. Raises :class:`ModelError` for a type that the format does not have."""
    header: dict[str, Any] = {"__metadata__": dict(metadata)}
    parts, at = [], 0
    for name, array in tensors.items():
        if array.dtype not in _NAMES:
            raise ModelError(f"tensors of type {array.dtype} cannot be stored; give float16 or float32")
        part = np.ascontiguousarray(array).tobytes()
        header[name] = {"dtype": _NAMES[array.dtype], "shape": list(array.shape), "data_offsets": [at, at + len(part)]}
        parts.append(part)
        at += len(part)
    text = json.dumps(header, separators=(",", ":")).encode()
    # The numbers begin at a multiple of eight.
    text += b" " * (-len(text) % 8)
    return b"".join([struct.pack("<Q", len(text)), text, *parts])


def widen(bits: np.ndarray[Any, Any]) -> np.ndarray[Any, np.dtype[np.float32]]:
    """bfloat16, given as uint16, in float32, whose upper half it is."""
    return (bits.astype(np.uint32) << 16).view(np.float32)


def _header(text: bytes) -> dict[str, Any]:
    try:
        header = json.loads(text.decode(), object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise _broken("has a header that is no JSON") from error
    if not isinstance(header, dict):
        raise _broken("has a header that names no tensors")
    return header


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name comes twice")
    return found


def _texts(entry: Any) -> dict[str, str]:
    if not isinstance(entry, dict) or not all(isinstance(text, str) for text in entry.values()):
        raise _broken("has metadata that are no texts")
    return entry


def _counts(entry: Any) -> tuple[int, ...] | None:
    if not isinstance(entry, list) or not all(type(count) is int and count >= 0 for count in entry):
        return None
    return tuple(entry)


def _broken(what: str) -> ModelError:
    return ModelError(f"the .safetensors {what}; get the file again")
