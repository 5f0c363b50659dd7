"""Torch7: what a ``.t7`` file holds, as values. Functions in it are skipped, classes are names, and nothing is run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from impasto.errors import ModelError
from impasto.models.formats.strided_tensor import Strided
from impasto.models.formats.torch7_stream import Ascii, Binary

__all__ = ["Function", "Instance", "Table", "read_torch7"]

_NIL, _NUMBER, _STRING, _TABLE, _TORCH, _BOOLEAN, _FUNCTION, _OLD_CLOSURE, _CLOSURE = range(9)

_DEPTH = 1000
_VALUES = 300_000
"""A network has a few thousand; a training history of 40,000 losses is saved beside it."""
_OBJECTS = 20_000
"""Tables and objects of classes, which take more memory than they do of the file; a network has a few hundred."""
_RANK = 8

_NUMBERS = re.compile(r"torch\.(Cuda)?(Double|Float|Half|Long|Int|Short|Byte|Char|)(Tensor|Storage)")


@dataclass(slots=True, eq=False)
class Table:
    """A Lua table. Its numbers are floats, so that ``fields[1]`` is the first of a list."""

    fields: dict[Any, Any] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Instance:
    """An object of a class: the class's name, its version as saved, and the object's fields."""

    name: str
    version: int
    table: Table = field(default_factory=Table)

    @property
    def fields(self) -> dict[Any, Any]:
        return self.table.fields


@dataclass(frozen=True, slots=True, eq=False)
class Function:
    """In the place of a function, of which nothing is kept."""


def read_torch7(data: bytes) -> Any:
    """The value that was saved: None, a bool, float or str, a :class:`Table`, :class:`Instance`, :class:`Strided`, or
    an array for a bare storage.

    Binary (little-endian, longs of 8 or 4 bytes, which the file does not say) and ASCII. Tensors are windows on
    ``data``. Raises :class:`ModelError` where the file is broken, or nested or filled beyond what networks are.
    """
    if data[:1].isdigit():
        return _Reader(Ascii(data)).read()
    first = _Reader(Binary(data, 8))
    try:
        return first.read()
    except ModelError as error:
        if not first.source.longs:
            raise
        second = _Reader(Binary(data, 4))
        try:
            root = second.read()
        except ModelError:
            raise error from None
        if second.source.room:  # a broken file can look like another that ends early
            raise
        return root


class _Reader:
    """Objects are made when they begin and filled afterwards: they may hold themselves, and nothing recurses."""

    def __init__(self, source: Ascii | Binary) -> None:
        self.source = source
        self._objects: dict[int, Any] = {}
        self._open: list[Iterator[None]] = []
        self._count = 0

    def read(self) -> Any:
        root = self._begin()
        while self._open:
            # Each step begins one value; where that has contents, they come first.
            for _ in self._open[-1]:
                break
            else:
                self._open.pop()
        return root

    def _begin(self) -> Any:
        self._count += 1
        if self._count > _VALUES:
            raise ModelError(f"the .t7 holds more than {_VALUES} values; save the network without its history")
        kind = self.source.whole()
        if kind == _NIL:
            return None
        if kind == _NUMBER:
            return self.source.number()
        if kind == _STRING:
            return self.source.text()
        if kind == _BOOLEAN:
            return self.source.whole() != 0
        if kind == _FUNCTION:
            return self._function()
        if kind not in (_TABLE, _TORCH, _CLOSURE, _OLD_CLOSURE):
            raise ModelError(f"the .t7 holds a value of type {kind}, which is unknown; get the file again")
        index = self.source.whole()
        if index in self._objects:
            return self._objects[index]
        if len(self._objects) >= _OBJECTS:
            raise ModelError(f"the .t7 holds more than {_OBJECTS} objects; networks have a few hundred")
        if kind == _TABLE:
            return self._table(index, self.source.whole(), pairs=True)
        if kind == _TORCH:
            return self._instance(index)
        self._objects[index] = function = self._function()
        return function

    def _push(self, contents: Iterator[None]) -> None:
        if len(self._open) >= _DEPTH:
            raise ModelError(f"the .t7 is nested more than {_DEPTH} deep; networks are not")
        self._open.append(contents)

    def _function(self) -> Function:
        self.source.raw(self.source.whole())
        self._push(self._skip())
        return Function()

    def _skip(self) -> Iterator[None]:
        self._begin()  # the values that the function closes over
        yield

    def _table(self, index: int, count: int, *, pairs: bool) -> Table:
        if not 0 <= count <= self.source.room:
            raise ModelError(f"the .t7 holds a table of {count} fields in {self.source.room} bytes; get the file again")
        table = self._objects[index] = Table()
        self._push(self._pairs(table, count) if pairs else self._values(table, count))
        return table

    def _pairs(self, table: Table, count: int) -> Iterator[None]:
        for _ in range(count):
            key = self._begin()
            yield
            if key is None or isinstance(key, np.ndarray):
                raise ModelError("the .t7 holds a table with a field of no name; get the file again")
            value = self._begin()
            yield
            table.fields[key] = value

    def _values(self, table: Table, count: int) -> Iterator[None]:
        for number in range(1, count + 1):
            table.fields[number] = self._begin()
            yield

    def _class(self) -> tuple[str, int]:
        name = self.source.text()
        if match := re.fullmatch(r"V (\d{1,6})", name):  # the first files have no version
            return self.source.text(), int(match[1])
        return name, 0

    def _instance(self, index: int) -> Any:
        name, version = self._class()
        if match := _NUMBERS.fullmatch(name):
            made = self._numbers(match) if match[3] == "Storage" else self._tensor()
            self._objects[index] = made
            return made
        if name in ("tds.Hash", "tds.Vec"):
            return self._table(index, self.source.long(), pairs=name == "tds.Hash")
        instance = self._objects[index] = Instance(name, version)
        self._push(self._fields(instance))
        return instance

    def _numbers(self, match: re.Match[str]) -> np.ndarray[Any, Any]:
        return self.source.numbers(match[2] or ("Float" if match[1] else "Double"), self.source.long())

    def _fields(self, instance: Instance) -> Iterator[None]:
        contents = self._begin()
        if isinstance(contents, Table):
            instance.table = contents
        yield

    def _tensor(self) -> Strided:
        rank = self.source.whole()
        if not 0 <= rank <= _RANK:
            raise ModelError(f"the .t7 holds a tensor of {rank} dimensions; at most {_RANK} are allowed")
        shape, strides = (tuple(self.source.long() for _ in range(rank)) for _ in range(2))
        offset = self.source.long() - 1
        values = self._storage()
        if rank == 0 or values is None:
            return Strided((0,), (1,), 0, np.zeros(0, np.float32))
        return Strided(shape, strides, offset, values)

    def _storage(self) -> np.ndarray[Any, Any] | None:
        """The numbers of a tensor; an empty one may have none."""
        kind = self.source.whole()
        if kind == _NIL:
            return None
        index = self.source.whole() if kind == _TORCH else -1
        if kind == _TORCH and index not in self._objects:
            match = _NUMBERS.fullmatch(self._class()[0])
            if match is not None and match[3] == "Storage":
                self._objects[index] = self._numbers(match)
        values = self._objects.get(index) if kind == _TORCH else None
        if not isinstance(values, np.ndarray):
            raise ModelError("the .t7 holds a tensor without numbers; get the file again")
        return values
