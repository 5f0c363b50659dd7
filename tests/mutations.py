"""Small files of networks, and what damage and malice make of them."""

from __future__ import annotations

import copy
import io
import json
import random
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from safetensors.torch import save as save_torch
from torch7_files import Closure, Nets, Object, Tensor, checkpoint, t7, tensor
from transformer_nets import Blocks, Example

from impasto.inference.ir.stored import pack_network
from impasto.models.network_files import read_network

FORMATS = ("t7", "safetensors", "pth")

_NUMBERS = [0, 1, 2, 3, 4, 7, 8, 9, 127, 255, 256, 65535, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**64 - 1]
_NUMBERS += [2**n for n in (10, 16, 20, 24, 30, 40, 62)]
_NEAR = 12
"""How far from a byte that is not 0 damage is done: weights are all 0, so that what is hit is mostly structure."""


_FORMS: list[Any] = [{}, {"long": 4}, {"binary": False}]
_SMALL = [0, 1, 2, 3, 9, 81, 1000, 2**30]
_TWISTS = [None, True, 0, 1, 2, 3, 4, 8, 100, -2, 2**31, 1e300, 0.5, "", "zero", "relu", [], {}, [1, 2], {"a": 1}]
_CLASSES = ["nn.Sequential", "nn.ConcatTable", "nn.CAddTable", "nn.SpatialConvolution", "nn.SpatialFullConvolution"]
_CLASSES += [
    "nn.Identity",
    "nn.SpatialZeroPadding",
    "nn.ReLU",
    "nn.SpatialBatchNormalization",
    "tds.Hash",
    "nn.gModule",
]


class _Blank(Nets):
    def _tensor(self, array: Any) -> Tensor:
        return tensor(np.zeros_like(np.asarray(array, np.float32)), self.type)


def seeds(format_: str) -> list[bytes]:
    """Files of ``format_`` that are read, each a few thousand bytes long."""
    if format_ == "t7":
        return [t7(value, **form) for value in _models() for form in _FORMS]
    if format_ == "safetensors":
        nets = [_Blank(width=1, blocks=1), _Blank("zero", "batch", width=1, blocks=1, up="U")]
        ours = [pack_network(read_network(t7(checkpoint(net.build())))) for net in nets]
        return [*ours, *(save_torch(_blank(network)) for network in _networks())]
    found = []
    for zipped in (True, False):
        for network in _networks():
            stream = io.BytesIO()
            torch.save({"state_dict": _blank(network), "epoch": 3}, stream, _use_new_zipfile_serialization=zipped)
            found.append(stream.getvalue())
    return found


def _models() -> list[Any]:
    """What the seeds of ``.t7`` say, each in three forms."""
    nets = [_Blank(width=1, blocks=1)]
    nets += [_Blank("zero", "batch", width=1, blocks=1), _Blank("reflect-start", width=1, blocks=1, up="U")]
    values: dict[Any, Any] = {"f": Closure(b"code", {"name": 1.0}), "n": None, "b": True, 1: "text"}
    values |= {"t": [tensor(np.arange(6).reshape(2, 3), "Long"), tensor(np.ones(3), "CudaHalf")]}
    values["loop"] = values
    small = Object("nn.Sequential", {"modules": [Object("nn.Tanh"), Object("nn.Identity")], "x": values})
    return [*(checkpoint(net.build()) for net in nets), checkpoint(small)]


def _twist(source: random.Random, value: Any) -> Any:
    """One or two things in ``value`` are something else."""
    for _ in range(source.choice([1, 1, 2])):
        slots = _slots(value)
        if not slots:
            return value
        holder, key = source.choice(slots)
        _, other = source.choice(slots)
        old = holder[key] if isinstance(holder, (dict, list)) else getattr(holder, key)
        choices: list[Any] = [source.choice(_TWISTS), source.choice(_TWISTS), -1 if isinstance(old, int) else 0.5, old]
        if isinstance(holder, Tensor):
            choices = [tuple(source.choice((*_SMALL, *old)) for _ in old)] if isinstance(old, tuple) else _SMALL
        elif isinstance(holder, Object):
            choices = [source.choice(_CLASSES)]
        new = source.choice(choices)
        if isinstance(holder, (dict, list)):
            holder[key] = [old, old] if source.random() < 0.05 else new
        else:
            setattr(holder, key, new)
        if isinstance(holder, dict) and isinstance(other, str) and source.random() < 0.1:
            holder[other] = holder.pop(key)
    return value


def _slots(value: Any) -> list[tuple[Any, Any]]:
    found: list[tuple[Any, Any]] = []
    waiting, seen = [value], set[int]()
    while waiting:
        item = waiting.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        if isinstance(item, (dict, list)):
            keys = list(item) if isinstance(item, dict) else list(range(len(item)))
            found += [(item, key) for key in keys]
            waiting += [item[key] for key in keys]
        elif isinstance(item, Object):
            found.append((item, "name"))
            waiting.append(item.fields)
        elif isinstance(item, Tensor):
            found += [(item, name) for name in ("shape", "strides", "offset")]
    return found


def _networks() -> list[torch.nn.Module]:
    return [Example(1, 1, 3), Blocks(1, 1)]


def _blank(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: torch.zeros_like(value) for name, value in network.state_dict().items()}


class Mutator:
    """Damaged files of one format, the same for the same ``seed``."""

    def __init__(self, format_: str, seed: int) -> None:
        self._random = random.Random(f"{format_} {seed}")
        self._format, self._models = format_, _models()
        self._seeds = seeds(format_)
        self._places = [_structure(data) for data in self._seeds]

    def __call__(self) -> bytes:
        number = self._random.randrange(len(self._seeds))
        twisted = self._twisted(number) if self._random.random() < 0.5 else None
        data = bytearray(twisted or self._seeds[number])
        for _ in range(self._random.choice([0, 0, 0, 1] if twisted else [1, 1, 1, 2, 3, 8])):
            at = self._random.choice(self._places[number]) if self._random.random() < 0.9 else self._anywhere(data)
            self._random.choice(_CHANGES)(self._random, data, min(at, max(0, len(data) - 1)), self._other())
        return bytes(data)

    def _twisted(self, number: int) -> bytes | None:
        """A file that is whole, and says something else; PyTorch's have bytes changed alone."""
        if self._format == "t7":
            return t7(_twist(self._random, copy.deepcopy(self._models[number // 3])), **_FORMS[number % 3])
        if self._format == "safetensors":
            data = self._seeds[number]
            (length,) = struct.unpack_from("<Q", data)
            header = json.loads(data[8 : 8 + length])
            network = header.get("__metadata__", {}).get("impasto.network")
            if network and self._random.random() < 0.7:
                described = _twist(self._random, json.loads(network))
                header["__metadata__"]["impasto.network"] = json.dumps(described)
            else:
                header = _twist(self._random, header)
            text = json.dumps(header).encode()
            return struct.pack("<Q", len(text)) + text + data[8 + length :]
        return None

    def _anywhere(self, data: bytearray) -> int:
        return self._random.randrange(max(1, len(data)))

    def _other(self) -> bytes:
        other = self._random.choice(self._seeds)
        at = self._random.randrange(len(other))
        return other[at : at + self._random.randrange(1, 64)]


def _structure(data: bytes) -> list[int]:
    """Places of bytes with others that are not 0 nearby."""
    used = np.flatnonzero(np.frombuffer(data, np.uint8))
    near = np.zeros(len(data) + 2 * _NEAR, bool)
    for shift in range(2 * _NEAR):
        near[used + shift] = True
    return [int(place) for place in np.flatnonzero(near[_NEAR : _NEAR + len(data)])]


def _flip(source: random.Random, data: bytearray, at: int, _: bytes) -> None:
    if data:
        data[at] ^= 1 << source.randrange(8)


def _replace(source: random.Random, data: bytearray, at: int, _: bytes) -> None:
    if data:
        data[at] = source.randrange(256)


def _number(source: random.Random, data: bytearray, at: int, _: bytes) -> None:
    code, size = source.choice([("<I", 4), ("<Q", 8), ("<d", 8), ("<H", 2)])
    value = source.choice(_NUMBERS)
    packed = struct.pack(code, float(value)) if code == "<d" else struct.pack(code, value % 256**size)
    data[at : at + size] = packed


def _digits(source: random.Random, data: bytearray, at: int, _: bytes) -> None:
    data[at : at + source.randrange(3)] = str(source.choice(_NUMBERS)).encode()


def _cut(source: random.Random, data: bytearray, at: int, _: bytes) -> None:
    if source.random() < 0.2:
        del data[at:]
    else:
        del data[at : at + source.randrange(1, 32)]


def _repeat(source: random.Random, data: bytearray, at: int, _: bytes) -> None:
    part = data[at : at + source.randrange(1, 64)]
    data[at:at] = part * source.choice([1, 1, 2, 50])


def _overwrite(source: random.Random, data: bytearray, at: int, other: bytes) -> None:
    data[at : at + len(other)] = other


def _insert(source: random.Random, data: bytearray, at: int, other: bytes) -> None:
    data[at:at] = other


_CHANGES: list[Callable[[random.Random, bytearray, int, bytes], None]] = [
    *(_flip, _replace, _replace, _number, _number, _number, _digits),
    *(_cut, _repeat, _overwrite, _insert),
]
