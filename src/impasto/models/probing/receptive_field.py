"""Which sizes a graph paints, and its receptive field, measured by running it.

Whatever the exporter made of a network, tiles of it fit where its own pixels do.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from impasto.errors import ModelError
from impasto.inference.graph import Array
from impasto.inference.tileable_graph import TileableGraph

__all__ = ["Sizes", "find_sizes"]

_MULTIPLES = (1, 2, 4, 8, 16, 32, 64)
_SIDE = 256
_STRIP = 64
_LENGTHS = (512, 1280)
_SEEN, _ALIKE = 1e-5, 1e-3
"""Of 0..1: what changes a pixel by less than the one is the rounding of f32, and by less than the other is not seen."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """As in a model's rules."""

    multiple: int
    margin: int
    smallest: int


def find_sizes(repainter: TileableGraph, *code: Array) -> Sizes:
    """Of a graph, in f32. Raises :class:`ModelError` where no size comes back as it went in, and where pixels look
    further than tiles are wide."""
    multiple = _multiple(repainter, code)
    far = max(_find_reach(repainter, multiple, axis, code) for axis in (2, 3))
    return Sizes(multiple, -(-far // multiple) * multiple, _smallest(repainter, multiple, code))


def _noise(height: int, width: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).random((1, 3, height, width), np.float32)


def _keeps_size(repainter: TileableGraph, height: int, width: int, code: tuple[Array, ...]) -> bool:
    """Whether a picture of that size comes back in it."""
    content = _noise(height, width)
    try:
        found = repainter.forward(content, *code)
    except RuntimeError:
        return False
    return found.shape == content.shape and bool(np.isfinite(found).all())


def _multiple(repainter: TileableGraph, code: tuple[Array, ...]) -> int:
    for multiple in _MULTIPLES:
        sizes = [(_SIDE // 2 + multiple, _SIDE // 2 + 3 * multiple), (_SIDE // 2 + 5 * multiple, _SIDE // 2)]
        if all(_keeps_size(repainter, *size, code) for size in sizes) and _is_shift_invariant(
            repainter, multiple, code
        ):
            return multiple
    raise ModelError(
        f"the network's output never has the size of its input, at any multiple up to {_MULTIPLES[-1]} "
        f"pixels; give one "
        "that does"
    )


def _is_shift_invariant(repainter: TileableGraph, step: int, code: tuple[Array, ...]) -> bool:
    """Whether what is moved by ``step`` pixels is painted the same: a tile may begin there."""
    content = _noise(_STRIP, 2 * _SIDE + step)
    whole, moved = content[..., : 2 * _SIDE], content[..., step:]
    statistics = repainter.measure(whole, *code)
    one, other = (repainter.apply(part, *code, statistics=statistics) for part in (whole, moved))
    middle = slice(_SIDE, _SIDE + 16)
    return float(np.abs(one[..., step:][..., middle] - other[..., middle]).max()) < _ALIKE


def _find_reach(repainter: TileableGraph, multiple: int, axis: int, code: tuple[Array, ...]) -> int:
    """How far along ``axis`` a row or column of the content is seen."""
    for length in _LENGTHS:
        content = _noise(*((length, _STRIP) if axis == 2 else (_STRIP, length)))
        statistics = repainter.measure(content, *code)
        plain = repainter.apply(content, *code, statistics=statistics)
        far = 0
        # Where strides meet upsampling, neighbours look differently far; the pattern repeats.
        for at in range(length // 2, length // 2 + min(multiple, 8)):
            changed = content.copy()
            line = (slice(None), slice(None), at) if axis == 2 else (slice(None), slice(None), slice(None), at)
            changed[line] = 1 - np.round(changed[line])
            found = repainter.apply(changed, *code, statistics=statistics)
            touched = np.flatnonzero(np.abs(found - plain).max(tuple({0, 1, 2, 3} - {axis})) > _SEEN)
            if touched.size:
                far = max(far, at - int(touched[0]), int(touched[-1]) - at)
        if far < length // 2 - 16:
            return far
    raise ModelError(
        f"the receptive field of the network reaches further than {_LENGTHS[-1] // 2 - 16} pixels; give another"
    )


def _smallest(repainter: TileableGraph, multiple: int, code: tuple[Array, ...]) -> int:
    high = 1
    while not _keeps_size(repainter, high * multiple, high * multiple, code):
        high *= 2
        if high * multiple > _SIDE:
            return _SIDE
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (
            (low, middle) if _keeps_size(repainter, middle * multiple, middle * multiple, code) else (middle, high)
        )
    return high * multiple
