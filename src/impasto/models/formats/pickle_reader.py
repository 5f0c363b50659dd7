"""Reads a pickle of weights without executing it.

A pickle is a program for a small machine that can import and call anything. The machine here knows the steps that state
dicts consist of, calls nothing, and makes tensors, which it describes, of the few names that stand for them.
"""

from __future__ import annotations

import io
import pickletools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from impasto.errors import ModelError

__all__ = ["STORAGES", "Described", "Opaque", "Stored", "unpickle"]

STORAGES = {
    "DoubleStorage": "<f8",
    "FloatStorage": "<f4",
    "HalfStorage": "<f2",
    "BFloat16Storage": "<u2",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "|i1",
    "ByteStorage": "|u1",
    "BoolStorage": "|u1",
}
"""PyTorch's names of storages, with NumPy's of what is in them; bfloat16 is read as the integers it is kept in."""

_STEPS = 300_000
"""A network has a few thousand; each may take a few hundred bytes of memory."""
_NAME = 256
_MARK = object()


@dataclass(frozen=True, slots=True, eq=False)
class Stored:
    """A run of ``count`` numbers of a type of :data:`STORAGES`, kept under ``key`` beside the pickle."""

    type: str
    key: str
    count: int


@dataclass(frozen=True, slots=True, eq=False)
class Described:
    """A tensor: a window on a storage, counted in numbers."""

    storage: Stored
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Opaque:
    """Something that is known to be harmless, and of no use here."""


@dataclass(frozen=True, slots=True, eq=False)
class _Name:
    module: str
    name: str


def unpickle(stream: io.BytesIO) -> Any:
    """The next pickle of ``stream``: dicts, lists, tuples, texts, numbers, :class:`Described` and :class:`Opaque`.

    Raises :class:`ModelError` where it is broken, where it takes more steps than weights do, and where it names
    anything that might run.
    """
    try:
        return _Machine().run(stream)
    except (ValueError, IndexError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise ModelError(f"the pickle is broken ({type(error).__name__}); get the file again") from error


class _Machine:
    def __init__(self) -> None:
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}

    def run(self, stream: io.BytesIO) -> Any:
        for _ in range(_STEPS):
            code = stream.read(1)
            if code == b".":
                return self._stack.pop()
            if not code:
                raise ModelError("the pickle ends too early; get the file again")
            # Nothing of a step is read, let alone done, before it is known to be one of those.
            step = _KNOWN_STEPS.get(code)
            if step is None:
                name = _OPCODES[code].name if code in _OPCODES else repr(code)
                raise ModelError(f"the pickle has a step {name}, which weights do not need; it was not run")
            argument = _OPCODES[code].arg
            if code == b"c":
                step(self, [_line(stream), _line(stream)])
            else:
                step(self, argument.reader(stream) if argument else None)
        raise ModelError(f"the pickle takes more than {_STEPS} steps; save the network's state_dict() alone")

    def _since_mark(self) -> list[Any]:
        at = len(self._stack) - 1
        while self._stack[at] is not _MARK:
            at -= 1
            if at < 0:
                raise ValueError("no mark")
        found = self._stack[at + 1 :]
        del self._stack[at:]
        return found

    def push(self, value: Any) -> None:
        self._stack.append(value)

    def tuple_of(self, count: int) -> None:
        if len(self._stack) < count:
            raise IndexError(count)
        items = tuple(self._stack[-count:])
        del self._stack[-count:]
        self._stack.append(items)

    def tuple_since_mark(self, _: Any) -> None:
        self._stack.append(tuple(self._since_mark()))

    def append(self, _: Any) -> None:
        item = self._stack.pop()
        self._extend([item])

    def appends(self, _: Any) -> None:
        self._extend(self._since_mark())

    def _extend(self, items: list[Any]) -> None:
        target = self._stack[-1]
        if isinstance(target, list):
            target.extend(items)
        elif not isinstance(target, Opaque):
            raise TypeError("no list")

    def set_item(self, _: Any) -> None:
        value, key = self._stack.pop(), self._stack.pop()
        self._update([key, value])

    def set_items(self, _: Any) -> None:
        self._update(self._since_mark())

    def _update(self, items: list[Any]) -> None:
        target = self._stack[-1]
        if isinstance(target, dict):
            target.update(_pairs(items))
        elif not isinstance(target, Opaque):
            raise TypeError("no dict")

    def pop(self, _: Any) -> None:
        self._stack.pop()

    def put(self, index: int) -> None:
        self._memo[index] = self._stack[-1]

    def memoize(self, _: Any) -> None:
        self._memo[len(self._memo)] = self._stack[-1]

    def get(self, index: int) -> None:
        self._stack.append(self._memo[index])

    def name(self, names: list[str]) -> None:
        module, name = names
        self._stack.append(_checked(module, name))

    def stack_name(self, _: Any) -> None:
        name, module = self._stack.pop(), self._stack.pop()
        if not isinstance(name, str) or not isinstance(module, str):
            raise TypeError("no name")
        self._stack.append(_checked(module, name))

    def reduce(self, _: Any) -> None:
        arguments, called = self._stack.pop(), self._stack.pop()
        if isinstance(called, Opaque):
            self._stack.append(called)
        elif isinstance(called, _Name) and isinstance(arguments, tuple):
            self._stack.append(_MAKERS[called.name](*arguments))
        else:
            raise TypeError("nothing to call")

    def new(self, _: Any) -> None:
        if not isinstance(self._stack[-2], Opaque):
            raise TypeError("nothing to make")
        self._stack.pop()

    def build(self, _: Any) -> None:
        """Attributes: a state dict has ``_metadata``; none is of use."""
        self._stack.pop()

    def stored(self, _: Any) -> None:
        kind, storage, key, _place, count, *view = self._stack.pop()
        if kind != "storage" or not isinstance(storage, _Name) or storage.name not in STORAGES:
            raise TypeError("no storage")
        if not isinstance(key, str) or type(count) is not int or any(view):
            raise TypeError("no storage of its own")
        self._stack.append(Stored(storage.name, key, count))


def _line(stream: io.BytesIO) -> str:
    line = stream.readline(_NAME)
    if not line.endswith(b"\n"):
        raise ValueError("no end of line")
    return line[:-1].decode()


def _pairs(items: list[Any]) -> Iterator[tuple[Any, Any]]:
    for key, value in zip(items[::2], items[1::2], strict=True):
        # Tuples within tuples could take for ever to be hashed.
        if type(key) not in (str, int, float, bool):
            raise TypeError("no key")
        yield key, value


def _checked(module: str, name: str) -> _Name | Opaque:
    if (module, name) in _KNOWN or (name in STORAGES and module in ("torch", "torch.cuda")):
        return _Name(module, name)
    if (module, name) in _HARMLESS or (module == "torch" and name in _TYPES):
        return Opaque()
    raise ModelError(
        f"the pickle names {module[:60]}.{name[:60]}, which is not weights and might run; nothing of it was run; "
        "save the network's state_dict() alone"
    )


def _tensor(storage: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> Described:
    if not isinstance(storage, Stored) or type(offset) is not int:
        raise TypeError("no storage")
    for numbers in (shape, strides):
        if not isinstance(numbers, tuple) or not all(type(number) is int for number in numbers):
            raise TypeError("no shape")
    return Described(storage, offset, shape, strides)


def _parameter(tensor: Any, *_: Any) -> Described:
    if not isinstance(tensor, Described):
        raise TypeError("no tensor")
    return tensor


def _ordered(pairs: Any = ()) -> dict[Any, Any]:
    return dict(_pairs([part for key, value in pairs for part in (key, value)]))


def _size(numbers: Any = ()) -> tuple[Any, ...]:
    if not isinstance(numbers, tuple):
        raise TypeError("no shape")
    return numbers


_MAKERS: dict[str, Callable[..., Any]] = {
    "OrderedDict": _ordered,
    "Size": _size,
    "_rebuild_parameter": _parameter,
    "_rebuild_parameter_with_state": _parameter,
    "_rebuild_tensor": _tensor,
    "_rebuild_tensor_v2": _tensor,
}
_KNOWN = {
    ("collections", "OrderedDict"),
    ("torch", "Size"),
    ("torch._utils", "_rebuild_parameter"),
    ("torch._utils", "_rebuild_parameter_with_state"),
    ("torch._utils", "_rebuild_tensor"),
    ("torch._utils", "_rebuild_tensor_v2"),
}
# What checkpoints keep beside the weights: settings, numbers of NumPy's, places and types.
_HARMLESS = {
    ("_codecs", "encode"),
    ("argparse", "Namespace"),
    ("numpy", "dtype"),
    ("numpy", "ndarray"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "scalar"),
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy.core.multiarray", "scalar"),
    ("torch", "device"),
    ("torch.serialization", "_get_layout"),
}
_TYPES = {"float16", "bfloat16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "bool"}

_OPCODES = {opcode.code.encode("latin-1"): opcode for opcode in pickletools.opcodes}


def _steps() -> dict[bytes, Callable[[_Machine, Any], None]]:
    """What protocols 2 to 5 write for dicts, lists, tuples, texts and numbers, by the byte that stands for it."""

    def constant(make: Callable[[], Any]) -> Callable[[_Machine, Any], None]:
        return lambda machine, _: machine.push(make())

    def nothing(machine: _Machine, _: Any) -> None:
        """For the pickler's own bookkeeping."""

    literals = "BINFLOAT BININT BININT1 BININT2 LONG1 LONG4 BINUNICODE BINUNICODE8 SHORT_BINUNICODE"
    texts = "BINBYTES SHORT_BINBYTES BINSTRING SHORT_BINSTRING"
    by_name: dict[str, Callable[[_Machine, Any], None]] = {
        **dict.fromkeys(f"{literals} {texts}".split(), _Machine.push),
        **dict.fromkeys(("BINGET", "LONG_BINGET"), _Machine.get),
        **dict.fromkeys(("BINPUT", "LONG_BINPUT"), _Machine.put),
        **dict.fromkeys(("PROTO", "FRAME"), nothing),
        "APPEND": _Machine.append,
        "APPENDS": _Machine.appends,
        "BINPERSID": _Machine.stored,
        "BUILD": _Machine.build,
        "EMPTY_DICT": constant(dict),
        "EMPTY_LIST": constant(list),
        "EMPTY_TUPLE": constant(tuple),
        "GLOBAL": _Machine.name,
        "MARK": constant(lambda: _MARK),
        "MEMOIZE": _Machine.memoize,
        "NEWFALSE": constant(lambda: False),
        "NEWOBJ": _Machine.new,
        "NEWTRUE": constant(lambda: True),
        "NONE": constant(lambda: None),
        "POP": _Machine.pop,
        "REDUCE": _Machine.reduce,
        "SETITEM": _Machine.set_item,
        "SETITEMS": _Machine.set_items,
        "STACK_GLOBAL": _Machine.stack_name,
        "TUPLE": _Machine.tuple_since_mark,
        "TUPLE1": lambda machine, _: machine.tuple_of(1),
        "TUPLE2": lambda machine, _: machine.tuple_of(2),
        "TUPLE3": lambda machine, _: machine.tuple_of(3),
    }
    return {code: by_name[opcode.name] for code, opcode in _OPCODES.items() if opcode.name in by_name}


_KNOWN_STEPS = _steps()
