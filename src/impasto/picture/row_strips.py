"""Strips: a picture worked on some rows at a time, so that a large one needs little more memory than itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

import numpy as np
from PIL import Image

from impasto.picture.raster import Pixels, Raster

__all__ = ["enlarge_rows", "map_strips"]

_R = TypeVar("_R", bound=Raster)

_STRIP = 256


def map_strips(picture: _R, strip: Callable[[slice], Pixels]) -> _R:
    """``picture`` with the pixels that ``strip`` gives for each slice of rows, cut to whole numbers."""
    pixels = np.empty_like(picture.pixels)
    for top in range(0, picture.height, _STRIP):
        rows = slice(top, min(top + _STRIP, picture.height))
        pixels[rows] = strip(rows).astype(pixels.dtype)
    return replace(picture, pixels=pixels)


def enlarge_rows(
    plane: Image.Image, size: tuple[int, int], rows: slice, how: Image.Resampling = Image.Resampling.BILINEAR
) -> Pixels:
    """Rows of a ``plane`` that is as large as a picture of ``size``, ``(rows, width, 1)``."""
    scale = plane.height / size[1]
    box = (0.0, rows.start * scale, float(plane.width), rows.stop * scale)
    return np.asarray(plane.resize((size[0], rows.stop - rows.start), how, box))[..., None]
