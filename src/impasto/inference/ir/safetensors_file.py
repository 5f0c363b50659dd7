"""Tensors: a ``.safetensors`` file, read within bounds and written, as NumPy's arrays."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np
from safetensors import SafetensorError, deserialize
from safetensors.numpy import save

from impasto.errors import ModelError

__all__ = ["Tensors", "pack_tensors", "widen"]

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
_STORABLE = {np.dtype(code) for name, code in _TYPES.items() if name not in ("BF16", "BOOL")}


class Tensors:
    """The tensors of a file by name, and texts about them in ``metadata``."""

    metadata: Mapping[str, str]

    def __init__(self, data: bytes) -> None:
        """Raises :class:`ModelError` where the file is broken, or holds a type or a shape that NumPy has not."""
        try:
            found: list[tuple[str, dict[str, Any]]] = deserialize(data)  # type: ignore[no-untyped-call]
        except SafetensorError as error:
            raise ModelError(f"the .safetensors is broken ({error}); get the file again") from error
        self._entries = dict(found)
        for name, entry in self._entries.items():
            if entry["dtype"] not in _TYPES or len(entry["shape"]) > _RANK or any(n > 2**48 for n in entry["shape"]):
                raise ModelError(
                    f"the .safetensors holds {name[:80]!r} of type {entry['dtype']} and shape {entry['shape'][:9]}, "
                    "which no network has; get the file again"
                )
        (length,) = struct.unpack_from("<Q", data)
        self.metadata = json.loads(data[8 : 8 + length]).get("__metadata__") or {}

    @property
    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        """Every name with its shape."""
        return {name: tuple(entry["shape"]) for name, entry in self._entries.items()}

    def read(self, name: str) -> np.ndarray[Any, Any]:
        """The tensor ``name``. Raises :class:`ModelError` without one."""
        if name not in self._entries:
            raise ModelError(f"there is no tensor {name[:80]!r} in the file; get the file again")
        entry = self._entries[name]
        flat = np.frombuffer(entry["data"], _TYPES[entry["dtype"]])
        return (widen(flat) if entry["dtype"] == "BF16" else flat).reshape(entry["shape"])


def pack_tensors(tensors: Mapping[str, np.ndarray[Any, Any]], metadata: Mapping[str, str]) -> bytes:
    """The file's bytes. Raises :class:`ModelError` for a type that the format does not have."""
    for array in tensors.values():
        if array.dtype not in _STORABLE:
            raise ModelError(f"tensors of type {array.dtype} cannot be stored; give float16 or float32")
    packed: bytes = save({name: np.array(array, order="C") for name, array in tensors.items()}, dict(metadata) or None)
    return packed


def widen(bits: np.ndarray[Any, Any]) -> np.ndarray[Any, np.dtype[np.float32]]:
    """bfloat16, given as uint16, in float32, whose upper half it is."""
    return (bits.astype(np.uint32) << 16).view(np.float32)
