"""Levels: what is black and what is white in samples that are not plain 8 or 16 bits."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from impasto.picture.raster import Pixels, convert_depth

__all__ = ["levels", "to_uint8", "to_uint16"]

_OVERSHOOT = 0.5
_DIMMEST = 16.0
"""A picture in 0..255 whose brightest value is not above this would be black, and is none."""
_HALF, _FULL = 2.0**31, 2.0**32 - 1


def levels(low: float, high: float, dtype: np.dtype[Any]) -> tuple[float, float]:
    """Black and white of samples of ``dtype`` between ``low`` and ``high``.

    White is the least that is usual and holds them all: 1 for floats, which may go beyond a little, as filters leave
    them; 255; 65535, or what 16 bits with a sign hold; and all of 32 bits. Samples of no such range go from their
    darkest to their brightest. Raises ``ValueError`` for samples that are not finite.
    """
    if not (math.isfinite(low) and math.isfinite(high)):
        raise ValueError("it holds values that are not finite")
    if dtype.kind == "f":
        if low >= -_OVERSHOOT and high <= 1 + _OVERSHOOT:
            return 0.0, 1.0
        whites = [255.0, 65535.0] if high > _DIMMEST else []
    else:
        full = float(np.iinfo(dtype).max)
        whites = [min(full, 255.0), min(full, 65535.0)] + [_FULL] * (dtype.kind == "u" and high >= _HALF)
    return next(((0.0, white) for white in whites if low >= 0 and high <= white), (low, high))


def to_uint16(values: Pixels, black: float, white: float) -> Pixels:
    """``values`` as ``uint16``, black at 0 and white at 65535. Raises ``ValueError`` where one is not finite."""
    if values.dtype.kind == "f":
        if not np.isfinite(values).all():
            raise ValueError("it holds values that are not finite")
        values = values.astype(np.promote_types(values.dtype, np.float32), copy=False)
    scaled = (values - black) * (65535.0 / max(white - black, 1e-30))
    return np.asarray(np.rint(scaled).clip(0, 65535).astype(np.uint16))


def to_uint8(values: Pixels) -> Pixels:
    """``values`` of 8 or 16 bits as ``uint8``."""
    return values if values.dtype == np.uint8 else convert_depth(values, np.dtype(np.uint8))
