"""Strips: a picture worked on some rows at a time, so that a large one needs little more memory than itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from impasto.picture.picture import Picture, Pixels

__all__ = ["by_strips"]

_STRIP = 256


def by_strips(picture: Picture, strip: Callable[[slice], Pixels]) -> Picture:
    """``picture`` with the pixels that ``strip`` gives for each slice of rows, cut to whole numbers."""
    pixels = np.empty_like(picture.pixels)
    for top in range(0, picture.height, _STRIP):
        rows = slice(top, min(top + _STRIP, picture.height))
        pixels[rows] = strip(rows).astype(pixels.dtype)
    return replace(picture, pixels=pixels)
