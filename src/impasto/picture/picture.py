"""Picture: what everything inside Impasto works on."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any

import numpy as np
from PIL import Image

from impasto.errors import PictureError
from impasto.picture.limits import MAX_PIXELS

__all__ = ["Metadata", "Picture", "Pixels", "converted"]

Pixels = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, slots=True)
class Metadata:
    """What a file said besides its pixels: raw EXIF (orientation already applied and reset), XMP, and dpi."""

    exif: bytes = b""
    xmp: bytes = b""
    dpi: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
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
        return f"<Picture {self.width} x {self.height}, {kind}, {8 * self.pixels.itemsize} bits{own}>"

    def _repr_png_(self) -> bytes:
        from impasto.picture.notebook_display import shown

        return shown(self)

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

    @classmethod
    def open(cls, source: str | os.PathLike[str] | bytes | IO[bytes], *, max_pixels: int = MAX_PIXELS) -> Picture:
        """Read a file, its bytes, or a binary stream.

        Raises :class:`UnsupportedFormat`, :class:`PictureTooLarge` (before decoding) or
        :class:`PictureError`, each naming the file and the reason.
        """
        from impasto.picture.reading import read

        return read(source, max_pixels=max_pixels)

    @classmethod
    def from_pil(cls, image: Image.Image, *, max_pixels: int = MAX_PIXELS) -> Picture:
        """Take over a Pillow image of any mode, with its orientation, profile and transparency.

        An image that was made from another, as ``convert`` and ``rotate`` make them, still carries its EXIF. Where
        the sizes there tell that it was turned since, its orientation is passed over; where they tell nothing, it is
        applied, with a warning.
        """
        from impasto.picture.reading import from_pil

        return from_pil(image, max_pixels=max_pixels)

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
        raise PictureError(f"{type(source).__name__} is no picture; give a path, bytes, a Pillow image or an array")

    def to_array(self) -> Pixels:
        """A copy: ``(height, width, 3)``, or 4 channels where there is alpha."""
        return self.pixels.copy() if self.alpha is None else np.dstack([self.pixels, self.alpha])

    def to_pil(self) -> Image.Image:
        """An 8-bit Pillow image, ``RGB`` or ``RGBA``."""
        eight = self.as_type(np.dtype(np.uint8))
        return Image.fromarray(eight.to_array())

    def as_type(self, dtype: np.dtype[Any]) -> Picture:
        """The same picture with 8 or 16 bits a channel."""
        if self.pixels.dtype == dtype:
            return self
        alpha = None if self.alpha is None else converted(self.alpha, dtype)
        return replace(self, pixels=converted(self.pixels, dtype), alpha=alpha)

    def resized(self, size: tuple[int, int]) -> Picture:
        """Scaled to ``(width, height)`` with Lanczos; colour and alpha together, so that edges get no fringe."""
        from impasto.picture.scaling import scale

        return scale(self, size)


def converted(array: Pixels, dtype: np.dtype[Any]) -> Pixels:
    """``uint8`` as ``uint16``, or the other way round, each level where it was."""
    if dtype == np.uint16:
        return array.astype(np.uint16) * 257
    return ((array.astype(np.uint32) + 128) // 257).astype(np.uint8)
