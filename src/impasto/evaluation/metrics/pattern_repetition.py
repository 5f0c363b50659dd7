"""Lattice: whether a pattern is stamped, again and again at the same distance, where a photograph is flat."""

from __future__ import annotations

import numpy as np
from PIL import Image

from impasto.picture.raster import Pixels

__all__ = ["lattice"]

_PERIOD = 8
"""Pixels between the places that the deepest features of the usual networks stand for: what they stamp repeats so."""
_WINDOW, _STEP = 96, 32
_FLAT = 3.0
"""Root mean square of the lightness gradient below which a window of the photograph is flat, levels of 255 a pixel."""
_LAGS = [(y, x) for y in (-16, -8, 0, 8, 16) for x in (0, 8, 16) if x > 0 or y > 0]
"""Up to two periods in every direction; the opposite ones have the same autocorrelation."""


def lattice(picture: Pixels, photograph: Pixels) -> float | None:
    """The highest autocorrelation of the painted grain at lags of whole periods, averaged over flat windows.

    Takes two pictures ``(H, W, 3)`` of ``uint8``. The grain is what is finer than 8 pixels; windows are 96 pixels wide
    and 32 apart. Returns 0..1: a painting has about 0.05, a stamped pattern 0.5 and more; 0 where nothing is
    painted, and ``None`` for a photograph without a flat window. Raises ``ValueError`` where the sizes differ.
    """
    if picture.shape != photograph.shape:
        raise ValueError(f"the picture is {picture.shape} and its photograph {photograph.shape}; make them alike")
    painted, flat = _lightness(picture), _lightness(photograph)
    found = []
    for top in range(0, painted.shape[0] - _WINDOW + 1, _STEP):
        for left in range(0, painted.shape[1] - _WINDOW + 1, _STEP):
            window = slice(top, top + _WINDOW), slice(left, left + _WINDOW)
            down, right = np.gradient(flat[window])
            if np.sqrt((down**2 + right**2).mean()) < _FLAT:
                found.append(_repeated(painted[window]))
    return float(np.mean(found)) if found else None


def _repeated(window: Pixels) -> float:
    cells = _WINDOW // _PERIOD
    image = Image.fromarray(window)
    coarse = image.resize((cells, cells), Image.Resampling.BOX).resize((_WINDOW, _WINDOW), Image.Resampling.BICUBIC)
    grain = window - np.asarray(coarse)
    if grain.std() < 1:
        return 0.0  # nothing is painted there, so nothing is stamped
    correlation = _autocorrelation(grain) / _OVERLAP
    return float(max(correlation[lag] for lag in _LAGS) / correlation[0, 0])


def _autocorrelation(window: Pixels) -> Pixels:
    # Twice as large, so that what leaves on one side does not come in on the other.
    size = 2 * _WINDOW, 2 * _WINDOW
    found: Pixels = np.fft.ifft2(np.abs(np.fft.fft2(window, size)) ** 2).real
    return found


_OVERLAP = np.maximum(_autocorrelation(np.ones((_WINDOW, _WINDOW))), 1)
"""How many pixels of a window meet at each lag."""


def _lightness(pixels: Pixels) -> Pixels:
    return np.asarray(Image.fromarray(pixels).convert("L"), np.float32)
