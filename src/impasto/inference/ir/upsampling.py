"""Enlarging: a picture doubled and then convolved, as one transposed convolution of the same numbers.

Of the nine places that a 3x3 kernel looks at in a doubled picture, four at most are different pixels: the same is had
for four ninths of the multiplications.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from impasto.inference.ir.layers import Convolution, Layer, Pad, TransposedConvolution, Upsample

__all__ = ["enlarged"]

_BORDER = (1, 1, 1, 1)
_TAPS = np.array([[0, 0, 1], [0, 1, 1], [1, 1, 0], [1, 0, 0]], np.float32)
"""Which of three taps on doubled pixels fall on the pixel that each of four taps of the transposed kernel is of."""


def enlarged(layers: tuple[Layer, ...]) -> Iterator[Layer]:
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
