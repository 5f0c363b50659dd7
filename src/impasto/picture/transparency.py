"""Transparency: what to paint where there is nothing to see.

A network looks at neighbourhoods, so the colour under transparent pixels, which is whatever some
program left there, would show at the edges of the visible ones. It is replaced by the visible colours
nearby, spread by a pyramid: down, averaging what is visible; and up again, filling what is not.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

import numpy as np

from impasto.picture.raster import Pixels, Raster

__all__ = ["fill_transparent"]

_R = TypeVar("_R", bound=Raster)

_STRIP = 2**20
_GREY = 0.5


def fill_transparent(picture: _R) -> _R:
    """An opaque picture of the same size and type; the picture itself where it is opaque already.

    Visible pixels stay as they are, partly transparent ones are mixed with their surroundings, and
    fully transparent ones take the surroundings' colour, whatever colour they hid. A picture with
    nothing visible becomes mid grey.
    """
    if picture.alpha is None:
        return picture
    surroundings = _fill_level(_halved(picture))
    pixels = np.empty_like(picture.pixels)
    for rows in _strips(picture.height, picture.width):
        own = _alpha_weights(picture.alpha[rows])
        around = _doubled(surroundings, np.arange(picture.height)[rows], picture.width)
        mixed = picture.pixels[rows] * own + around * (picture.peak * (1 - own))
        pixels[rows] = np.rint(mixed).clip(0, picture.peak)
    return replace(picture, pixels=pixels, alpha=None)


def _strips(height: int, width: int) -> list[slice]:
    step = max(1, _STRIP // width) * 2  # even, so that no pair of rows is torn apart
    return [slice(top, min(top + step, height)) for top in range(0, height, step)]


def _alpha_weights(alpha: Pixels) -> Pixels:
    return (alpha.astype(np.float32) / np.iinfo(alpha.dtype).max)[..., None]


def _halved(picture: Raster) -> Pixels:
    """Half the size in float32: colour in 0..1 times weight, and the weight, on the last axis."""
    assert picture.alpha is not None
    parts = []
    for rows in _strips(picture.height, picture.width):
        weight = _alpha_weights(picture.alpha[rows])
        parts.append(_pooled(np.concatenate([picture.pixels[rows] * (weight / picture.peak), weight], axis=2)))
    return np.concatenate(parts)


def _pooled(level: Pixels) -> Pixels:
    """Sums of 2 x 2, the weight at most 1: one visible pixel in four is enough to know the colour."""
    height, width = level.shape[:2]
    level = np.pad(level, ((0, height % 2), (0, width % 2), (0, 0)))
    level = level[::2, ::2] + level[1::2, ::2] + level[::2, 1::2] + level[1::2, 1::2]
    level /= np.maximum(level[..., 3:], 1)
    return level


def _fill_level(level: Pixels) -> Pixels:
    """The colour everywhere, without weights."""
    height, width = level.shape[:2]
    colour, weight = level[..., :3], level[..., 3:]
    if height == width == 1:
        known = np.full_like(colour, _GREY)
        np.divide(colour, weight, out=known, where=weight > 0)
        return known
    around = _doubled(_fill_level(_pooled(level)), np.arange(height), width)
    around *= 1 - weight
    around += colour
    return around


def _doubled(half: Pixels, rows: Pixels, width: int) -> Pixels:
    """The given rows of ``half`` at twice its size, bilinear, ``width`` wide."""
    return _stretched(_stretched(half, rows, 0), np.arange(width), 1)


def _stretched(half: Pixels, places: Pixels, axis: int) -> Pixels:
    nearest = places // 2
    other = np.clip(nearest + np.where(places % 2, 1, -1), 0, half.shape[axis] - 1)
    stretched: Pixels = half.take(nearest, axis) * np.float32(0.75) + half.take(other, axis) * np.float32(0.25)
    return stretched
