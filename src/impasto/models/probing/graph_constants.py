"""Constants: what a graph multiplies its picture by and adds to it, first and last: numbers that tell what it takes.

A mean of ImageNet that is taken away names the order of the channels, and its size the range.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from impasto.inference.graph import Array
from impasto.inference.ir.network import BGR_MEAN, Order

__all__ = ["GraphConstants", "read_graph_constants"]

_PASSED = ("Transpose", "Convert", "Pad", "Reshape", "Squeeze", "Unsqueeze", "Clamp", "Slice", "StridedSlice")
_STEPS = 24


@dataclass(frozen=True, slots=True)
class GraphConstants:
    """What was told; None is nothing."""

    order: Order | None = None
    range: int | None = None


def read_graph_constants(model: Any) -> GraphConstants:
    """Of a graph, one of OpenVINO's, that takes one picture and gives one."""
    (parameter,), (result,) = model.get_parameters(), model.get_results()
    gain, offset = _first(parameter)
    order, range_ = None, None
    if np.abs(offset).max() > 0 and np.abs(gain).min() > 0:
        zero = -offset / gain  # what comes to nothing: the mean, as the picture has it
        order = _order(zero)
        range_ = _range(float(zero.mean()))
    elif not np.allclose(gain, 1):
        range_ = {True: 255, False: None}[bool(np.allclose(gain, 1 / 255, rtol=0.02))]
        if np.allclose(gain, 255, rtol=0.02):
            range_ = 1
    return GraphConstants(order or _order(_last(result)), range_)


def _first(parameter: Any) -> tuple[Array, Array]:
    gain, offset = np.ones(1), np.zeros(1)
    at = parameter.output(0)
    for _ in range(_STEPS):
        targets = list(at.get_target_inputs())
        if len(targets) != 1:
            targets = [target for target in targets if target.get_node().get_type_name() != "ShapeOf"]
        if len(targets) != 1:
            break
        node = targets[0].get_node()
        step = _step(node, at)
        if step is None:
            break
        gain, offset = gain * step[0], offset * step[0] + step[1]
        at = node.output(0)
    return gain, offset


def _last(result: Any) -> Array:
    """What is added at the end."""
    gain, offset = np.ones(1), np.zeros(1)
    at = result.input_value(0)
    for _ in range(_STEPS):
        node = at.get_node()
        inputs = [value for value in node.input_values() if _constant(value) is None]
        step = _step(node, inputs[0]) if len(inputs) == 1 else None
        if step is None:
            break
        gain, offset = gain * step[0], offset + gain * step[1]
        at = inputs[0]
    return offset


def _step(node: Any, taken: Any) -> tuple[Array, Array] | None:
    """What a node multiplies by and adds; None where it does something else."""
    kind = node.get_type_name()
    if kind in _PASSED:
        return np.ones(1), np.zeros(1)
    if kind not in ("Add", "Subtract", "Multiply", "Divide"):
        return None
    values = [value for value in node.input_values() if value != taken]
    number = _constant(values[0]) if len(values) == 1 else None
    if number is None or number.size not in (1, 3) or not np.isfinite(number).all():
        return None
    number = number.astype(np.float64).ravel()
    first = node.input_value(0) == taken
    if kind == "Add":
        return np.ones(1), number
    if kind == "Subtract":
        return (np.ones(1), -number) if first else (-np.ones(1), number)
    if kind == "Multiply":
        return number, np.zeros(1)
    return (1 / number, np.zeros(1)) if first and (number != 0).all() else None


def _constant(value: Any) -> Array | None:
    node = value.get_node()
    for _ in range(4):
        if node.get_type_name() == "Constant":
            return np.asarray(node.get_data())
        if node.get_type_name() not in ("Convert", "Reshape", "Unsqueeze") or not node.get_input_size():
            return None
        node = node.input_value(0).get_node()
    return None


def _order(mean: Array) -> Order | None:
    if mean.size != 3 or mean.sum() <= 0:
        return None
    shares, known = mean / mean.sum(), np.array(BGR_MEAN) / sum(BGR_MEAN)
    if np.abs(shares - known).max() < 0.01:
        return "BGR"
    return "RGB" if np.abs(shares - known[::-1]).max() < 0.01 else None


def _range(mean: float) -> int | None:
    if 80 <= mean <= 150:
        return 255
    return 1 if 0.3 <= mean <= 0.6 else None
