"""Sizes: a graph that was saved for pictures of one size, made to take any."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from impasto.errors import ModelError
from impasto.inference.ir.baked_sizes import free_sizes

if TYPE_CHECKING:
    import openvino as ov

__all__ = ["fixed_size", "lengths", "spatial", "take_any_size"]


def take_any_size(model: ov.Model, picture: str) -> None:
    """Change ``model`` so that its input ``picture``, four-dimensional, takes any height and width, and any number of
    pictures where the graph allows that.

    Exporters write the size that they saw into upsampling, transposed convolutions and reshaping; what they meant is a
    factor, which is what those have from here on. Which two of the four dimensions are height and width is told by
    the channels, 3, first or last. Raises :class:`ModelError` where the result still has the size of old.
    """
    (parameter,) = (p for p in model.get_parameters() if p.get_friendly_name() == picture)
    shape = lengths(parameter.get_partial_shape())
    axes = spatial(shape)
    one_by_one = min(shape) > 0 and free_sizes(model, parameter, axes)
    for node in model.get_ordered_ops():
        match node.get_type_name():
            case "Interpolate":
                _by_factor(node)
            case "ConvolutionBackpropData":
                _by_stride(node)
    free = [-1 if at in axes else length for at, length in enumerate(shape)]
    shapes = {p.output(0): p.get_partial_shape() for p in model.get_parameters()}
    try:
        try:
            model.reshape({**shapes, parameter.output(0): free if one_by_one else [-1, *free[1:]]})
        except RuntimeError:
            model.reshape({**shapes, parameter.output(0): free})
    except RuntimeError as error:
        raise ModelError(
            f"{model.friendly_name} takes pictures of {_size(shape)} only: {_first_line(error)}"
        ) from error
    for result in model.get_results():
        found = lengths(result.get_output_partial_shape(0))
        if len(found) == 4 and any(found[at] > 0 for at in spatial(found)):
            raise ModelError(f"{model.friendly_name} takes pictures of {_size(shape)} only; export it for any size")


def fixed_size(picture: Any) -> tuple[int, int] | None:
    """The height and width that a graph was saved for, of its parameter ``picture``; None where it takes others."""
    shape = lengths(picture.get_partial_shape())
    rows, columns = spatial(shape)
    return (shape[rows], shape[columns]) if min(shape[rows], shape[columns]) > 0 else None


def spatial(shape: list[int]) -> tuple[int, int]:
    """Which of four dimensions are height and width: -1 is an unknown length."""
    if len(shape) == 4 and 3 in (shape[1], shape[3]):
        return (2, 3) if shape[1] == 3 else (1, 2)
    raise ModelError(f"a picture of shape {shape} has no 3 channels, first or last; give a network of colour pictures")


def _by_factor(node: Any) -> None:
    """An interpolation to a size, as one by the factor that this is."""
    from impasto.inference.openvino import op

    facts = node.get_attributes()
    if facts["shape_calculation_mode"] != "sizes":
        return
    before, after = _shapes(node)
    # Version 4 has the factors as well; without axes it is all of them.
    place = 3 if node.get_type_info().version_id == "opset4" else 2
    named = node.get_input_size() > place
    axes = [int(axis) for axis in node.input_value(place).get_node().get_data()] if named else range(len(before))
    if any(before[axis] < 1 or after[axis] < 1 for axis in axes):
        return
    axes = [axis for axis in axes if before[axis] != after[axis]] or [*axes][-2:]
    factors = np.array([after[axis] / before[axis] for axis in axes], np.float32)
    scaled = op.interpolate(
        node.input_value(0),
        factors,
        facts["mode"],
        "scales",
        facts["pads_begin"],
        facts["pads_end"],
        facts["coordinate_transformation_mode"],
        facts["nearest_mode"],
        facts["antialias"],
        facts["cube_coeff"],
        np.array(axes),
    )
    _replace(node, scaled)


def _by_stride(node: Any) -> None:
    """A transposed convolution to a size, as one by its stride that adds what that leaves out."""
    from impasto.inference.openvino import op

    before, after = _shapes(node)
    if node.get_input_size() < 3 or len(before) != 4 or min(*before[2:], *after[2:]) < 1:
        return
    facts = node.get_attributes()
    kernel = lengths(node.input_value(1).get_partial_shape())
    begin, end = list(facts["pads_begin"]), list(facts["pads_end"])
    added = []
    for at in range(2):
        reach = facts["dilations"][at] * (kernel[2 + at] - 1) + 1
        grown = (before[2 + at] - 1) * facts["strides"][at] + reach
        if facts["auto_pad"] in ("same_upper", "same_lower"):
            spare = max(0, grown - after[2 + at])
            # The other way round than convolutions do.
            begin[at] = -(-spare // 2) if facts["auto_pad"] == "same_upper" else spare // 2
            end[at] = spare - begin[at]
        added.append(after[2 + at] - (grown - begin[at] - end[at]))
    if any(not 0 <= rest < stride for rest, stride in zip(added, facts["strides"], strict=True)):
        return
    scaled = op.convolution_backprop_data(
        node.input_value(0),
        node.input_value(1),
        list(facts["strides"]),
        None,
        begin,
        end,
        list(facts["dilations"]),
        "explicit",
        added,
    )
    _replace(node, scaled)


def _replace(node: Any, other: Any) -> None:
    other.set_friendly_name(node.get_friendly_name())
    other.output(0).set_names(node.output(0).get_names())
    node.output(0).replace(other.output(0))


def _shapes(node: Any) -> tuple[list[int], list[int]]:
    return lengths(node.input_value(0).get_partial_shape()), lengths(node.output(0).get_partial_shape())


def lengths(shape: Any) -> list[int]:
    """Dimensions; an unknown one is -1."""
    return [int(dimension.get_length()) if dimension.is_static else -1 for dimension in shape]


def _size(shape: list[int]) -> str:
    return "x".join(str(shape[at]) for at in spatial(shape))


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:200]
