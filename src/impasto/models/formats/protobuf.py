"""Messages: the fields of a protocol buffer, which ONNX files are, read within bounds and without a schema."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from impasto.errors import ModelError

__all__ = ["Message"]

_FIELDS = 200_000
"""In one message; the largest networks of the kind have a few thousand nodes."""


class Message:
    """A message's fields by number; numbers of a fixed width are passed over.

    Raises :class:`ModelError` where it is malformed.
    """

    def __init__(self, data: memoryview) -> None:
        self._bytes: dict[int, list[memoryview]] = {}
        self._numbers: dict[int, int] = {}
        for count, (field, value) in enumerate(_fields(data)):
            if count >= _FIELDS:
                raise ModelError(f"the file has more than {_FIELDS} fields; networks of this kind have a few hundred")
            if isinstance(value, int):
                self._numbers[field] = value
            else:
                self._bytes.setdefault(field, []).append(value)

    def number(self, field: int) -> int:
        """The last one of that field; 0 where there is none."""
        return self._numbers.get(field, 0)

    def text(self, field: int) -> str:
        """The last one of that field, at most 2000 bytes of it; empty where there is none."""
        return bytes(self._bytes.get(field, [memoryview(b"")])[-1][:2000]).decode("utf-8", "replace")

    def messages(self, field: int) -> Iterator[Message]:
        """Those within that field, in order."""
        return (Message(data) for data in self._bytes.get(field, ()))


def _fields(data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        field, wire = key >> 3, key & 7
        if wire == 0:
            value, at = _varint(data, at)
            yield field, value
        elif wire in (1, 5):
            at += struct.calcsize("<d" if wire == 1 else "<f")
        elif wire == 2:
            length, at = _varint(data, at)
            if length > len(data) - at:
                raise ModelError("the file ends within a field; get it again")
            yield field, data[at : at + length]
            at += length
        else:
            raise ModelError(f"the file has a field of the unknown type {wire}; get it again")
    if at > len(data):
        raise ModelError("the file ends within a number; get it again")


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            raise ModelError("the file ends within a number; get it again")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise ModelError("the file has a number that is too long; get it again")
