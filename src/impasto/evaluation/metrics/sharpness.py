"""Sharpness: how much a picture shows at 100 %."""

from __future__ import annotations

import numpy as np

from impasto.picture.luma import luma
from impasto.picture.raster import Pixels

__all__ = ["sharpness"]

_BAND = 256
"""Rows at a time: 12 megapixels of floats need not be there at once."""


def sharpness(pixels: Pixels) -> float:
    """Mean gradient magnitude of the luma of ``(H, W, 3)``, in the pixels' own levels per pixel.

    The gradient is the difference to the next pixel on the right and the one below. Central differences, the
    usual choice, do not see detail of two pixels, which is what an enlarged picture lacks. Raises
    ``ValueError`` for a picture without two rows and two columns.
    """
    height, width = pixels.shape[:2]
    if min(height, width) < 2:
        raise ValueError(f"the picture has {width} x {height} pixels; give at least 2 x 2")
    total = 0.0
    for top in range(0, height - 1, _BAND):
        band = luma(pixels[top : top + _BAND + 1])
        right, down = np.diff(band, axis=1)[:-1], np.diff(band, axis=0)[:, :-1]
        total += float(np.hypot(right, down).sum(dtype=np.float64))
    return total / float((height - 1) * (width - 1))
