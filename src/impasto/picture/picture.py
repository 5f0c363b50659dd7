"""Picture: what everything inside Impasto works on."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from PIL import Image

from impasto.errors import PictureError
from impasto.picture.limits import MAX_PIXELS
from impasto.picture.raster import Pixels, Raster
from impasto.picture.scaling import scale

__all__ = ["Picture"]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Picture(Raster):
    """sRGB pixels, upright: a :class:`Raster` that can be opened, scaled and shown.

    ``pixels`` is ``(height, width, 3)``, ``uint8`` or ``uint16``; ``alpha`` is ``(height, width)``
    of the same type, or ``None`` where the picture is opaque. Both are read-only. ``format`` is the
    file's own (``"jpeg"``, ``"png"`` ...), or ``None`` for a picture that was never a file.
    """

    def _repr_png_(self) -> bytes:
        from impasto.picture.notebook_display import notebook_png

        return notebook_png(self)

    @classmethod
    def open(cls, source: str | os.PathLike[str] | bytes | IO[bytes], *, max_pixels: int = MAX_PIXELS) -> Picture:
        """Read a file, its bytes, or a binary stream.

        Raises :class:`UnsupportedFormat`, :class:`PictureTooLarge` (before decoding) or
        :class:`PictureError`, each naming the file and the reason.
        """
        from impasto.picture.reading import read

        return cls._over(read(source, max_pixels=max_pixels))

    @classmethod
    def from_pil(cls, image: Image.Image, *, max_pixels: int = MAX_PIXELS) -> Picture:
        """Take over a Pillow image of any mode, with its orientation, profile and transparency.

        An image that was made from another, as ``convert`` and ``rotate`` make them, still carries its EXIF. Where
        the sizes there tell that it was turned since, its orientation is passed over; where they tell nothing, it is
        applied, with a warning.
        """
        from impasto.picture.reading import from_pil

        return cls._over(from_pil(image, max_pixels=max_pixels))

    @classmethod
    def from_array(cls, array: Pixels) -> Picture:
        """Take an array: ``HxW``, or ``HxWxC`` of 1 to 4 channels: grey, with alpha, RGB, with alpha.

        It is ``bool``, ``uint8``, ``uint16`` of any byte order, or float in 0..1. Raises :class:`PictureError` for
        other shapes or types, and for floats that are not finite.

        >>> import numpy as np
        >>> from impasto import Picture
        >>> Picture.from_array(np.zeros((48, 64, 4)))
        <Picture 64 x 48, RGBA, 8 bits>
        """
        a = np.asarray(array)
        if a.ndim == 2:
            a = a[..., None]
        if a.ndim != 3 or not 1 <= a.shape[2] <= 4:
            raise PictureError(
                f"the array has shape {a.shape}; give (height, width) or (height, width, 1 to 4 channels)"
            )
        if a.shape[2] < 3:
            a = a[..., [0, 0, 0, 1][: a.shape[2] + 2]]
        if a.dtype == bool:
            a = a * np.uint8(255)
        elif a.dtype.kind == "f":
            if not np.isfinite(a).all():
                raise PictureError("the array holds values that are not finite; give floats in 0..1")
            if a.min(initial=0) < -0.5 or a.max(initial=0) > 1.5:
                raise PictureError(f"the array holds {a.min():g} to {a.max():g}; give floats in 0..1, or uint8")
            a = (a.clip(0, 1) * 255 + 0.5).astype(np.uint8)
        elif a.dtype.newbyteorder("=") not in (np.uint8, np.uint16):
            raise PictureError(f"the array is {a.dtype}; give bool, uint8, uint16, or floats in 0..1")
        a = a.astype(a.dtype.newbyteorder("="))
        alpha = a[..., 3].copy() if a.shape[2] == 4 else None
        return cls(a[..., :3].copy(), alpha)

    @classmethod
    def of(cls, source: object, *, max_pixels: int = MAX_PIXELS) -> Picture:
        """Whatever a caller has: a path, bytes, a binary stream, a Pillow image, an array, or a picture.

        Raises as :meth:`open` and :meth:`from_array`, and :class:`PictureError` for what is none of these.

        >>> from impasto import Picture
        >>> Picture.of("photo.jpg").size
        (160, 120)
        """
        if isinstance(source, Picture):
            return source
        if isinstance(source, Image.Image):
            return cls.from_pil(source, max_pixels=max_pixels)
        if isinstance(source, np.ndarray):
            return cls.from_array(source)
        if isinstance(source, (str, Path, os.PathLike, bytes, bytearray, memoryview)) or hasattr(source, "read"):
            file = bytes(source) if isinstance(source, (bytearray, memoryview)) else source
            return cls.open(file, max_pixels=max_pixels)  # type: ignore[arg-type]
        raise PictureError(f"{type(source).__name__} is not a picture; give a path, bytes, a Pillow image or an array")

    def resized(self, size: tuple[int, int]) -> Picture:
        """Scaled to ``(width, height)`` with Lanczos; colour and alpha together, so that edges get no fringe."""
        return scale(self, size)

    @classmethod
    def _over(cls, raster: Raster) -> Picture:
        return cls(raster.pixels, raster.alpha, raster.format, raster.metadata)
