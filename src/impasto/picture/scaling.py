"""Scaling: Lanczos, with colour weighted by alpha so that hidden colour never bleeds into what is seen."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

import numpy as np
from PIL import Image

from impasto.errors import RequestError
from impasto.picture.raster import Pixels, Raster

__all__ = ["LONGEST_STYLE", "fit", "fit_side", "fit_style", "scale"]

LONGEST_STYLE = 4096
"""Pixels of a painting's longest side, however small its strokes are wanted."""

_R = TypeVar("_R", bound=Raster)

_GAP = 3.0  # beyond three times too large, Pillow shrinks by boxes first: as good, and much faster


def scale(picture: _R, size: tuple[int, int]) -> _R:
    """``picture`` at ``(width, height)``, each 1 or more; the picture itself where it has that size.

    Keeps the type of the pixels. Raises :class:`RequestError` for a size below 1 x 1.
    """
    width, height = size
    if width < 1 or height < 1:
        raise RequestError(f"the size is {width} x {height} pixels; give at least 1 x 1")
    if (width, height) == picture.size:
        return picture
    if picture.alpha is None and picture.pixels.dtype == np.uint8:
        return replace(picture, pixels=np.asarray(_resized(Image.fromarray(picture.pixels), size)))
    return _scaled(picture, size)


def _scaled(picture: _R, size: tuple[int, int]) -> _R:
    # One channel at a time, in floats: Pillow has no 16-bit colour, and 8-bit premultiplied colour
    # would lose what little a faint pixel has.
    peak, dtype = picture.peak, picture.pixels.dtype
    pixels = np.empty((size[1], size[0], 3), dtype)
    cover = None if picture.alpha is None else _plane(picture.alpha.astype(np.float32), size).clip(0, peak)
    for channel in range(3):
        plane = picture.pixels[..., channel].astype(np.float32)
        if picture.alpha is not None:
            plane *= picture.alpha
        plane = _plane(plane, size)
        if cover is not None:
            np.divide(plane, cover, out=plane, where=cover >= 0.5)
            plane[cover < 0.5] = 0
        pixels[..., channel] = _rounded(plane, peak)
    return replace(picture, pixels=pixels, alpha=None if cover is None else _rounded(cover, peak).astype(dtype))


def _resized(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    return image.resize(size, Image.Resampling.LANCZOS, reducing_gap=_GAP)


def _plane(plane: Pixels, size: tuple[int, int]) -> Pixels:
    return np.array(_resized(Image.fromarray(plane), size))


def _rounded(plane: Pixels, peak: int) -> Pixels:
    np.rint(plane, out=plane)
    return plane.clip(0, peak, out=plane)


def fit(size: tuple[int, int], longest: int | None) -> tuple[int, int]:
    """``(width, height)`` scaled so that the longest side is ``longest``; as it is for ``None``."""
    if longest is None:
        return size
    scale = longest / max(size)
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def fit_side(size: tuple[int, int], pixels: int | None, side: str) -> tuple[int, int]:
    """:func:`fit`; or, where ``side`` is ``"shortest"``, scaled so that the shortest side is ``pixels``.

    That is at most the longest side of ``size``, and what is left of a pixel on the other side is cut off: both as
    in the PyTorch notebook.
    """
    if pixels is None or side == "longest":
        return fit(size, pixels)
    short, long = min(size), max(size)
    pixels = min(pixels, long)
    width, height = (pixels if length == short else pixels * length // short for length in size)
    return width, height


def fit_style(size: tuple[int, int], short: float) -> tuple[int, int]:
    """``(width, height)`` at which a painting is read for its style: the short side ``short``.

    Both are multiples of 8, and 32 at least: below that an encoder that shrinks it has nothing left to look at.
    """
    factor = min(short / min(size), LONGEST_STYLE / max(size))
    width, height = (max(32, round(side * factor / 8) * 8) for side in size)
    return width, height
