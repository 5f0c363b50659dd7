"""Compose: a network as an OpenVINO graph, with its preprocessing and postprocessing inside."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from impasto.inference.ir import layers as kinds
from impasto.inference.ir.layers import Convolution, Layer, Pad, TransposedConvolution, Upsample
from impasto.inference.ir.network import Network, Preprocessing, Triple

if TYPE_CHECKING:
    import openvino as ov

__all__ = ["compose", "merge_upsampling", "postprocess", "preprocess"]

_FEW = 4
"""Channels that a processor spends as much on as on 16."""
_PAD_MODES = {"reflect": "reflect", "zero": "constant", "edge": "edge"}


def compose(network: Network, name: str = "network") -> ov.Model:
    """A graph that takes ``content`` and gives ``pastiche``, both (N, 3, H, W) RGB in 0..1 as float32.

    Height and width are free; where they are multiples of ``network.multiple`` and at least ``network.smallest``, the
    pastiche is as large as the content. It is not clipped. Every normalisation that looks at the whole picture is
    one MVN operation.
    """
    from impasto.inference.openvino import op, ov

    content = op.parameter([-1, 3, -1, -1], np.float32, name="content")
    content.output(0).set_names({"content"})
    x: Any = preprocess(content, network.preprocessing)
    squared = set(_squared(network))
    for layer in merge_upsampling(network.layers):
        x = _in_squares(layer, x) if layer in squared else _BUILDERS[type(layer)](layer, x)
    x = postprocess(x, network.preprocessing)
    if x is content:  # of layers that do nothing
        x = op.multiply(x, np.float32(1))
    result = op.result(x, name="pastiche")
    result.input_value(0).set_names({"pastiche"})
    return ov.Model([result], [content], name)


def preprocess(x: Any, preprocessing: Preprocessing) -> Any:
    """Preprocessing: RGB in 0..1 to what the network takes."""
    gain = [preprocessing.range / number for number in preprocessing.deviation]
    offset = [-mean / number for mean, number in zip(preprocessing.mean, preprocessing.deviation, strict=True)]
    return _affine(_ordered(x, preprocessing), gain, offset)


def postprocess(x: Any, preprocessing: Preprocessing) -> Any:
    """Postprocessing: what the network gives to RGB in 0..1."""
    return _ordered(_affine(x, *preprocessing.output_transform), preprocessing)


def _ordered(x: Any, preprocessing: Preprocessing) -> Any:
    """RGB to the network's order, and as well the other way."""
    from impasto.inference.openvino import op

    if preprocessing.order == "RGB":
        return x
    return op.gather(x, np.array([2, 1, 0], np.int64), np.array(1, np.int64))


def _affine(x: Any, scale: kinds.Array | Triple | list[float], shift: kinds.Array | Triple | list[float]) -> Any:
    """Each channel times a number plus another; what would change nothing is left out."""
    from impasto.inference.openvino import op

    factors, terms = (np.asarray(numbers, np.float32).reshape(1, -1, 1, 1) for numbers in (scale, shift))
    if (factors != 1).any():
        x = op.multiply(x, factors)
    return op.add(x, terms) if terms.any() else x


def _squared(network: Network) -> Iterator[kinds.Convolution]:
    """Convolutions to few channels, at the picture's own scale, whose pastiche has an even number of rows and columns
    whatever the picture's size."""
    sides, rate = [network.smallest, network.smallest], Fraction(1)
    for layer in network.layers:
        sides = [layer.extent(side, axis) for axis, side in enumerate(sides)]
        rate *= layer.rate
        if not isinstance(layer, kinds.Convolution) or layer.stride > 1 or layer.weight.shape[0] > _FEW:
            continue
        if network.multiple % 2 == 0 and rate == 1 and not any(side % 2 for side in sides):
            yield layer


def _in_squares(layer: kinds.Convolution, x: Any) -> Any:
    """The same numbers, four places at a time: of the 16 channels that processors work on at once, 3 leave 13 idle."""
    from impasto.inference.openvino import op

    outputs, inputs, height, width = layer.weight.shape
    squares = np.zeros((outputs, 2, 2, inputs, height + 1, width + 1), np.float32)
    for down in range(2):
        for right in range(2):
            squares[:, down, right, :, down : down + height, right : right + width] = layer.weight
    pads = [layer.padding] * 2
    x = op.convolution(x, squares.reshape(-1, *squares.shape[3:]), [2, 2], pads, pads, [1, 1])
    return op.depth_to_space(_affine(x, np.ones(1, np.float32), layer.bias.repeat(4)), "depth_first", 2)


def _apply(layers: tuple[Layer, ...], x: Any) -> Any:
    for layer in merge_upsampling(layers):
        x = _BUILDERS[type(layer)](layer, x)
    return x


def _pad(layer: kinds.Pad, x: Any) -> Any:
    from impasto.inference.openvino import op

    top, bottom, left, right = layer.sides
    added = [max(0, side) for side in layer.sides]
    if any(added):
        begin, end = (np.array([0, 0, added[at], added[at + 2]], np.int64) for at in range(2))
        x = op.pad(x, begin, end, _PAD_MODES[layer.mode])
    return _crop(x, max(0, -top), max(0, -bottom), max(0, -left), max(0, -right))


def _crop(x: Any, top: int, bottom: int, left: int, right: int) -> Any:
    from impasto.inference.openvino import op

    if not (top or bottom or left or right):
        return x
    # What is cut off an end is counted from there; an end that stays is further than any picture goes.
    stop = np.array([-side if side else np.iinfo(np.int64).max for side in (bottom, right)], np.int64)
    return op.slice(x, np.array([top, left], np.int64), stop, np.array([1, 1], np.int64), np.array([2, 3], np.int64))


def _convolution(layer: kinds.Convolution, x: Any) -> Any:
    from impasto.inference.openvino import op

    strides, pads = [layer.stride] * 2, [layer.padding] * 2
    return _affine(op.convolution(x, layer.weight, strides, pads, pads, [1, 1]), np.ones(1, np.float32), layer.bias)


def _transposed(layer: kinds.TransposedConvolution, x: Any) -> Any:
    from impasto.inference.openvino import op

    strides, pads, added = [layer.stride] * 2, [layer.padding] * 2, [layer.output_padding] * 2
    x = op.convolution_backprop_data(x, layer.weight, strides, None, pads, pads, [1, 1], "explicit", added)
    return _affine(x, np.ones(1, np.float32), layer.bias)


def _instance_norm(layer: kinds.InstanceNorm, x: Any) -> Any:
    from impasto.inference.openvino import op

    return _affine(op.mvn(x, np.array([2, 3]), True, layer.epsilon, "INSIDE_SQRT"), layer.scale, layer.shift)


def _upsample(layer: kinds.Upsample, x: Any) -> Any:
    from impasto.inference.openvino import op

    factors = np.array([layer.factor, layer.factor], np.float32)
    return op.interpolate(x, factors, "nearest", "scales", axes=np.array([2, 3]),
                          coordinate_transformation_mode="asymmetric", nearest_mode="floor")  # fmt: skip


def _residual(layer: kinds.Residual, x: Any) -> Any:
    from impasto.inference.openvino import op

    return op.add(_apply(layer.body, x), _crop(x, *[layer.crop] * 4))


def _relu(layer: kinds.Relu, x: Any) -> Any:  # noqa: ARG001
    from impasto.inference.openvino import op

    return op.relu(x)


def _tanh(layer: kinds.Tanh, x: Any) -> Any:  # noqa: ARG001
    from impasto.inference.openvino import op

    return op.tanh(x)


def _scale(layer: kinds.Scale, x: Any) -> Any:
    from impasto.inference.openvino import op

    return op.multiply(x, np.float32(layer.factor))


_BUILDERS: dict[type[Layer], Callable[[Any, Any], Any]] = {
    kinds.Affine: lambda layer, x: _affine(x, layer.scale, layer.shift),
    kinds.Convolution: _convolution,
    kinds.InstanceNorm: _instance_norm,
    kinds.Pad: _pad,
    kinds.Relu: _relu,
    kinds.Residual: _residual,
    kinds.Scale: _scale,
    kinds.Tanh: _tanh,
    kinds.TransposedConvolution: _transposed,
    kinds.Upsample: _upsample,
}


_BORDER = (1, 1, 1, 1)
_TAPS = np.array([[0, 0, 1], [0, 1, 1], [1, 1, 0], [1, 0, 0]], np.float32)
"""Which of three taps on doubled pixels fall on the pixel that each of four taps of the transposed kernel is of."""


def merge_upsampling(layers: tuple[Layer, ...]) -> Iterator[Layer]:
    """The same layers, where doubling, a border of one pixel and a 3x3 convolution have become one step."""
    at = 0
    while at < len(layers):
        found = _one_step(layers[at : at + 3])
        if found is None:
            yield layers[at]
            at += 1
        else:
            taken, step = found
            yield from step
            at += taken


def _one_step(layers: tuple[Layer, ...]) -> tuple[int, tuple[Layer, ...]] | None:
    """How many layers are taken, and what stands for them."""
    if not layers or not isinstance(layers[0], Upsample) or layers[0].factor != 2:
        return None
    match layers[1:]:
        case (Pad(sides=sides) as pad, Convolution(padding=0) as convolution) if sides == _BORDER:
            # What a doubled picture reflects, without its outermost row, is that row's twin.
            taken, is_zero = 3, pad.mode == "zero"
        case (Convolution(padding=1) as convolution, *_):
            taken, is_zero = 2, True
        case _:
            return None
    if convolution.stride != 1 or convolution.weight.shape[2:] != (3, 3):
        return None
    weight = np.einsum("ka,lb,oiab->iokl", _TAPS, _TAPS, convolution.weight)
    if is_zero:
        return taken, (TransposedConvolution(weight, convolution.bias, 2, 1),)
    return taken, (Pad("edge", _BORDER), TransposedConvolution(weight, convolution.bias, 2, 3))
