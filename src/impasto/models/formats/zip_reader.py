"""Archive: a zip file's entries, read within bounds, as PyTorch writes it: stored, so that nothing is unpacked."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from impasto.errors import ModelError

__all__ = ["Archive"]

_ENTRIES = 20_000
_UNPACKED = 24 * 2**20
"""Bytes that may come out of compressed entries together; PyTorch compresses none."""
_END, _END64, _LOCATOR, _CENTRAL, _LOCAL = b"PK\5\6", b"PK\6\6", b"PK\6\7", b"PK\1\2", b"PK\3\4"
_FULL = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class _Entry:
    method: int
    packed: int
    size: int
    offset: int


class Archive:
    """The entries of a zip file by name.

    Their checksums are not compared, for PyTorch can be told to write none.
    """

    def __init__(self, data: bytes) -> None:
        """Raises :class:`ModelError` where the list of entries is malformed."""
        self._data = memoryview(data)
        self._left = _UNPACKED
        self._entries: dict[str, _Entry] = {}
        for name, entry in self._list():
            if name in self._entries:
                raise _broken(f"has {name[:80]!r} twice")
            self._entries[name] = entry

    @property
    def names(self) -> list[str]:
        return list(self._entries)

    def read(self, name: str) -> memoryview:
        """What the entry holds: a view of the file where it is stored. Raises :class:`ModelError` without one."""
        entry = self._entries.get(name)
        if entry is None:
            raise _broken(f"has no {name[:80]!r}")
        head = self._data[entry.offset : entry.offset + 30]
        if len(head) < 30 or head[:4] != _LOCAL:
            raise _broken(f"has no {name[:80]!r} where it should be")
        start = entry.offset + 30 + sum(struct.unpack_from("<HH", head, 26))
        packed = self._data[start : start + entry.packed]
        if len(packed) < entry.packed:
            raise _broken(f"ends within {name[:80]!r}")
        if entry.method == 0:
            if entry.size != entry.packed:
                raise _broken(f"gives {name[:80]!r} two sizes")
            return packed
        if entry.method != 8:
            raise _broken(f"has {name[:80]!r} packed in a way that PyTorch does not")
        self._left -= entry.size
        if self._left < 0:
            raise ModelError(f"the archive unpacks to more than {_UNPACKED // 2**20} MB; save the network without zip")
        try:
            unpacked = zlib.decompressobj(-15).decompress(packed, entry.size)
        except zlib.error as error:
            raise _broken(f"has {name[:80]!r} damaged") from error
        if len(unpacked) != entry.size:
            raise _broken(f"has {name[:80]!r} of another size than it says")
        return memoryview(unpacked)

    def _list(self) -> Iterator[tuple[str, _Entry]]:
        count, at = self._end()
        for _ in range(count):
            head = self._data[at : at + 46]
            if len(head) < 46 or head[:4] != _CENTRAL:
                raise _broken("has a list of entries that ends too early")
            flags, method = struct.unpack_from("<HH", head, 8)
            packed, size, *lengths = struct.unpack_from("<IIHHH", head, 20)
            (offset,) = struct.unpack_from("<I", head, 42)
            if flags & 1:
                raise _broken("is encrypted")
            name = bytes(self._data[at + 46 : at + 46 + lengths[0]]).decode("utf-8", "replace")
            extra = self._data[at + 46 + lengths[0] : at + 46 + lengths[0] + lengths[1]]
            size, packed, offset = _long(extra, size, packed, offset)
            yield name, _Entry(method, packed, size, offset)
            at += 46 + sum(lengths)

    def _end(self) -> tuple[int, int]:
        """How many entries there are, and where their list begins."""
        tail = bytes(self._data[-(2**16 + 22) :])
        found = tail.rfind(_END)
        if found < 0 or len(tail) - found < 22:
            raise _broken("has no list of entries: it was cut off")
        count, _, start = struct.unpack_from("<HII", tail, found + 10)
        if (count == 0xFFFF or start == _FULL) and found >= 20 and tail[found - 20 : found - 16] == _LOCATOR:
            (at,) = struct.unpack_from("<Q", tail, found - 12)
            record = self._data[at : at + 56]
            if len(record) < 56 or record[:4] != _END64:
                raise _broken("has no list of entries where it should be")
            count, _, start = struct.unpack_from("<QQQ", record, 32)
        if count > _ENTRIES or start > len(self._data):
            raise _broken(f"has {count} entries at {start}")
        return count, start


def _long(extra: memoryview, size: int, packed: int, offset: int) -> tuple[int, int, int]:
    """The three numbers, from the extra field where they are too long for four bytes."""
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, at)
        if kind == 1:
            body = extra[at + 4 : at + 4 + length]
            numbers = iter([n for (n,) in struct.iter_unpack("<Q", body[: len(body) // 8 * 8])])
            size, packed, offset = (next(numbers, n) if n == _FULL else n for n in (size, packed, offset))
            break
        at += 4 + length
    return size, packed, offset


def _broken(what: str) -> ModelError:
    return ModelError(f"the archive {what}; get the file again")
