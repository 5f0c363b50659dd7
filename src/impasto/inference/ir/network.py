"""Network: layers one after another that repaint a picture, and what pictures go through before and after them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Literal

from impasto.errors import ModelError
from impasto.inference.ir.layers import (
    Affine,
    Convolution,
    InstanceNorm,
    Layer,
    Residual,
    TransposedConvolution,
    flatten_layers,
)

__all__ = ["BGR_MEAN", "Network", "Order", "Preprocessing", "Triple"]

Order = Literal["RGB", "BGR"]
Triple = tuple[float, float, float]

BGR_MEAN: Triple = (103.939, 116.779, 123.68)
"""The mean of ImageNet as Caffe's VGG has it subtracted, blue first, of 255."""

_LAYERS = 512
_DEPTH = 8
_PARAMETERS = 2**26
_FLOATS = 2048
"""For each pixel of the picture: Johnson's network keeps 32 between two layers."""
_MULTIPLE = 64
_SIDE = 8192
"""A network that a picture of that side is too small for is of no use."""


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """What a network takes and gives, beside RGB in 0..1.

    Its input is the picture in the channels' ``order``, times ``range``, minus ``mean``, divided by ``deviation``. Its
    output times ``gain`` plus ``offset`` is a picture in 0..1 of that order; where they are None it is the
    inverse of the input's.
    """

    order: Order = "RGB"
    range: int = 255
    mean: Triple = (0.0, 0.0, 0.0)
    deviation: Triple = (1.0, 1.0, 1.0)
    gain: Triple | None = None
    offset: Triple | None = None

    def __post_init__(self) -> None:
        if self.order not in ("RGB", "BGR"):
            raise ModelError(f"channels are in the order RGB or BGR, not {self.order!r}")
        if self.range not in (1, 255):
            raise ModelError(f"pictures are of the range 1 or 255, not {self.range!r}")
        for name in ("mean", "deviation", "gain", "offset"):
            triple = getattr(self, name)
            if triple is None and name in ("gain", "offset"):
                continue
            if len(triple) != 3 or not all(math.isfinite(number) for number in triple):
                raise ModelError(f"the {name} of pictures is three numbers, not {triple}")
        if not all(1e-6 <= number <= 1e6 for number in self.deviation):
            raise ModelError(f"the standard deviation of pictures is three numbers above 0, not {self.deviation}")

    @property
    def output_transform(self) -> tuple[Triple, Triple]:
        """``gain`` and ``offset``, as given, or the inverse of the input's."""
        gain = self.gain or _triple([number / self.range for number in self.deviation])
        offset = self.offset or _triple([number / self.range for number in self.mean])
        return gain, offset


@dataclass(frozen=True, eq=False)
class Network:
    """A network that takes a picture of 3 channels and gives one of the same size.

    ``family`` names the architecture that it was recognised as; it is not stored with the layers.

    Raises :class:`ModelError` where the layers do not fit one another, where the pastiche would be of another size
    than the content, and where a network would take far more memory or time than any that was published.
    """

    layers: tuple[Layer, ...]
    preprocessing: Preprocessing
    family: str = "johnson"

    def __post_init__(self) -> None:
        _check_depth(self.layers, _DEPTH)
        count = sum(1 for _ in flatten_layers(self.layers))
        if not 0 < count <= _LAYERS:
            raise ModelError(f"a network has 1 to {_LAYERS} layers, not {count}")
        if self.parameters > _PARAMETERS:
            raise ModelError(f"a network has up to {_PARAMETERS} weights, not {self.parameters}")
        channels = _check_chain(self.layers, 3, Fraction(1))
        if channels != 3:
            raise ModelError(f"the network gives {channels} channels; one that paints gives 3")
        if self.multiple > _MULTIPLE:
            raise ModelError(f"the network works in steps of {self.multiple} pixels; at most {_MULTIPLE} are allowed")
        side = self.smallest
        for axis, name in enumerate(("rows", "columns")):
            if (found := self.extent(side, axis)) != side:
                raise ModelError(f"the network makes {found} {name} of {side}; one that gives as many is needed")

    @property
    def parameters(self) -> int:
        """How many weights there are."""
        total = 0
        for layer in flatten_layers(self.layers):
            if isinstance(layer, (Convolution, TransposedConvolution)):
                total += layer.weight.size + layer.bias.size
            elif isinstance(layer, (InstanceNorm, Affine)):
                total += layer.scale.size + layer.shift.size
        return total

    @property
    def normalises(self) -> bool:
        """Whether anything in it looks at the whole picture, so that tiles need statistics in common."""
        return any(isinstance(layer, InstanceNorm) for layer in flatten_layers(self.layers))

    @cached_property
    def multiple(self) -> int:
        """Height and width must be multiples of it for the pastiche to be as large as the content."""
        return math.lcm(*(rate.denominator for rate in _rates(self.layers, Fraction(1))))

    @cached_property
    def margin(self) -> int:
        """How far a pixel of the pastiche looks, in pixels, rounded up to a :attr:`multiple`.

        Statistics are left out: they look at everything.
        """
        far = 0
        for axis in range(2):
            # Where strides meet upsampling, neighbours look differently far; the pattern repeats.
            for at in range(self.multiple):
                first = last = at
                for layer in reversed(self.layers):
                    first, last = layer.reach(first, last, axis)
                far = max(far, at - first, last - at)
        return -(-far // self.multiple) * self.multiple

    @cached_property
    def smallest(self) -> int:
        """The shortest side of a picture that it works on: a reflected border has to be shorter than the picture."""
        step = self.multiple

        def fits(count: int) -> bool:
            return all(self.extent(count * step, axis) > 0 for axis in range(2))

        high = 1
        while not fits(high):
            high *= 2
            if high * step > _SIDE:
                raise ModelError(f"the network works on no picture up to {_SIDE} pixels wide; its borders are too wide")
        low = high // 2
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if fits(middle) else (middle, high)
        return high * step

    def extent(self, length: int, axis: int = 0) -> int:
        """Rows (axis 0) or columns (axis 1) of the pastiche for ``length`` of the content; 0 for too few."""
        for layer in self.layers:
            if length <= 0:
                return 0
            length = layer.extent(length, axis)
        return max(0, length)


def _check_depth(layers: tuple[Layer, ...], depth: int) -> None:
    if depth < 0:
        raise ModelError(f"residual blocks are nested more than {_DEPTH} deep")
    for layer in layers:
        if isinstance(layer, Residual):
            _check_depth(layer.body, depth - 1)


def _check_chain(layers: tuple[Layer, ...], channels: int, rate: Fraction) -> int:
    """The channels that come out. Raises :class:`ModelError` naming the layer that does not fit."""
    for number, layer in enumerate(layers, 1):
        try:
            if isinstance(layer, Residual):
                _check_chain(layer.body, channels, rate)
                if layer.rate != 1:
                    raise ModelError("a residual block gives a picture of another size than it takes")
            channels = layer.channels(channels)
        except ModelError as error:
            raise ModelError(f"layer {number}: {error}") from error
        rate *= layer.rate
        floats = channels * rate * rate
        if floats > _FLOATS:
            raise ModelError(
                f"layer {number}: {channels} channels at {float(rate):g} times the picture's size are too many"
            )
    return channels


def _rates(layers: tuple[Layer, ...], rate: Fraction) -> set[Fraction]:
    found = {rate}
    for layer in layers:
        if isinstance(layer, Residual):
            found |= _rates(layer.body, rate)
        rate *= layer.rate
        found.add(rate)
    return found


def _triple(numbers: list[float]) -> Triple:
    first, second, third = numbers
    return first, second, third
