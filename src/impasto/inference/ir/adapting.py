"""Adapts a graph with an input and output format of its own to the common one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from impasto.errors import ModelError
from impasto.inference.ir.compose import postprocess, preprocess
from impasto.inference.ir.network import Preprocessing
from impasto.inference.ir.sizes import fixed_size, lengths, spatial, take_any_size

if TYPE_CHECKING:
    import openvino as ov

__all__ = ["adapt", "adapt_prediction", "adapt_transfer", "single_input_and_output"]


def adapt(model: ov.Model, preprocessing: Preprocessing, *, fixed: bool = False) -> ov.Model:
    """The graph of a per-style network as one from ``content`` to ``pastiche``, ``(N, 3, H, W)`` RGB in 0..1, of any
    height and width; where it is ``fixed`` of those it was saved for, and one picture at a time.

    Raises :class:`ModelError` for one that takes or gives anything but one picture, or keeps to its size.
    """
    picture, result = single_input_and_output(model)
    return _adapted(model, picture, result, preprocessing, size=fixed_size(picture) if fixed else None)


def adapt_transfer(model: ov.Model) -> ov.Model:
    """The transfer graph of Ghiasi et al. 2017 as one from ``content`` and ``code`` ``(1, N)`` to ``pastiche``.

    Such a graph takes a picture in 0..1 and a style's numbers, and gives a picture in 0..1. Raises
    :class:`ModelError` for any other.
    """
    from impasto.inference.openvino import op, ov

    parameters, results = model.get_parameters(), model.get_results()
    if len(parameters) != 2 or len(results) != 1:
        raise ModelError(
            f"the graph takes {len(parameters)} inputs and gives {len(results)} outputs; one that takes a picture and "
            "a style's numbers, and gives a picture, is needed"
        )
    picture, numbers = sorted(parameters, key=lambda p: 3 not in lengths(p.get_partial_shape()))
    shape = lengths(numbers.get_partial_shape())
    if min(shape) < 1:
        raise ModelError(f"the graph takes style numbers of the shape {shape}; it has to say how many")
    code = op.parameter([1, int(np.prod(shape))], np.float32, name="code")
    code.output(0).set_names({"code"})
    result = results[0]
    numbers.output(0).replace(op.reshape(code, np.array(shape), special_zero=False).output(0))
    bare = ov.Model(model.get_results(), [picture, code], model.friendly_name)
    return _adapted(bare, picture, result, Preprocessing("RGB", 1), code)


def _adapted(
    model: ov.Model,
    picture: Any,
    result: Any,
    preprocessing: Preprocessing,
    *others: Any,
    size: tuple[int, int] | None = None,
) -> ov.Model:
    from impasto.inference.openvino import op, ov

    if size is None:
        take_any_size(model, picture.get_friendly_name())
    channels_last = spatial(lengths(picture.get_partial_shape())) == (1, 2)
    shape = [-1, 3, -1, -1] if size is None else [1, 3, *size]
    content = op.parameter(shape, np.float32, name="content")
    content.output(0).set_names({"content"})
    x = preprocess(content, preprocessing)
    if channels_last:
        x = op.transpose(x, np.array([0, 2, 3, 1]))
    picture.output(0).replace(x.output(0))
    y: Any = result.input_value(0)
    if channels_last:
        y = op.transpose(y, np.array([0, 3, 1, 2]))
    pastiche = op.result(postprocess(y, preprocessing), name="pastiche")
    pastiche.input_value(0).set_names({"pastiche"})
    return ov.Model([pastiche], [content, *others], model.friendly_name)


def single_input_and_output(model: ov.Model) -> tuple[Any, Any]:
    """The parameter and the result of a graph that has one each. Raises :class:`ModelError` for any other."""
    parameters, results = model.get_parameters(), model.get_results()
    if len(parameters) != 1 or len(results) != 1:
        raise ModelError(
            f"the graph takes {len(parameters)} inputs and gives {len(results)} outputs; one picture in and one out "
            "make a per-style network"
        )
    spatial(lengths(parameters[0].get_partial_shape()))
    return parameters[0], results[0]


def adapt_prediction(model: ov.Model) -> tuple[ov.Model, tuple[int, int]]:
    """The prediction graph of Ghiasi et al. 2017 as one from ``style`` to ``code`` ``(1, N)``, and the height and width
    that it takes.

    ``style`` is ``(1, 3, H, W)`` in 0..1. Raises :class:`ModelError` for any other graph.
    """
    from impasto.inference.openvino import op, ov

    picture, result = single_input_and_output(model)
    shape = lengths(picture.get_partial_shape())
    rows, columns = spatial(shape)
    if min(shape[rows], shape[columns], *lengths(result.get_output_partial_shape(0))) < 1:
        raise ModelError(
            "the graph that reads styles has to say the size of its picture, and how many numbers it gives"
        )
    style = op.parameter([1, 3, shape[rows], shape[columns]], np.float32, name="style")
    style.output(0).set_names({"style"})
    x: Any = style if (rows, columns) == (2, 3) else op.transpose(style, np.array([0, 2, 3, 1]))
    picture.output(0).replace(x.output(0))
    y: Any = op.reshape(result.input_value(0), np.array([1, -1]), special_zero=False)
    y.output(0).set_names({"code"})
    return ov.Model([y], [style], model.friendly_name), (shape[rows], shape[columns])
