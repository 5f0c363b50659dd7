"""A graph of one style, made of a graph that takes the number of a style beside the picture."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from impasto.errors import ModelError
from impasto.inference.ir.sizes import lengths

if TYPE_CHECKING:
    import openvino as ov

__all__ = ["choose_style", "style_count", "takes_number"]

_BETWEEN = ("Convert", "Reshape", "Squeeze", "Unsqueeze", "Broadcast")


def takes_number(model: ov.Model) -> bool:
    """Whether the graph takes a picture and a whole number."""
    found = _inputs(model)
    return found is not None and found[1].get_element_type().is_integral_number()


def style_count(model: ov.Model) -> int | None:
    """How many styles there are, where the graph tells: as many as there are rows to choose among, or shares."""
    found = _inputs(model)
    if found is None:
        return None
    _, number = found
    shares = prod(max(length, 1) for length in lengths(number.get_partial_shape()))
    if shares > 1:
        return int(shares)
    waiting, counts = [number.output(0)], set()
    while waiting:
        for target in waiting.pop().get_target_inputs():
            node = target.get_node()
            if node.get_type_name() in ("Gather", "GatherND") and target.get_index() == 1:
                counts.add(lengths(node.get_input_partial_shape(0))[0])
            elif node.get_type_name() in _BETWEEN and target.get_index() == 0:
                waiting.append(node.output(0))
    return int(counts.pop()) if len(counts) == 1 and min(counts) > 0 else None


def choose_style(model: ov.Model, index: int) -> ov.Model:
    """The graph with the style of that number, from 0, and the picture as its one input.

    Raises :class:`ModelError` where it takes no number beside a picture, and where it has not so many styles.
    """
    from impasto.inference.openvino import op, ov

    found = _inputs(model)
    if found is None:
        raise ModelError(f"{model.friendly_name} takes no style's number beside a picture; leave out the index")
    picture, number = found
    count = style_count(model)
    if index < 0 or (count is not None and index >= count):
        most = f" to {count - 1}" if count is not None else " and more"
        raise ModelError(f"{model.friendly_name} has no style {index}; it has the styles 0{most}")
    value = np.zeros([max(length, 1) for length in lengths(number.get_partial_shape())])
    if value.size > 1:
        value.flat[index] = 1
    else:
        value[...] = index
    kind = number.get_element_type().to_dtype()
    number.output(0).replace(op.constant(value.astype(kind)).output(0))
    return ov.Model(model.get_results(), [picture], model.friendly_name)


def _inputs(model: ov.Model) -> tuple[Any, Any] | None:
    """The picture and what chooses, of a graph that takes those two and gives one thing."""
    parameters = model.get_parameters()
    if len(parameters) != 2 or len(model.get_results()) != 1:
        return None
    pictures = [p for p in parameters if _is_picture(p)]
    if len(pictures) != 1:
        return None
    (number,) = (p for p in parameters if p != pictures[0])
    return (pictures[0], number) if number.get_partial_shape().rank.is_static else None


def _is_picture(parameter: Any) -> bool:
    shape = parameter.get_partial_shape()
    if not shape.rank.is_static or shape.rank.get_length() != 4:
        return False
    _, *rest = lengths(shape)
    return 3 in (rest[0], rest[2]) and parameter.get_element_type().is_real()
