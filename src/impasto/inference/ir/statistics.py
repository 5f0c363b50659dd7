"""Statistics: what a graph measures of a whole picture, taken out of it to be given back to every tile.

Instance normalisation (Ulyanov et al. 2016) is the one thing in a style network that looks at all of a picture.
Whatever its exporter made of it, it comes down to means over height and width: measured once and given to every tile,
the tiles are the picture's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import openvino as ov

__all__ = ["accept_statistics", "measure_statistics"]


def measure_statistics(model: ov.Model) -> int:
    """Change ``model`` so that it gives its statistics as further results; how many there are, for each mean one.

    A batch is measured as samples of one picture.
    """
    from impasto.inference.openvino import op

    means = _means(model)
    for mean in means:
        axes = mean.input(1).get_source_output().get_node().get_data()
        every = sorted({0, *(int(axis) % 4 for axis in np.ravel(axes))})
        mean.input(1).replace_source_output(op.constant(np.array(every, np.int64)).output(0))
    model.validate_nodes_and_infer_types()
    model.add_outputs([mean.output(0) for mean in means])
    return len(means)


def accept_statistics(model: ov.Model) -> ov.Model:
    """The same graph with its statistics as further inputs, in the order of :func:`measure_statistics`."""
    from impasto.inference.openvino import op, ov

    given = []
    for mean in _means(model):
        parameter = op.parameter(mean.output(0).get_partial_shape(), np.float32)
        mean.output(0).replace(parameter.output(0))
        given.append(parameter)
    return ov.Model(model.get_results(), [*model.get_parameters(), *given], model.friendly_name)


def _means(model: ov.Model) -> list[Any]:
    """Every mean over the height and width of four dimensions, in order; normalisations are taken apart for that."""
    _fold_axes(model)
    for node in model.get_ordered_ops():
        if node.get_type_name() == "MVN" and _is_spatial(node):
            _take_apart(node)
    model.validate_nodes_and_infer_types()
    return [node for node in model.get_ordered_ops() if node.get_type_name() == "ReduceMean" and _is_spatial(node)]


def _fold_axes(model: ov.Model) -> None:
    """Axes that a graph computes of how many dimensions there are, as the numbers that they come to."""
    from impasto.inference.openvino import op, passes

    unsettled = [node for node in _over_axes(model) if node.input_value(1).get_node().get_type_name() != "Constant"]
    if not unsettled:
        return
    # Only there, for folded weights would no longer be int8.
    folded, manager = model.clone(), passes.Manager()
    manager.register_pass(passes.ConstantFolding())
    manager.run_passes(folded)
    known = {node.get_friendly_name(): node.input_value(1).get_node() for node in _over_axes(folded)}
    for node in unsettled:
        axes = known.get(node.get_friendly_name())
        if axes is not None and axes.get_type_name() == "Constant":
            node.input(1).replace_source_output(op.constant(axes.get_data()).output(0))


def _over_axes(model: ov.Model) -> list[Any]:
    return [node for node in model.get_ordered_ops() if node.get_type_name() in ("MVN", "ReduceMean")]


def _is_spatial(node: Any) -> bool:
    axes = node.input_value(1).get_node()
    if node.input_value(0).get_partial_shape().rank.get_length() != 4 or axes.get_type_name() != "Constant":
        return False
    # Some measure all pictures of a batch as one.
    return {int(axis) % 4 for axis in np.ravel(axes.get_data())} - {0} in ({2, 3}, {1, 2})


def _take_apart(node: Any) -> None:
    from impasto.inference.openvino import op

    facts, x = node.get_attributes(), node.input_value(0)
    axes = node.input_value(1).get_node().get_data().astype(np.int64) % 4
    epsilon = np.float32(facts["eps"])
    mean = op.reduce_mean(x, axes, keep_dims=True)
    result = op.subtract(x, mean)
    if facts["normalize_variance"]:
        variance = op.reduce_mean(op.squared_difference(x, mean), axes, keep_dims=True)
        inside = facts["eps_mode"].upper() == "INSIDE_SQRT"
        deviation = op.sqrt(op.add(variance, epsilon)) if inside else op.add(op.sqrt(variance), epsilon)
        result = op.divide(result, deviation)
    node.output(0).replace(result.output(0))
