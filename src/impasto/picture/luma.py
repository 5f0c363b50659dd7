"""Luma: how bright a place looks, and whether it has moved."""

from __future__ import annotations

import numpy as np

from impasto.picture.raster import Pixels

__all__ = ["luma", "mean_luma"]


def luma(pixels: Pixels) -> Pixels:
    """Rec. 709 luma of ``(H, W, 3)`` as stored, not made linear: ``(H, W)`` of float32 in the pixels' own range."""
    # Not as a product of matrices, which rounds one pixel differently from another of the same colour.
    red, green, blue = (
        pixels[..., i].astype(np.float32) * np.float32(w) for i, w in enumerate((0.2126, 0.7152, 0.0722))
    )
    weighed: Pixels = red + green + blue
    return weighed


def mean_luma(pixels: Pixels, box: tuple[slice, slice]) -> float:
    """Mean luma of some rows and columns of ``(H, W, 3)``; 0..255 for ``uint8``. Raises ``ValueError`` for none."""
    part = pixels[box]
    if not part.size:
        raise ValueError(f"the box {box} has no pixel of a picture {pixels.shape}")
    return float(luma(part).mean(dtype=np.float64))
