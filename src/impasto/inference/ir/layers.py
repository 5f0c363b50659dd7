"""Layers: what the networks of Johnson et al. 2016 and their kin are made of, with weights, and without a framework.

A layer knows three things of itself: how many channels it gives, how long a side of the picture comes out of it, and
which pixels of its input a pixel of its output depends on. Each makes sure of its own numbers when it is made.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar, Literal, get_args

import numpy as np

from impasto.errors import ModelError

__all__ = [
    "Affine",
    "Array",
    "Convolution",
    "InstanceNorm",
    "Layer",
    "Pad",
    "PadKind",
    "Relu",
    "Residual",
    "Scale",
    "Tanh",
    "TransposedConvolution",
    "Upsample",
    "flatten_layers",
]

Array = np.ndarray[Any, np.dtype[np.float32]]
PadKind = Literal["reflect", "zero", "edge"]

# Far beyond any network that was published, and near enough that a malicious one cannot exhaust the machine.
_CHANNELS = 4096
_KERNEL = 31
_STRIDE = 8
_BORDER = 512


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """One step. As it stands here it changes neither channels nor size."""

    kind: ClassVar[str] = ""

    @property
    def rate(self) -> Fraction:
        """Sides of the output for one of the input, borders left out."""
        return Fraction(1)

    def channels(self, before: int) -> int:
        """Channels given for ``before``. Raises :class:`ModelError` where the layer takes another number."""
        return before

    def extent(self, length: int, axis: int) -> int:  # noqa: ARG002
        """Rows (axis 0) or columns (axis 1) given for ``length``; 0 where ``length`` is too short."""
        return length

    def reach(self, first: int, last: int, axis: int) -> tuple[int, int]:  # noqa: ARG002
        """The first and last row or column of the input that those of the output from ``first`` to ``last`` need."""
        return first, last


@dataclass(frozen=True, slots=True, eq=False)
class Pad(Layer):
    """Add rows and columns: ``sides`` top, bottom, left and right; fewer than none of ``"zero"`` cut off."""

    kind: ClassVar[str] = "pad"
    mode: PadKind
    sides: tuple[int, int, int, int]

    def __post_init__(self) -> None:
        if self.mode not in get_args(PadKind):
            raise ModelError(f"a border is of {', '.join(get_args(PadKind))}, not of {self.mode!r}")
        if len(self.sides) != 4:
            raise ModelError(f"a border has four sides, not {len(self.sides)}")
        for side in self.sides:
            _check(side, "a border", -_BORDER if self.mode == "zero" else 0, _BORDER)

    def extent(self, length: int, axis: int) -> int:
        before, after = self.sides[2 * axis : 2 * axis + 2]
        if self.mode == "reflect" and max(before, after) >= length:
            return 0
        return max(0, length + before + after)

    def reach(self, first: int, last: int, axis: int) -> tuple[int, int]:
        before = self.sides[2 * axis]
        return first - before, last - before


@dataclass(frozen=True, slots=True, eq=False)
class Convolution(Layer):
    """``weight`` (O, I, h, w), ``bias`` (O,); as many zeros on every side as ``padding`` says."""

    kind: ClassVar[str] = "convolution"
    weight: Array
    bias: Array
    stride: int = 1
    padding: int = 0

    def __post_init__(self) -> None:
        _check_kernel(self, outputs=0)

    @property
    def rate(self) -> Fraction:
        return Fraction(1, self.stride)

    def channels(self, before: int) -> int:
        return _check_channels(self, self.weight.shape[1], before, self.weight.shape[0])

    def extent(self, length: int, axis: int) -> int:
        room = length + 2 * self.padding - self.weight.shape[2 + axis]
        return room // self.stride + 1 if room >= 0 else 0

    def reach(self, first: int, last: int, axis: int) -> tuple[int, int]:
        start = -self.padding
        return first * self.stride + start, last * self.stride + start + self.weight.shape[2 + axis] - 1


@dataclass(frozen=True, slots=True, eq=False)
class TransposedConvolution(Layer):
    """``weight`` (I, O, h, w), ``bias`` (O,): each pixel paints its kernel, ``stride`` apart.

    ``padding`` rows and columns are cut off every side, and ``output_padding``, fewer than ``stride``, left on at
    the bottom and the right.
    """

    kind: ClassVar[str] = "transposed-convolution"
    weight: Array
    bias: Array
    stride: int = 1
    padding: int = 0
    output_padding: int = 0

    def __post_init__(self) -> None:
        _check_kernel(self, outputs=1)
        _check(self.output_padding, "the output padding of a transposed convolution", 0, self.stride - 1)

    @property
    def rate(self) -> Fraction:
        return Fraction(self.stride)

    def channels(self, before: int) -> int:
        return _check_channels(self, self.weight.shape[0], before, self.weight.shape[1])

    def extent(self, length: int, axis: int) -> int:
        kernel: int = self.weight.shape[2 + axis]
        return max(0, (length - 1) * self.stride - 2 * self.padding + kernel + self.output_padding)

    def reach(self, first: int, last: int, axis: int) -> tuple[int, int]:
        kernel = self.weight.shape[2 + axis]
        start = -((kernel - 1 - self.padding - first) // self.stride)
        stop = (last + self.padding) // self.stride
        # Kernels smaller than their stride leave pixels that depend on nothing.
        return min(start, stop), max(start, stop)


@dataclass(frozen=True, slots=True, eq=False)
class InstanceNorm(Layer):
    """Every channel to mean 0 and variance 1 over height and width, times ``scale`` (C,) plus ``shift`` (C,).

    Ulyanov et al. 2016; the standard deviation is ``sqrt(variance + epsilon)``.
    """

    kind: ClassVar[str] = "instance-norm"
    scale: Array
    shift: Array
    epsilon: float = 1e-5

    def __post_init__(self) -> None:
        _check_pair(self)
        if not 0 <= self.epsilon <= 1:
            raise ModelError(f"the epsilon of a normalisation is from 0 to 1, not {self.epsilon}")

    def channels(self, before: int) -> int:
        return _check_channels(self, len(self.scale), before, before)


@dataclass(frozen=True, slots=True, eq=False)
class Affine(Layer):
    """Every channel times ``scale`` (C,) plus ``shift`` (C,): batch normalisation as it is after training."""

    kind: ClassVar[str] = "affine"
    scale: Array
    shift: Array

    def __post_init__(self) -> None:
        _check_pair(self)

    def channels(self, before: int) -> int:
        return _check_channels(self, len(self.scale), before, before)


@dataclass(frozen=True, slots=True, eq=False)
class Relu(Layer):
    """What is below 0 becomes 0."""

    kind: ClassVar[str] = "relu"


@dataclass(frozen=True, slots=True, eq=False)
class Tanh(Layer):
    """The hyperbolic tangent."""

    kind: ClassVar[str] = "tanh"


@dataclass(frozen=True, slots=True, eq=False)
class Scale(Layer):
    """Everything times ``factor``."""

    kind: ClassVar[str] = "scale"
    factor: float

    def __post_init__(self) -> None:
        if not abs(self.factor) <= 1e6:
            raise ModelError(f"a factor is a number up to a million, not {self.factor}")


@dataclass(frozen=True, slots=True, eq=False)
class Upsample(Layer):
    """Every pixel ``factor`` times in height and in width (nearest neighbour)."""

    kind: ClassVar[str] = "upsample"
    factor: int

    def __post_init__(self) -> None:
        _check(self.factor, "the factor of upsampling", 1, _STRIDE)

    @property
    def rate(self) -> Fraction:
        return Fraction(self.factor)

    def extent(self, length: int, axis: int) -> int:  # noqa: ARG002
        return length * self.factor

    def reach(self, first: int, last: int, axis: int) -> tuple[int, int]:  # noqa: ARG002
        return first // self.factor, last // self.factor


@dataclass(frozen=True, slots=True, eq=False)
class Residual(Layer):
    """What ``body`` makes of its input, plus that input without ``crop`` pixels on every side (He et al. 2015)."""

    kind: ClassVar[str] = "residual"
    body: tuple[Layer, ...]
    crop: int = 0

    def __post_init__(self) -> None:
        _check(self.crop, "the crop of a residual block", 0, _BORDER)

    @property
    def rate(self) -> Fraction:
        return math.prod((layer.rate for layer in self.body), start=Fraction(1))

    def channels(self, before: int) -> int:
        after = before
        for layer in self.body:
            after = layer.channels(after)
        if after != before:
            raise ModelError(f"a residual block takes {before} channels and gives {after}; it has to give as many")
        return before

    def extent(self, length: int, axis: int) -> int:
        after = length
        for layer in self.body:
            after = layer.extent(after, axis)
            if after <= 0:
                return 0
        kept = length - 2 * self.crop
        if kept > 0 and after != kept:
            side = ("rows", "columns")[axis]
            raise ModelError(
                f"a residual block makes {after} {side} of {length}, and {kept} of them are to be added to it; "
                "the network's crop or padding is wrong"
            )
        return max(0, kept)

    def reach(self, first: int, last: int, axis: int) -> tuple[int, int]:
        start, stop = first, last
        for layer in reversed(self.body):
            start, stop = layer.reach(start, stop, axis)
        return min(start, first + self.crop), max(stop, last + self.crop)


def flatten_layers(layers: tuple[Layer, ...]) -> Iterator[Layer]:
    """Every layer, a residual block before what is in it."""
    for layer in layers:
        yield layer
        if isinstance(layer, Residual):
            yield from flatten_layers(layer.body)


def _check(value: int, what: str, least: int, most: int) -> None:
    if type(value) is not int or not least <= value <= most:
        raise ModelError(f"{what} is a whole number from {least} to {most}, not {value!r}")


def _check_kernel(layer: Convolution | TransposedConvolution, outputs: int) -> None:
    name = layer.kind.replace("-", " ")
    weight = _array(layer, "weight", 4)
    bias = _array(layer, "bias", 1)
    if bias.shape[0] != weight.shape[outputs]:
        raise ModelError(f"a {name} of {weight.shape[outputs]} channels has a bias of {bias.shape[0]}")
    if max(weight.shape[2:]) > _KERNEL:
        raise ModelError(f"a {name} is up to {_KERNEL} pixels wide, not {max(weight.shape[2:])}")
    _check(layer.stride, f"the stride of a {name}", 1, _STRIDE)
    _check(layer.padding, f"the padding of a {name}", 0, _KERNEL)


def _check_pair(layer: InstanceNorm | Affine) -> None:
    scale, shift = _array(layer, "scale", 1), _array(layer, "shift", 1)
    if scale.shape != shift.shape:
        raise ModelError(f"a normalisation of {scale.shape[0]} channels has a shift of {shift.shape[0]}")


def _array(layer: Layer, name: str, rank: int) -> Array:
    """An array of the layer, as float32 that nobody changes any more."""
    given = np.asarray(getattr(layer, name))
    what = f"the {name} of a layer of kind {layer.kind}"
    if given.ndim != rank or not given.size:
        raise ModelError(f"{what} has {rank} dimensions, none of them 0, not the shape {given.shape}")
    if max(given.shape[:2]) > _CHANNELS:
        raise ModelError(f"{what} is of up to {_CHANNELS} channels, not of the shape {given.shape}")
    with np.errstate(over="ignore"):
        array = np.ascontiguousarray(given, np.float32).view()
    if not np.isfinite(array).all():
        raise ModelError(f"{what} contains NaN or infinity; get the file again")
    array.flags.writeable = False
    object.__setattr__(layer, name, array)
    return array


def _check_channels(layer: Layer, taken: int, given: int, result: int) -> int:
    if taken != given:
        raise ModelError(f"a layer of kind {layer.kind} takes {taken} channels, and is given {given}")
    return result
