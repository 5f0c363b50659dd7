"""Adapting: a graph that takes and gives pictures in a way of its own, made to take and give them in ours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from impasto.errors import ModelError
from impasto.runtime.compose import enter, leave
from impasto.runtime.network import Preprocessing
from impasto.runtime.sizes import lengths, spatial, take_any_size

if TYPE_CHECKING:
    import openvino as ov

__all__ = ["adapt"]


def adapt(model: ov.Model, preprocessing: Preprocessing) -> ov.Model:
    """The graph of a per-style network as one from ``content`` to ``pastiche``, ``(N, 3, H, W)`` RGB in 0..1, of any
    height and width.

    Raises :class:`ModelError` for one that takes or gives anything but one picture, or keeps to its size.
    """
    import openvino as ov
    from openvino import opset13 as op

    picture, result = one_picture(model)
    take_any_size(model, picture.get_friendly_name())
    channels_last = spatial(lengths(picture.get_partial_shape())) == (1, 2)
    content = op.parameter([-1, 3, -1, -1], np.float32, name="content")
    content.output(0).set_names({"content"})
    x = enter(content, preprocessing)
    if channels_last:
        x = op.transpose(x, np.array([0, 2, 3, 1]))
    picture.output(0).replace(x.output(0))
    y: Any = result.input_value(0)
    if channels_last:
        y = op.transpose(y, np.array([0, 3, 1, 2]))
    y = leave(y, preprocessing)
    y.output(0).set_names({"pastiche"})
    return ov.Model([y], [content], model.friendly_name)


def one_picture(model: ov.Model) -> tuple[Any, Any]:
    """The parameter and the result of a graph that has one each. Raises :class:`ModelError` for any other."""
    parameters, results = model.get_parameters(), model.get_results()
    if len(parameters) != 1 or len(results) != 1:
        raise ModelError(
            f"the graph takes {len(parameters)} inputs and gives {len(results)} outputs; one picture in and one out "
            "make a per-style network"
        )
    spatial(lengths(parameters[0].get_partial_shape()))
    return parameters[0], results[0]
