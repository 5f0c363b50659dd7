"""Levels: what is black and what is white in samples that are no plain 8 or 16 bits."""

from __future__ import annotations

import math

import numpy as np

from impasto.picture.picture import Pixels

__all__ = ["eight", "levels", "sixteen"]

_WHITES = (255.0, 65535.0)
_HALF, _FULL = 2.0**31, 2.0**32 - 1


def levels(low: float, high: float, kind: str) -> tuple[float, float]:
    """Black and white of samples between ``low`` and ``high``; ``kind`` is NumPy's: ``f``, ``u`` or ``i``.

    White is the smallest that is usual and holds them all: 1 (of floats), 255, 65535, and of unsigned numbers of 32
    bits all that they can hold. Samples of no such range go from their darkest to their brightest. Raises
    ``ValueError`` for samples that are not finite.
    """
    if not (math.isfinite(low) and math.isfinite(high)):
        raise ValueError("it holds values that are not finite")
    whites = (1.0, *_WHITES) if kind == "f" else (*_WHITES, _FULL) if kind == "u" and high >= _HALF else _WHITES
    return next(((0.0, white) for white in whites if low >= 0 and high <= white), (low, high))


def sixteen(values: Pixels, black: float, white: float) -> Pixels:
    """``values`` as ``uint16``, black at 0 and white at 65535. Raises ``ValueError`` where one is not finite."""
    if values.dtype.kind == "f":
        if not np.isfinite(values).all():
            raise ValueError("it holds values that are not finite")
        values = values.astype(np.promote_types(values.dtype, np.float32), copy=False)
    scaled = (values - black) * (65535.0 / max(white - black, 1e-30))
    return np.asarray(np.rint(scaled).clip(0, 65535).astype(np.uint16))


def eight(values: Pixels) -> Pixels:
    """``values`` of 8 or 16 bits as ``uint8``."""
    return values if values.dtype == np.uint8 else ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)
