"""Networks of one style as ONNX files, as others might export them: what ``instant`` does in one style of the gallery,
with any habit of taking and giving pictures."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from impasto.inference.ir.network import BGR_MEAN
from impasto.models import find
from impasto.styles.gallery import Gallery

__all__ = ["one_style"]

_GAIN = {"1": 1.0, "255": 255.0, "-1": 2.0, "caffe": 255.0}


def one_style(style: str, *, order: str = "RGB", taken: str = "1", given: str = "1", plain: bool = False) -> bytes:
    """The file. ``taken`` is ``1``, ``255``, or ``mean``, which is 255 with ImageNet's mean taken off within;
    ``given`` is ``1``, ``255``, ``-1``, or ``caffe``, whose mean is left to add. With ``plain`` the input is not
    brought to 0..1 first, which a network that normalises does not need."""
    found = find("instant")
    model = onnx.load(found.file("transfer"))
    code = Gallery().get(style).code(found.identity)[None].astype(np.float32)
    fixed: dict[str, Any] = {
        "code": code,
        "given": np.array([[False]]),
        "statistics": np.ones((1, found.rules["statistics"]), np.float32),
    }
    graph = model.graph
    for name, value in fixed.items():
        graph.initializer.append(numpy_helper.from_array(value, name))
    before: list[onnx.NodeProto] = []
    after: list[onnx.NodeProto] = []

    def step(nodes: list[onnx.NodeProto], kind: str, taken_from: str, value: Any = None) -> str:
        made = f"{kind.lower()}{len(before)}x{len(after)}"
        inputs = [taken_from]
        if value is not None:
            graph.initializer.append(numpy_helper.from_array(np.asarray(value), f"{made}-number"))
            inputs.append(f"{made}-number")
        nodes.append(helper.make_node(kind, inputs, [made], **({"axis": 1} if kind == "Gather" else {})))
        return made

    at = "image"
    column = np.array(BGR_MEAN if order == "BGR" else BGR_MEAN[::-1], np.float32).reshape(1, 3, 1, 1)
    if taken == "mean":
        at = step(before, "Sub", at, column)
    elif taken == "255" and not plain:
        at = step(before, "Mul", at, np.float32(1 / 255))
    if order == "BGR":
        at = step(before, "Gather", at, np.array([2, 1, 0]))
    before.append(helper.make_node("Identity", [at], ["content"]))
    at = "pastiche"
    if order == "BGR":
        at = step(after, "Gather", at, np.array([2, 1, 0]))
    at = step(after, "Mul", at, np.float32(_GAIN[given]))
    if given == "-1":
        at = step(after, "Sub", at, np.float32(1))
    elif given == "caffe":
        at = step(after, "Sub", at, column)
    after.append(helper.make_node("Identity", [at], ["painted"]))
    nodes = [*before, *graph.node, *after]
    del graph.node[:], graph.input[:], graph.output[:]
    graph.node.extend(nodes)
    shape = [1, 3, "height", "width"]
    graph.input.append(helper.make_tensor_value_info("image", TensorProto.FLOAT, shape))
    graph.output.append(helper.make_tensor_value_info("painted", TensorProto.FLOAT, shape))
    del graph.value_info[:]
    return bytes(model.SerializeToString())
