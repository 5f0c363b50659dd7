"""Johnson's networks as Torch7 saves them: modules of ``nn`` in a sequence, with what they were trained with.

The architectures and the preprocessing are those of the code that Johnson et al. published with their paper of 2016.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from impasto.errors import ModelError
from impasto.inference.ir.layers import (
    Affine,
    Array,
    Convolution,
    InstanceNorm,
    Layer,
    Pad,
    PadKind,
    Relu,
    Residual,
    Scale,
    Tanh,
    TransposedConvolution,
    Upsample,
)
from impasto.inference.ir.network import BGR_MEAN, Network, Preprocessing
from impasto.models.formats.strided_tensor import Allowance, Strided
from impasto.models.formats.torch7 import Instance, Table

__all__ = ["network_of_torch7"]

_PREPROCESSING = {
    "vgg": Preprocessing("BGR", 255, BGR_MEAN),
    "resnet": Preprocessing("RGB", 1, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
}
_SPACES = ("nn.", "cudnn.", "cunn.")
_DEPTH = 32
_MODULES = 2000
_BORDERS = 512
_SIDE = 4096
"""To see what borders a network takes away; a multiple of every size rule."""


def network_of_torch7(root: Any, size: int) -> Network:
    """The network in what :func:`read_torch7` read from a file of ``size`` bytes.

    ``root`` is a checkpoint, a table with ``model`` and perhaps ``opt``, or the model alone, whose preprocessing is
    then taken to be VGG's. Where a network without padding gives less than it takes, its content gets reflected
    borders, as Johnson's training adds them. Raises :class:`ModelError` where a module is of no such network.
    """
    model, kind = root, "vgg"
    if isinstance(root, Table):
        model, options = root.fields.get("model"), root.fields.get("opt")
        if isinstance(options, Table):
            kind = options.fields.get("preprocessing", kind)
        if not isinstance(model, Instance):
            raise ModelError(f"the .t7 holds a table of {_named(root)}, and no model; give a checkpoint of a network")
    if not isinstance(model, Instance):
        raise ModelError(f"the .t7 holds a {type(model).__name__}, and no network; give a checkpoint of a network")
    said = kind[:40] if isinstance(kind, str) else type(kind).__name__
    if said not in _PREPROCESSING:
        raise ModelError(f"the network was trained with preprocessing {said!r}; vgg and resnet are known")
    layers = _Modules(Allowance(size)).layers(model)
    return Network(_with_crops_padded(layers), _PREPROCESSING[said])


class _Module:
    """A module with its fields, each of which is checked as it is asked for."""

    def __init__(self, instance: Instance, allowance: Allowance) -> None:
        self.name = next((instance.name.removeprefix(s) for s in _SPACES if instance.name.startswith(s)), "")
        self.full, self.version = instance.name, instance.version
        self._fields, self._allowance = instance.fields, allowance

    def number(self, name: str, default: float | None = None) -> float:
        value = self._fields.get(name, default)
        if not isinstance(value, (int, float)) or isinstance(value, bool):
            raise ModelError(f"{self.full} has no number {name}; get the file again")
        return float(value)

    def whole(self, name: str, default: int | None = None) -> int:
        value = self.number(name, default)
        if not value.is_integer() or abs(value) > 2**31:
            raise ModelError(f"{name} of {self.full} is {value}, and no whole number of pixels")
        return int(value)

    def square(self, name: str, default: int | None = None) -> int:
        """A number given twice, for width and height."""
        width, height = self.whole(f"{name}W", default), self.whole(f"{name}H", default)
        if width != height:
            raise ModelError(f"{self.full} has {name}W {width} and {name}H {height}; both have to be the same")
        return width

    def has(self, name: str) -> bool:
        value = self._fields.get(name)
        return isinstance(value, Strided) and value.count > 0

    def tensor(self, name: str, *shape: int) -> Array:
        """The weights ``name``, which may be kept in another shape than they are used in."""
        value = self._fields.get(name)
        if not isinstance(value, Strided):
            raise ModelError(f"{self.full} has no {name}; give a network that was saved whole")
        found = self._allowance.take(value, f"{name} of {self.full}")
        if shape and (min(shape) <= 0 or found.size != math.prod(shape)):
            raise ModelError(f"{name} of {self.full} is {value.shape}; its module says {shape}")
        return found.reshape(shape or -1)

    def modules(self) -> list[Instance]:
        table = self._fields.get("modules")
        fields = table.fields if isinstance(table, Table) else {}
        found = [fields.get(number) for number in range(1, len(fields) + 1)]
        modules = [module for module in found if isinstance(module, Instance)]
        if len(modules) != len(found):
            raise ModelError(f"{self.full} holds something that is not a module; get the file again")
        return modules


class _Modules:
    """Turns modules into layers. How many it has seen is counted: modules may be shared, and hold themselves."""

    def __init__(self, allowance: Allowance) -> None:
        self._allowance = allowance
        self._seen = self._depth = 0

    def layers(self, instance: Instance) -> list[Layer]:
        module = _Module(instance, self._allowance)
        self._seen += 1
        if self._depth >= _DEPTH or self._seen > _MODULES:
            raise ModelError("a module of the network contains itself; get the file again")
        if module.name == "Sequential":
            self._depth += 1
            layers = self._sequence(module.modules())
            self._depth -= 1
            return layers
        if module.name in _PASSED:
            return []
        build = _BUILDERS.get(module.name)
        if build is None:
            raise ModelError(_refusal(module.full))
        return build(module)

    def _sequence(self, modules: list[Instance]) -> list[Layer]:
        layers: list[Layer] = []
        waiting = iter(modules)
        for instance in waiting:
            if not _is(instance, "ConcatTable"):
                layers += self.layers(instance)
            elif (following := next(waiting, None)) is not None and _is(following, "CAddTable"):
                layers.append(self._residual(_Module(instance, self._allowance)))
            else:
                raise ModelError("the network has an nn.ConcatTable without an nn.CAddTable after it; no such is known")
        return layers

    def _residual(self, module: _Module) -> Residual:
        self._depth += 1
        branches = [self.layers(instance) for instance in module.modules()]
        self._depth -= 1
        if len(branches) != 2:
            raise ModelError(f"{module.full} has {len(branches)} branches; a residual block has two")
        for body, shortcut in (branches, branches[::-1]):
            crop = _crop(shortcut)
            if crop is not None:
                return Residual(tuple(body), crop)
        raise ModelError(f"both branches of {module.full} compute something; in a residual block one only crops")


def _crop(layers: list[Layer]) -> int | None:
    """How much the shortcut of a residual block takes off every side; None where it does something else."""
    crop = 0
    for layer in layers:
        if not isinstance(layer, Pad) or len(set(layer.sides)) != 1 or layer.sides[0] > 0:
            return None
        crop -= layer.sides[0]
    return crop


def _with_crops_padded(layers: list[Layer]) -> tuple[Layer, ...]:
    """The layers with what they take away added before them."""
    sides = []
    for axis in range(2):
        length = _SIDE
        for layer in layers:
            length = layer.extent(length, axis)
        missing = max(0, _SIDE - length)
        if missing > _BORDERS:  # it makes pictures smaller, and is refused for that
            return tuple(layers)
        sides += [missing // 2, missing - missing // 2]
    if not any(sides):
        return tuple(layers)
    top, bottom, left, right = sides
    return (Pad("reflect", (top, bottom, left, right)), *layers)


def _pad(mode: PadKind) -> Callable[[_Module], list[Layer]]:
    def build(module: _Module) -> list[Layer]:
        top, bottom, left, right = (module.whole(f"pad_{side}") for side in "tblr")
        return [Pad(mode, (top, bottom, left, right))]

    return build


def _shave(module: _Module) -> list[Layer]:
    size = -module.whole("size")
    return [Pad("zero", (size, size, size, size))]


def _convolution(module: _Module) -> list[Layer]:
    if (groups := module.whole("groups", 1)) != 1:
        raise ModelError(f"{module.full} is in {groups} groups; give a network without groups")
    outputs, inputs = module.whole("nOutputPlane"), module.whole("nInputPlane")
    weight = module.tensor("weight", outputs, inputs, module.whole("kH"), module.whole("kW"))
    padding = module.square("pad", module.whole("padding", 0))
    return [Convolution(weight, _bias(module, outputs), module.square("d", 1), padding)]


def _transposed(module: _Module) -> list[Layer]:
    outputs, inputs = module.whole("nOutputPlane"), module.whole("nInputPlane")
    weight = module.tensor("weight", inputs, outputs, module.whole("kH"), module.whole("kW"))
    bias, added = _bias(module, outputs), module.square("adj", 0)
    return [TransposedConvolution(weight, bias, module.square("d", 1), module.square("pad", 0), added)]


def _bias(module: _Module, outputs: int) -> Array:
    return module.tensor("bias", outputs) if module.has("bias") else np.zeros(outputs, np.float32)


def _batch_norm(module: _Module) -> list[Layer]:
    """Of the statistics that training kept; the first versions kept one over the standard deviation, epsilon
    included."""
    mean, epsilon = module.tensor("running_mean"), module.number("eps", 1e-5)
    with np.errstate(all="ignore"):  # what is not a number is refused with the layer
        if module.has("running_var"):
            scale = 1 / np.sqrt(module.tensor("running_var", mean.size).astype(np.float64) + epsilon)
        else:
            scale = module.tensor("running_std", mean.size).astype(np.float64)
        if module.has("weight"):
            scale = scale * module.tensor("weight", mean.size)
        shift = -mean * scale
        if module.has("bias"):
            shift = shift + module.tensor("bias", mean.size)
        return [Affine(scale.astype(np.float32), shift.astype(np.float32))]


def _instance_norm(module: _Module) -> list[Layer]:
    channels = module.whole("nOutput", module.tensor("weight").size if module.has("weight") else None)
    if not 0 < channels <= 2**16:
        raise ModelError(f"{module.full} has {channels} channels; get the file again")
    scale = module.tensor("weight", channels) if module.has("weight") else np.ones(channels, np.float32)
    return [InstanceNorm(scale, _bias(module, channels), module.number("eps", 1e-5))]


def _relu(module: _Module) -> list[Layer]:
    if module.number("threshold", 0) != 0 or module.number("val", 0) != 0:
        raise ModelError(f"{module.full} has a threshold that is not 0; give a network of plain ReLUs")
    return [Relu()]


_PASSED = ("Identity", "TotalVariation", "ContentLoss", "StyleLoss", "DeepDreamLoss", "HistoLoss", "Copy")
"""What hands on what it is given: losses measure on the way."""

_BUILDERS: dict[str, Callable[[_Module], list[Layer]]] = {
    "InstanceNormalization": _instance_norm,
    "MulConstant": lambda module: [Scale(module.number("constant_scalar"))],
    "ReLU": _relu,
    "ShaveImage": _shave,
    "SpatialBatchNormalization": _batch_norm,
    "SpatialConvolution": _convolution,
    "SpatialConvolutionMM": _convolution,
    "SpatialFullConvolution": _transposed,
    "SpatialReflectionPadding": _pad("reflect"),
    "SpatialReplicationPadding": _pad("edge"),
    "SpatialUpSamplingNearest": lambda module: [Upsample(module.whole("scale_factor"))],
    "SpatialZeroPadding": _pad("zero"),
    "Tanh": lambda module: [Tanh()],  # noqa: ARG005
    "Threshold": _relu,
}


def _is(instance: Instance, name: str) -> bool:
    return any(instance.name == f"{space}{name}" for space in _SPACES)


def _refusal(name: str) -> str:
    if name in ("nn.gModule", "nngraph.gModule"):
        return "the .t7 holds an nn.gModule, a graph of its own; give a network that is an nn.Sequential, as Johnson's"
    return f"the network has a module {name[:60]!r}, which is none of Johnson's; give one trained with his code"


def _named(table: Table) -> str:
    names = sorted(key[:40] for key in table.fields if isinstance(key, str))[:6]
    return ", ".join(names) or f"{len(table.fields)} values"
