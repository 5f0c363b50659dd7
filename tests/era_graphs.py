"""Networks of one style as ONNX files of one size, as PyTorch 0.4 to 1.x wrote them: with what they saw as numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

__all__ = ["DOUBLINGS", "era_network"]

Array = np.ndarray[Any, np.dtype[Any]]


class _Graph:
    """Nodes with the shapes of what they give."""

    def __init__(self, height: int, width: int, opset: int) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []
        self.opset = opset
        self.shapes: dict[str, tuple[int, ...]] = {"0": (1, 3, height, width)}
        self.random = np.random.default_rng(3)

    def add(self, kind: str, inputs: Sequence[str], shape: Sequence[int], **facts: Any) -> str:
        name = str(len(self.nodes) + 1)
        self.nodes.append(helper.make_node(kind, list(inputs), [name], **facts))
        self.shapes[name] = tuple(shape)
        return name

    def constant(self, value: Any, kind: type = np.int64) -> str:
        """As exporters of the time wrote them: a node."""
        array: Array = np.asarray(value, kind)
        return self.add("Constant", [], array.shape, value=numpy_helper.from_array(array))

    def weight(self, *shape: int) -> str:
        name = f"w{len(self.weights)}"
        fan = float(np.prod(shape[1:])) or 1.0
        values = self.random.normal(0, (2 / fan) ** 0.5, shape) if len(shape) > 1 else self.random.normal(1, 0.1, shape)
        self.weights.append(numpy_helper.from_array(values.astype(np.float32), name))
        return name

    def reshape(self, x: str, *shape: int, meant: Sequence[int] | None = None) -> str:
        return self.add("Reshape", [x, self.constant(meant or shape)], shape)

    def shaved(self, x: str) -> str:
        """A border is put around, the middle convolved without one, and the rest added to it, up to a place."""
        _, channels, height, width = shape = self.shapes[x]
        wide: tuple[int, ...] = (1, channels, height + 2, width + 2)
        padded = self.add("Pad", [x], wide, mode="reflect", pads=[0, 0, 1, 1] * 2)
        weight, bias = self.weight(channels, channels, 3, 3), self.weight(channels)
        y = self.add("Conv", [padded, weight, bias], shape, kernel_shape=[3, 3])
        for axis in (2, 3):
            wide = tuple(length - 2 * (at == axis) for at, length in enumerate(wide))
            padded = self.add("Slice", [padded], wide, axes=[axis], starts=[1], ends=[1 + wide[axis]])
        return self.add("Add", [y, padded], shape)

    # Layers

    def convolved(self, x: str, outputs: int, kernel: int, stride: int = 1) -> str:
        _, inputs, height, width = self.shapes[x]
        edge = kernel // 2
        padded = (1, inputs, height + 2 * edge, width + 2 * edge)
        pads = [0, 0, edge, edge] * 2
        if self.opset < 11:
            x = self.add("Pad", [x], padded, mode="reflect", pads=pads)
        else:
            x = self.add("Pad", [x, self.constant(pads)], padded, mode="reflect")
        given = (1, outputs, (padded[2] - kernel) // stride + 1, (padded[3] - kernel) // stride + 1)
        weight, bias = self.weight(outputs, inputs, kernel, kernel), self.weight(outputs)
        return self.add("Conv", [x, weight, bias], given, kernel_shape=[kernel] * 2, strides=[stride] * 2)

    def normalised(self, x: str, kind: str) -> str:
        shape = self.shapes[x]
        channels = shape[1]
        scale, shift = self.weight(channels), self.weight(channels)
        if kind == "instance":
            return self.add("InstanceNormalization", [x, scale, shift], shape, epsilon=1e-5)
        if kind == "viewed":  # what some wrote before there was a layer: all pictures' channels side by side
            x = self.reshape(x, 1, channels, *shape[2:])
            x = self.add("InstanceNormalization", [x, scale, shift], shape, epsilon=1e-5)
            return self.reshape(x, *shape)
        mean = self._mean(x, kind)
        less = self.add("Sub", [x, mean], shape)
        variance = self._mean(self.add("Mul", [less, less], shape), kind)
        variance = self.add("Add", [variance, self.constant(1e-5, np.float32)], self.shapes[variance])
        x = self.add("Div", [less, self.add("Sqrt", [variance], self.shapes[variance])], shape)
        scale, shift = (self.reshape(number, 1, channels, 1, 1) for number in (scale, shift))
        return self.add("Add", [self.add("Mul", [x, scale], shape), shift], shape)

    def _mean(self, x: str, kind: str) -> str:
        _, channels, height, width = shape = self.shapes[x]
        if kind == "flattened":
            flat = self.reshape(x, 1, channels, 1, height * width, meant=(1, channels, 1, -1))
            return self.add("ReduceMean", [flat], (1, channels, 1, 1), axes=[3], keepdims=1)
        if kind == "pooled":
            return self.add("AveragePool", [x], (1, channels, 1, 1), kernel_shape=[height, width])
        assert kind == "expanded"
        flat = self.reshape(x, 1, channels, height * width)
        mean = self.add("ReduceMean", [flat], (1, channels), axes=[2], keepdims=0)
        mean = self.reshape(mean, 1, channels, 1, 1)
        return self.add("Expand", [mean, self.constant(shape)], shape)

    def doubled(self, x: str, kind: str) -> str:
        _, channels, height, width = self.shapes[x]
        given = (1, channels, 2 * height, 2 * width)
        if kind in ("concatenated", "concatenated-apart"):
            rows = self.reshape(x, channels * height * width, 1, meant=(-1, 1))
            rows = self.add("Concat", [rows, self._other(rows, kind)], (channels * height * width, 2), axis=1)
            rows = self.reshape(rows, channels * height, 2 * width, meant=(-1, 2 * width))
            rows = self.add("Concat", [rows, self._other(rows, kind)], (channels * height, 4 * width), axis=1)
            return self.reshape(rows, *given, meant=(-1, *given[1:]))
        if kind == "stacked":
            x = self.reshape(x, 1, channels, height, width, 1)
            x = self.add("Concat", [x, x], (1, channels, height, width, 2), axis=4)
            x = self.reshape(x, 1, channels, height, 1, 2 * width)
            x = self.add("Concat", [x, x], (1, channels, height, 2, 2 * width), axis=3)
            return self.reshape(x, *given)
        if kind == "expanded":
            x = self.reshape(x, 1, channels, height, 1, width, 1)
            apart = (1, channels, height, 2, width, 2)
            return self.reshape(self.add("Expand", [x, self.constant(apart)], apart), *given)
        if kind == "tiled":
            x = self.reshape(x, 1, channels, height, 1, width, 1)
            x = self.add("Tile", [x, self.constant([1, 1, 1, 2, 1, 2])], (1, channels, height, 2, width, 2))
            return self.reshape(x, *given)
        if kind == "scales":
            scales = [1.0, 1.0, 2.0, 2.0]
            if self.opset < 9:
                return self.add("Upsample", [x], given, mode="nearest", scales=scales)
            return self.add("Upsample", [x, self.constant(scales, np.float32)], given, mode="nearest")
        if kind == "computed":
            return self.add("Upsample", [x, self._scales(x)], given, mode="nearest")
        assert kind == "sizes"
        none = self.constant(np.zeros(0), np.float32)
        facts = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor", "mode": "nearest"}
        return self.add("Resize", [x, none, none, self.constant(given)], given, **facts)

    def _other(self, x: str, kind: str) -> str:
        """A runtime of the time could not concatenate an array with itself."""
        if kind == "concatenated":
            return x
        return self.add("Add", [x, self.constant(1e-9, np.float32)], self.shapes[x])

    def _scales(self, x: str) -> str:
        """As 1.x traced ``interpolate``: the size twice over the size."""
        parts = [self.constant([1.0, 1.0], np.float32)]
        for axis in (2, 3):
            shape = self.add("Shape", [x], (4,))
            side = self.add("Gather", [shape, self.constant(axis)], (), axis=0)
            side = self.add("Cast", [side], (), to=TensorProto.FLOAT)
            twice = self.add("Floor", [self.add("Mul", [side, self.constant(2.0, np.float32)], ())], ())
            parts.append(self.add("Unsqueeze", [self.add("Div", [twice, side], ())], (1,), axes=[0]))
        return self.add("Concat", parts, (4,), axis=0)


DOUBLINGS = ("concatenated", "concatenated-apart", "stacked", "expanded", "tiled", "scales", "computed", "sizes")
_OPSETS = {"computed": 9, "sizes": 11, "scales": 9, "expanded": 8}


def era_network(
    height: int,
    width: int,
    *,
    doubling: str = "concatenated",
    norm: str = "instance",
    opset: int | None = None,
    stubborn: bool = False,
    cropped: bool = False,
) -> bytes:
    """The file: PyTorch's example, narrow, of random weights, which takes 0..255.

    ``stubborn`` has a number for every pixel of its size, which no other size can have; ``cropped`` has a residual
    block without borders, as Johnson's networks have them.
    """
    made = _Graph(height, width, opset or _OPSETS.get(doubling, 7))
    x = "0"
    for outputs, kernel, stride in ((6, 9, 1), (8, 3, 2), (12, 3, 2)):
        x = made.normalised(made.convolved(x, outputs, kernel, stride), norm)
        x = made.add("Relu", [x], made.shapes[x])
    y = made.normalised(made.convolved(x, 12, 3), norm)
    x = made.add("Add", [x, y], made.shapes[x])
    x = made.shaved(x) if cropped else x
    for fewer in (8, 6):
        x = made.normalised(made.convolved(made.doubled(x, doubling), fewer, 3), norm)
        x = made.add("Relu", [x], made.shapes[x])
    x = made.convolved(x, 3, 9)
    scale, shift = made.constant(40.0, np.float32), made.constant(100.0, np.float32)
    x = made.add("Add", [made.add("Mul", [x, scale], made.shapes[x]), shift], made.shapes[x])
    if stubborn:
        x = made.add("Add", [x, made.constant(np.zeros((1, 3, height, width)), np.float32)], made.shapes[x])
    assert made.shapes[x] == (1, 3, height, width), made.shapes[x]
    inputs = [helper.make_tensor_value_info("0", TensorProto.FLOAT, (1, 3, height, width))]
    # Before version 4 of the format, weights were inputs as well.
    inputs += [helper.make_tensor_value_info(w.name, TensorProto.FLOAT, w.dims) for w in made.weights]
    given = [helper.make_tensor_value_info(x, TensorProto.FLOAT, (1, 3, height, width))]
    graph = helper.make_graph(made.nodes, "torch-jit-export", inputs, given, made.weights)
    model = helper.make_model(graph, producer_name="pytorch", producer_version="0.4")
    del model.opset_import[:]
    model.opset_import.append(helper.make_opsetid("", made.opset))
    model.ir_version = 3
    return bytes(model.SerializeToString())
