"""Baked sizes: sizes that an exporter wrote into a graph as constants, replaced by the lengths that they stand for.

Exporters before there was an operation for it wrote doubling as concatenating an array with itself and reshaping it;
others as reshaping, expanding and reshaping; and a normalisation as means over the flattened picture. Each is known by
what becomes of the picture's height and width on the way.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from impasto.inference.ir.shape_factors import Dims, Factor, count_repeats, group_factors, new_dims, same_factors

if TYPE_CHECKING:
    import openvino as ov

__all__ = ["free_sizes"]

_MERGING = ("Add", "Subtract", "Multiply", "Divide", "Power", "Maximum", "Minimum", "SquaredDifference", "Mod")
_EACH = ("Abs", "Clamp", "Convert", "Exp", "Log", "Negative", "Relu", "Sigmoid", "Sqrt", "Tanh")
_REGROUPING = ("Reshape", "Squeeze", "Unsqueeze")
_NOTHING = 1e-6
"""What is added where the same array may not be concatenated with itself: a runtime of old could not."""
_END = int(np.iinfo(np.int64).max)


@dataclass(frozen=True, slots=True)
class _Trace:
    """An array as ``dims`` of factors, rearranged from ``root``, whose dimensions were ``natural``."""

    root: Any
    natural: Dims
    dims: Dims

    def is_same(self, other: _Trace) -> bool:
        return (
            self.root == other.root
            and len(self.dims) == len(other.dims)
            and all(map(same_factors, self.dims, other.dims))
        )


def free_sizes(model: ov.Model, picture: Any, free: tuple[int, int]) -> bool:
    """Rewrite what holds ``model`` to the size of ``picture``, a parameter, along its axes ``free``.

    Every shape is to be known. Returns whether it is left to pictures one by one.
    """
    walk = _Walk()
    for node in model.get_ordered_ops():
        if node == picture:
            walk.start(node.output(0), free)
        elif node.get_output_size() == 1 and node.output(0).get_partial_shape().is_static:
            walk.visit(node)
    model.validate_nodes_and_infer_types()
    return any(node.get_name() in walk.rewritten for node in model.get_ordered_ops())


class _Walk:
    """From the picture down, node by node."""

    def __init__(self) -> None:
        self.traces: dict[tuple[str, int], _Trace] = {}
        self.rewritten: set[str] = set()

    def start(self, output: Any, free: tuple[int, ...]) -> None:
        dims = new_dims(list(output.get_shape()), output, free)
        self._keep(output, _Trace(output, dims, dims))

    def trace_of(self, output: Any) -> _Trace | None:
        return self.traces.get(_key(output))

    def visit(self, node: Any) -> None:
        """Trace what a node makes, or what takes its place."""
        kind, inputs = node.get_type_name(), [self.trace_of(value) for value in node.input_values()]
        if kind == "Broadcast" and _is_merged(node, list(node.output(0).get_shape())):
            # Whatever takes it repeats it by itself.
            node.output(0).replace(node.input_value(0))
            return
        if kind in ("ShapeOf", "Result") or not any(inputs):
            return
        first = inputs[0]
        if first is None:
            self._made(node, kind)
        elif kind in _REGROUPING:
            self._regroup(node, first)
        elif kind == "Transpose" and (order := _numbers(node.input_value(1))) is not None:
            self._keep(node.output(0), _Trace(first.root, first.natural, tuple(first.dims[int(at)] for at in order)))
        elif kind == "Concat" and all(each and each.is_same(first) for each in inputs):
            axis = int(node.get_attributes()["axis"]) % len(first.dims)
            self._repeat(node, first, {axis: len(inputs)})
        elif kind == "Tile" and (counts := _numbers(node.input_value(1))) is not None:
            self._repeat(node, first, {at: int(count) for at, count in enumerate(counts)})
        elif kind == "Broadcast" and len(first.dims) == len(node.output(0).get_shape()):
            self._broadcast(node, first)
        elif not self._averaged(node, kind, first):
            self._made(self._slice(node, first) if kind == "Slice" else node, kind)

    def _averaged(self, node: Any, kind: str, before: _Trace) -> bool:
        """Whether it is an average over all of the picture, which is one over its height and width then."""
        return (kind == "ReduceMean" and self._mean(node, before)) or (kind == "AvgPool" and self._pooled(node, before))

    def _keep(self, output: Any, trace: _Trace) -> None:
        self.traces[_key(output)] = trace

    def _made(self, node: Any, kind: str) -> None:
        """Of an operation that makes new values: where it changes no length, the factors stay."""
        output = node.output(0)
        lengths = list(output.get_shape())
        given = [(self.trace_of(value), _shape(value), value) for value in node.input_values()]
        traced = [(trace, shape) for trace, shape, _ in given if trace is not None and len(shape) == len(lengths)]
        if kind == "Add" and len(traced) == 1 and any(_is_nothing(value) for _, _, value in given):
            self._keep(output, traced[0][0])
            return
        if kind in _MERGING or (traced and traced[0][1] == lengths):
            dims = tuple(_merge_dim(at, length, traced) for at, length in enumerate(lengths))
        else:
            moved = {at for trace, _ in traced for at, dim in enumerate(trace.dims) if _is_free(dim)}
            dims = new_dims(lengths, output, moved)
        self._keep(output, _Trace(output, dims, dims))

    def _regroup(self, node: Any, before: _Trace) -> None:
        lengths = list(node.output(0).get_shape())
        dims = group_factors(before.dims, lengths)
        if dims is None:
            return
        after = _Trace(before.root, before.natural, dims)
        counts = count_repeats(dims, before.natural)
        if counts is not None and prod(counts) > 1:
            node = self._doubled(node, before.root, counts)
            whole = new_dims(lengths, node.output(0), [at for at, dim in enumerate(dims) if _is_free(dim)])
            after = _Trace(node.output(0), whole, whole)
        elif node.get_type_name() == "Reshape" and _is_held(node, dims):
            node = self._replaced(node, _reshaped(node.input_value(0), dims))
            self.rewritten.add(node.get_name())
        self._keep(node.output(0), after)

    def _doubled(self, node: Any, root: Any, counts: list[int]) -> Any:
        from impasto.inference.openvino import op

        axes = [at for at, count in enumerate(counts) if count > 1]
        factors = np.array([counts[at] for at in axes], np.float32)
        larger = op.interpolate(root, factors, "nearest", "scales", axes=np.array(axes),
                                coordinate_transformation_mode="asymmetric", nearest_mode="floor")  # fmt: skip
        return self._replaced(node, larger)

    def _repeat(self, node: Any, before: _Trace, counts: dict[int, int]) -> None:
        """Copies after one another: the outermost factor."""
        dims = tuple(
            (Factor(count, copies=True), *dim) if (count := counts.get(at, 1)) > 1 else dim
            for at, dim in enumerate(before.dims)
        )
        self._keep(node.output(0), _Trace(before.root, before.natural, dims))

    def _broadcast(self, node: Any, before: _Trace) -> None:
        from impasto.inference.openvino import op

        lengths, given = list(node.output(0).get_shape()), list(node.input_value(0).get_shape())
        counts = {at: length for at, length in enumerate(lengths) if length != given[at]}
        if any(_is_free(dim) for dim in before.dims):
            target = np.array([counts.get(at, 1) for at in range(len(lengths))], np.int64)
            node = self._replaced(node, op.broadcast(node.input_value(0), target, None, "BIDIRECTIONAL"))
            self.rewritten.add(node.get_name())
        self._repeat(node, before, counts)

    def _mean(self, node: Any, before: _Trace) -> bool:
        """A mean over the flattened picture as one over its height and width, so that it is known as a statistic."""
        from impasto.inference.openvino import op

        axes = _numbers(node.input_value(1))
        lengths = list(node.output(0).get_shape())
        if axes is None or len(before.natural) != 4 or before.dims == before.natural:
            return False
        over = {int(axis) % len(before.dims) for axis in axes}
        gone = [factor for at in sorted(over) for factor in before.dims[at]]
        kept = [factor for at, dim in enumerate(before.dims) if at not in over for factor in dim]
        for first, second, others in ((2, 3, (0, 1)), (1, 2, (0, 3))):
            if same_factors(gone, [*before.natural[first], *before.natural[second]]) and same_factors(
                kept, [factor for at in others for factor in before.natural[at]]
            ):
                mean = op.reduce_mean(before.root, np.array([first, second]), keep_dims=True)
                if list(mean.output(0).get_shape()) != lengths:
                    mean = op.reshape(mean, np.array(lengths), special_zero=False)
                    self.rewritten.add(mean.get_name())
                node = self._replaced(node, mean)
                self._made(node, "ReduceMean")
                return True
        return False

    def _pooled(self, node: Any, before: _Trace) -> bool:
        """An average over a window as large as the picture is its mean."""
        from impasto.inference.openvino import op

        facts, axes = node.get_attributes(), list(range(2, len(before.dims)))
        window, lengths = list(facts["kernel"]), list(node.input_value(0).get_shape())[2:]
        if window != lengths or len(axes) != 2 or not all(_is_free(before.dims[at]) for at in axes):
            return False
        if any((*facts["pads_begin"], *facts["pads_end"])):
            return False
        mean = op.reduce_mean(node.input_value(0), np.array(axes), keep_dims=True)
        self._made(self._replaced(node, mean), "ReduceMean")
        return True

    def _slice(self, node: Any, before: _Trace) -> Any:
        """Where a border is cut off, its end is counted from the end."""
        from impasto.inference.openvino import op

        values = [_numbers(value) for value in node.input_values()[1:]]
        if len(values) != 4 or any(value is None for value in values):
            return node
        starts, stops, steps, axes = ([int(number) for number in np.ravel(value)] for value in values)  # type: ignore[arg-type]
        shape = list(node.input_value(0).get_shape())
        for place, axis in enumerate(axes):
            length = shape[axis]
            if not _is_free(before.dims[axis]) or steps[place] < 1:
                continue
            starts[place] -= length if starts[place] > length // 2 else 0
            if stops[place] > length // 2:
                stops[place] = _END if stops[place] >= length else stops[place] - length
        arrays = (np.array(numbers, np.int64) for numbers in (starts, stops, steps, axes))
        return self._replaced(node, op.slice(node.input_value(0), *arrays))

    def _replaced(self, node: Any, other: Any) -> Any:
        other.set_friendly_name(node.get_friendly_name())
        other.output(0).set_names(node.output(0).get_names())
        node.output(0).replace(other.output(0))
        return other


def _key(output: Any) -> tuple[str, int]:
    return output.get_node().get_name(), output.get_index()


def _is_free(dim: tuple[Factor, ...]) -> bool:
    return any(factor.is_free for factor in dim)


def _merge_dim(at: int, length: int, traced: list[tuple[_Trace, list[int]]]) -> tuple[Factor, ...]:
    """A dimension of what was made of arrays of which some are repeated: that of the one that is as long."""
    dims = [trace.dims[at] for trace, shape in traced if shape[at] == length]
    return next((dim for dim in dims if _is_free(dim)), dims[0] if dims else ((Factor(length),) if length > 1 else ()))


def _is_held(node: Any, dims: Dims) -> bool:
    """Whether a reshaping says a length as a number that is another for another picture."""
    said = _numbers(node.input_value(1))
    if said is None:
        return any(map(_is_free, dims))
    zero = bool(node.get_attributes()["special_zero"])
    numbers = [int(number) for number in np.ravel(said)]
    return any(_is_free(dim) and n != -1 and not (zero and n == 0) for dim, n in zip(dims, numbers, strict=True))


def _reshaped(value: Any, dims: Dims) -> Any:
    from impasto.inference.openvino import op

    free = [at for at, dim in enumerate(dims) if _is_free(dim)]
    lengths: list[Any] = [np.array([prod(factor.value for factor in dim)], np.int64) for dim in dims]
    for at in free:
        lengths[at] = _length(dims[at])
    lengths[free[-1]] = np.array([-1], np.int64)  # what is left
    if len(free) == 1:
        return op.reshape(value, np.concatenate(lengths), special_zero=False)
    parts = [op.constant(length) if isinstance(length, np.ndarray) else length for length in lengths]
    return op.reshape(value, op.concat(parts, 0), special_zero=False)


def _length(dim: tuple[Factor, ...]) -> Any:
    """A dimension's length as part of the graph."""
    from impasto.inference.openvino import op

    found: Any = op.constant(np.array([prod(factor.value for factor in dim if not factor.is_free)], np.int64))
    for factor in dim:
        if factor.is_free:
            shape = op.shape_of(factor.source, "i64")
            length: Any = op.gather(shape, np.array([factor.axis], np.int64), np.array(0, np.int64))
            if factor.divisor > 1:
                length = op.divide(length, np.array([factor.divisor], np.int64))
            found = op.multiply(found, length)
    return found


def _is_merged(node: Any, lengths: list[int]) -> bool:
    """Whether what a node gives comes, value by value, to another array of those lengths wherever it goes, and to it
    alone: then it need not be as long itself."""
    takers = [target.get_node() for target in node.output(0).get_target_inputs()]
    return bool(takers) and all(_merges(taker, node.output(0), lengths) for taker in takers)


def _merges(taker: Any, taken: Any, lengths: list[int]) -> bool:
    others = [value for value in taker.input_values() if value != taken]
    merges = taker.get_type_name() in _MERGING
    if merges and any(_shape(value) == lengths and not _is_repeated(value) for value in others):
        return True
    is_small = all((number := _numbers(value)) is not None and number.size == 1 for value in others)
    keeps = (merges and is_small) or taker.get_type_name() in _EACH
    return keeps and _is_merged(taker, lengths)


def _is_repeated(value: Any) -> bool:
    return str(value.get_node().get_type_name()) == "Broadcast"


def _shape(value: Any) -> list[int]:
    """Of what is not known yet, none."""
    return [int(length) for length in value.get_shape()] if value.get_partial_shape().is_static else []


def _is_nothing(value: Any) -> bool:
    number = _numbers(value)
    return number is not None and number.size == 1 and abs(float(number.ravel()[0])) <= _NOTHING


def _numbers(value: Any) -> np.ndarray[Any, np.dtype[Any]] | None:
    """What a constant holds; None for what is computed."""
    node = value.get_node()
    if node.get_type_name() == "Convert":
        return _numbers(node.input_value(0))
    return np.asarray(node.get_data()) if node.get_type_name() == "Constant" else None
