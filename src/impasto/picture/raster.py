"""Raster: pixels and what a file said besides, below all that reads, scales and writes them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
from PIL import Image

from impasto.errors import PictureError

__all__ = ["Metadata", "Pixels", "Raster", "convert_depth"]

Pixels = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, slots=True)
class Metadata:
    """What a file said besides its pixels: raw EXIF (orientation already applied and reset), XMP, and dpi."""

    exif: bytes = b""
    xmp: bytes = b""
    dpi: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Raster:
    """sRGB pixels, upright.

    ``pixels`` is ``(height, width, 3)``, ``uint8`` or ``uint16``; ``alpha`` is ``(height, width)``
    of the same type, or ``None`` where the picture is opaque. Both are read-only. ``format`` is the
    file's own (``"jpeg"``, ``"png"`` ...), or ``None`` for a picture that was never a file.
    """

    pixels: Pixels
    alpha: Pixels | None = None
    format: str | None = None
    metadata: Metadata = field(default_factory=Metadata)

    def __post_init__(self) -> None:
        p, a = self.pixels, self.alpha
        if p.ndim != 3 or p.shape[2] != 3 or p.dtype not in (np.uint8, np.uint16) or 0 in p.shape:
            raise PictureError(
                f"pixels are {p.dtype} of shape {p.shape}; give uint8 or uint16 of shape (height, width, 3)"
            )
        if a is not None and (a.shape != p.shape[:2] or a.dtype != p.dtype):
            raise PictureError(
                f"alpha is {a.dtype} of shape {a.shape}; the pixels need {p.dtype} of shape {p.shape[:2]}"
            )
        # A view, so that the caller's own array stays as it was.
        for name in ("pixels", "alpha"):
            if getattr(self, name) is not None:
                view = getattr(self, name).view()
                view.flags.writeable = False
                object.__setattr__(self, name, view)

    def __repr__(self) -> str:
        # Not the pixels, nor what the file said: a notebook keeps this in its own.
        kind = "RGB" if self.alpha is None else "RGBA"
        own = "" if self.format is None else f", {self.format}"
        return f"<{type(self).__name__} {self.width} x {self.height}, {kind}, {8 * self.pixels.itemsize} bits{own}>"

    @property
    def width(self) -> int:
        """Pixels across."""
        return int(self.pixels.shape[1])

    @property
    def height(self) -> int:
        """Pixels down."""
        return int(self.pixels.shape[0])

    @property
    def size(self) -> tuple[int, int]:
        """``(width, height)``, as Pillow has it."""
        return self.width, self.height

    @property
    def peak(self) -> int:
        """The value of white: 255 or 65535."""
        return int(np.iinfo(self.pixels.dtype).max)

    def to_array(self) -> Pixels:
        """A copy: ``(height, width, 3)``, or 4 channels where there is alpha."""
        return self.pixels.copy() if self.alpha is None else np.dstack([self.pixels, self.alpha])

    def to_pil(self) -> Image.Image:
        """An 8-bit Pillow image, ``RGB`` or ``RGBA``."""
        eight = self.as_type(np.dtype(np.uint8))
        return Image.fromarray(eight.to_array())

    def as_type(self, dtype: np.dtype[Any]) -> Self:
        """The same with 8 or 16 bits a channel."""
        if self.pixels.dtype == dtype:
            return self
        alpha = None if self.alpha is None else convert_depth(self.alpha, dtype)
        return replace(self, pixels=convert_depth(self.pixels, dtype), alpha=alpha)


def convert_depth(array: Pixels, dtype: np.dtype[Any]) -> Pixels:
    """``uint8`` as ``uint16``, or the other way round, each level where it was."""
    if dtype == np.uint16:
        return array.astype(np.uint16) * 257
    return ((array.astype(np.uint32) + 128) // 257).astype(np.uint8)
