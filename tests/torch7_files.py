"""Torch7 files for tests: a writer of ``.t7``, and Johnson's networks with random weights as his code saves them."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Fields = dict[Any, Any]

_CODES = {"Double": "<f8", "Float": "<f4", "Half": "<f2", "Long": "<i8", "Int": "<i4", "Short": "<i2", "Byte": "u1"}
_CODES |= {"Char": "i1", "Cuda": "<f4", "CudaDouble": "<f8", "CudaHalf": "<f2", "CudaLong": "<i8"}


@dataclass(eq=False)
class Object:
    """An object of a class. ``version`` None leaves the version out, as the first files do."""

    name: str
    fields: Any = field(default_factory=dict)
    version: int | None = 1


@dataclass(eq=False)
class Tensor:
    """A tensor; ``strides`` and ``offset`` (from 0) make a window of a ``storage`` that others may share."""

    type: str
    storage: np.ndarray[Any, Any]
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int = 0


@dataclass(eq=False)
class Closure:
    code: bytes
    upvalues: Any
    kind: int = 8


def tensor(array: Any, type_: str = "Float") -> Tensor:
    values = np.ascontiguousarray(array)
    strides = tuple(s // values.itemsize for s in values.strides)
    return Tensor(type_, values.reshape(-1), values.shape, strides)


class Writer:
    def __init__(self, *, binary: bool = True, long: int = 8) -> None:
        self.parts: list[bytes] = []
        self.binary, self.longs = binary, long
        self._seen: dict[int, int] = {}
        self._kept: list[Any] = []

    def whole(self, value: int) -> None:
        self.parts.append(struct.pack("<i", value) if self.binary else b"%d\n" % value)

    def long(self, *values: Any) -> None:
        if self.binary:
            self.parts.append(struct.pack(f"<{len(values)}{'q' if self.longs == 8 else 'i'}", *values))
        elif values:
            self.parts.append(b" ".join(b"%d" % value for value in values) + b"\n")

    def text(self, value: bytes) -> None:
        self.whole(len(value))
        self.parts.append(value if self.binary or not value else value + b"\n")

    def write(self, value: Any) -> None:
        if value is None:
            self.whole(0)
        elif isinstance(value, bool):
            self.whole(5)
            self.whole(value)
        elif isinstance(value, (float, int)):
            self.whole(1)
            self.parts.append(struct.pack("<d", value) if self.binary else b"%r\n" % float(value))
        elif isinstance(value, str):
            self.whole(2)
            self.text(value.encode())
        elif isinstance(value, (dict, list)):
            self._referenced(3, value, self._table)
        elif isinstance(value, Closure):
            self._referenced(value.kind, value, self._closure)
        elif isinstance(value, Tensor):
            self._referenced(4, value, self._tensor)
        elif isinstance(value, np.ndarray):
            raise TypeError("write a tensor")
        else:
            assert isinstance(value, Object)
            self._referenced(4, value, self._object)

    def _referenced(self, kind: int, value: Any, write: Any) -> None:
        self.whole(kind)
        index = self._seen.get(id(value))
        self._kept.append(value)
        if index is None:
            index = self._seen[id(value)] = len(self._seen) + 1
            self.whole(index)
            write(value)
        else:
            self.whole(index)

    def _table(self, value: Any) -> None:
        pairs = list(value.items() if isinstance(value, dict) else enumerate(value, 1))
        self.whole(len(pairs))
        for key, item in pairs:
            self.write(key)
            self.write(item)

    def _closure(self, value: Closure) -> None:
        self.text(value.code)
        self.write(value.upvalues)

    def _class(self, name: str, version: int | None = 1) -> None:
        if version is not None:
            self.text(b"V %d" % version)
        self.text(name.encode())

    def _object(self, value: Object) -> None:
        self._class(value.name, value.version)
        self.write(value.fields)

    def _tensor(self, value: Tensor) -> None:
        self._class(f"torch.{value.type}Tensor")
        self.whole(len(value.shape))
        self.long(*value.shape)
        self.long(*value.strides)
        self.long(value.offset + 1)
        self.whole(4)
        index = self._seen.get(id(value.storage))
        self._kept.append(value.storage)
        if index is not None:
            self.whole(index)
            return
        index = self._seen[id(value.storage)] = len(self._seen) + 1
        self.whole(index)
        self._class(f"torch.{value.type}Storage")
        self.long(value.storage.size)
        code = f"<i{self.longs}" if value.type in ("Long", "CudaLong") else _CODES[value.type]
        numbers = value.storage.astype(code)
        if self.binary or value.type in ("Byte", "Char"):
            self.parts.append(numbers.tobytes() + (b"" if self.binary else b"\n"))
        elif numbers.size:
            self.parts.append(b" ".join(b"%r" % number for number in numbers.tolist()) + b"\n")


def t7(value: Any, *, binary: bool = True, long: int = 8) -> bytes:
    writer = Writer(binary=binary, long=long)
    writer.write(value)
    return b"".join(writer.parts)


class Nets:
    """Johnson's networks: ``padding`` as his option ``padding_type``, ``norm`` instance or batch."""

    def __init__(
        self, padding: str = "reflect", norm: str = "instance", *, width: int = 8, blocks: int = 2, up: str = "u"
    ) -> None:
        self.random = np.random.default_rng(7)
        self.padding, self.norm, self.width, self.blocks, self.up = padding, norm, width, blocks, up
        self.space = "nn"
        self.flat = self.old = False
        self.type = "Float"

    def build(self) -> Object:
        width = self.width
        modules = [*self._conv(3, width, 9), *self._normed(width)]
        modules += [*self._conv(width, 2 * width, 3, 2, zero=True), *self._normed(2 * width)]
        modules += [*self._conv(2 * width, 4 * width, 3, 2, zero=True), *self._normed(4 * width)]
        modules += [self._residual(4 * width) for _ in range(self.blocks)]
        for inputs in (4 * width, 2 * width):
            modules += [*self._up(inputs, inputs // 2), *self._normed(inputs // 2)]
        modules += self._conv(width, 3, 9, gain=0.6)
        modules += [Object("nn.Tanh"), Object("nn.MulConstant", {"constant_scalar": 150.0, "inplace": False})]
        modules += [Object("nn.TotalVariation", {"strength": 1e-6})]
        if self.padding == "reflect-start":
            modules.insert(0, self._pad("Reflection", 8 * self.blocks))
        return self._sequential(modules)

    def _sequential(self, modules: list[Object]) -> Object:
        return Object("nn.Sequential", {"modules": modules, "train": False})

    def _tensor(self, array: Any) -> Tensor:
        return tensor(np.asarray(array, np.float32), self.type)

    def _pad(self, kind: str, size: int) -> Object:
        return Object(f"nn.Spatial{kind}Padding", {f"pad_{side}": size for side in "lrtb"})

    def _conv(
        self, inputs: int, outputs: int, size: int, stride: int = 1, *, zero: bool = False, pad: int | None = None,
        gain: float = 1.4,
    ) -> list[Object]:  # fmt: skip
        pad = size // 2 if pad is None else pad
        before = []
        if not zero and pad and self.padding in ("reflect", "replicate"):
            before = [self._pad({"reflect": "Reflection", "replicate": "Replication"}[self.padding], pad)]
            pad = 0
        weight = self.random.normal(0, gain * (inputs * size * size) ** -0.5, (outputs, inputs, size, size))
        fields: Fields = {"nInputPlane": inputs, "nOutputPlane": outputs, "kW": size, "kH": size}
        fields |= {"dW": stride, "dH": stride, "padW": pad, "padH": pad}
        fields["weight"] = self._tensor(weight.reshape(outputs, -1) if self.flat else weight)
        fields["bias"] = self._tensor(self.random.normal(0, 0.1, outputs))
        name = "SpatialConvolutionMM" if self.flat else "SpatialConvolution"
        return [*before, Object(f"{self.space}.{name}", fields)]

    def _up(self, inputs: int, outputs: int) -> list[Object]:
        if self.up == "U":
            return [Object("nn.SpatialUpSamplingNearest", {"scale_factor": 2}), *self._conv(inputs, outputs, 3)]
        weight = self.random.normal(0, 1.4 * (inputs * 9 / 4) ** -0.5, (inputs, outputs, 3, 3))
        fields: Fields = {"nInputPlane": inputs, "nOutputPlane": outputs}
        for name, number in {"k": 3, "d": 2, "pad": 1, "adj": 1}.items():
            fields |= {f"{name}W": number, f"{name}H": number}
        fields |= {"weight": self._tensor(weight), "bias": self._tensor(self.random.normal(0, 0.1, outputs))}
        return [Object(f"{self.space}.SpatialFullConvolution", fields)]

    def _norm(self, channels: int) -> Object:
        fields: Fields = {"eps": 1e-5, "weight": self._tensor(self.random.uniform(0.5, 1.5, channels))}
        fields["bias"] = self._tensor(self.random.normal(0, 0.2, channels))
        if self.norm == "instance":
            return Object("nn.InstanceNormalization", {**fields, "nOutput": channels, "prev_N": -1})
        variance = self.random.uniform(0.5, 2, channels)
        fields["running_mean"] = self._tensor(self.random.normal(0, 0.2, channels))
        if self.old:
            fields["running_std"] = self._tensor((variance + 1e-5) ** -0.5)
        else:
            fields["running_var"] = self._tensor(variance)
        return Object(f"{self.space}.SpatialBatchNormalization", {**fields, "affine": True}, 1 if self.old else 2)

    def _normed(self, channels: int) -> list[Object]:
        return [self._norm(channels), Object("nn.ReLU", {"inplace": True, "threshold": 0.0, "val": 0.0})]

    def _residual(self, channels: int) -> Object:
        shaved = self.padding in ("none", "reflect-start")
        pad = 0 if shaved else 1
        body = [*self._conv(channels, channels, 3, pad=pad), *self._normed(channels)]
        body += [*self._conv(channels, channels, 3, pad=pad), self._norm(channels)]
        shortcut = Object("nn.ShaveImage", {"size": 2}) if shaved else Object("nn.Identity")
        table = Object("nn.ConcatTable", {"modules": [self._sequential(body), shortcut]})
        return self._sequential([table, Object("nn.CAddTable", {"inplace": False})])


def checkpoint(model: Object, preprocessing: str | None = "vgg") -> Fields:
    """What Johnson's training saves: the network beside the options and the losses."""
    options: Fields = {"arch": "c9s1-8,d16", "use_instance_norm": 1}
    if preprocessing is not None:
        options["preprocessing"] = preprocessing
    return {"opt": options, "train_loss_history": [1.5, 1.25], "model": model}
