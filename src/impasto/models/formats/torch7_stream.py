"""The numbers and texts that a ``.t7`` file is a stream of, in its binary form and in its ASCII form."""

from __future__ import annotations

import re
import struct
from typing import Any

import numpy as np

from impasto.errors import ModelError

__all__ = ["Ascii", "Binary"]

_CODES = {
    "Double": "<f8",
    "Float": "<f4",
    "Half": "<f2",
    "Long": "<i8",
    "Int": "<i4",
    "Short": "<i2",
    "Byte": "|u1",
    "Char": "|i1",
}
_TOKEN = re.compile(rb"[ \t\r\n]*([^ \t\r\n]{1,64})\n?")
_CHUNK = 2**16
_TEXT = 2**20


class Binary:
    """Little-endian, as every machine writes it that Torch7 ran on in numbers. Longs are of 4 or 8 bytes."""

    def __init__(self, data: bytes, long: int) -> None:
        self.longs = 0
        """How many were read: without any, their length does not matter."""
        self._data, self._at = memoryview(data), 0
        self._long = struct.Struct("<q" if long == 8 else "<i")
        self._codes = {**_CODES, "Long": f"<i{long}"}

    @property
    def room(self) -> int:
        """Bytes that are left."""
        return len(self._data) - self._at

    def whole(self) -> int:
        return int(self._unpack(_INT))

    def long(self) -> int:
        self.longs += 1
        return int(self._unpack(self._long))

    def number(self) -> float:
        return float(self._unpack(_DOUBLE))

    def text(self) -> str:
        return _text(self.raw(self.whole()))

    def raw(self, count: int) -> memoryview:
        """The next ``count`` bytes. Raises :class:`ModelError` where there are fewer, as every method here does."""
        if not 0 <= count <= self.room:
            raise _short(count, self.room)
        self._at += count
        return self._data[self._at - count : self._at]

    def numbers(self, type_: str, count: int) -> np.ndarray[Any, Any]:
        """``count`` numbers of a type that Torch7 has a tensor of, as a view of the file."""
        code = np.dtype(self._codes[type_])
        return np.frombuffer(self.raw(count * code.itemsize), code)

    def _unpack(self, form: struct.Struct) -> Any:
        if self.room < form.size:
            raise _short(form.size, self.room)
        self._at += form.size
        return form.unpack_from(self._data, self._at - form.size)[0]


_INT, _DOUBLE = struct.Struct("<i"), struct.Struct("<d")


class Ascii:
    """Words with white space between them; texts, bytes and chars raw, with a line's end after them."""

    def __init__(self, data: bytes) -> None:
        self.longs = 0
        self._data, self._at = memoryview(data), 0

    @property
    def room(self) -> int:
        """Bytes that are left."""
        return len(self._data) - self._at

    def whole(self) -> int:
        try:
            return int(self._token())
        except ValueError as error:
            raise ModelError("the .t7 has a word where a whole number should be; get the file again") from error

    def long(self) -> int:
        return self.whole()

    def number(self) -> float:
        try:
            return float(self._token())
        except ValueError as error:
            raise ModelError("the .t7 has a word where a number should be; get the file again") from error

    def text(self) -> str:
        return _text(self.raw(self.whole()))

    def raw(self, count: int) -> memoryview:
        """The next ``count`` bytes. Raises :class:`ModelError` where there are fewer, as every method here does."""
        if not 0 <= count <= self.room:
            raise _short(count, self.room)
        found = self._data[self._at : self._at + count]
        self._at += count
        if count and bytes(self._data[self._at : self._at + 1]) == b"\n":
            self._at += 1
        return found

    def numbers(self, type_: str, count: int) -> np.ndarray[Any, Any]:
        """``count`` numbers of a type that Torch7 has a tensor of."""
        code = np.dtype(_CODES[type_])
        if type_ in ("Byte", "Char"):
            return np.frombuffer(self.raw(count), code)
        # Each takes a digit and a space, the last may lack that.
        if not 0 <= count <= (self.room + 1) // 2:
            raise _short(count, self.room)
        found = np.empty(count, np.float64)
        done = 0
        while count - done > _CHUNK // 2:  # more than there can be in a chunk
            words = self._words()
            found[done : done + len(words)] = words
            done += len(words)
        found[done:] = [self.number() for _ in range(done, count)]
        return found

    def _words(self) -> list[float]:
        """The numbers of a chunk, up to the last white space in it."""
        chunk = bytes(self._data[self._at : self._at + _CHUNK])
        end = max(map(chunk.rfind, (b" ", b"\n"))) + 1
        try:
            words = [float(word) for word in chunk[:end].split()]
        except ValueError as error:
            raise ModelError("the .t7 has a word where a number should be; get the file again") from error
        if not words:
            raise _short(_CHUNK, self.room)
        self._at += end
        return words

    def _token(self) -> bytes:
        match = _TOKEN.match(self._data, self._at)
        if match is None:
            raise _short(1, self.room)
        self._at = match.end()
        return bytes(match[1])


def _text(raw: memoryview) -> str:
    if len(raw) > _TEXT:
        raise ModelError(f"the .t7 holds a text of {len(raw)} bytes; at most {_TEXT} are allowed")
    return bytes(raw).decode("utf-8", "replace")


def _short(count: int, room: int) -> ModelError:
    return ModelError(f"the .t7 ends too early: {count} bytes are needed, and {room} are left; get the file again")
