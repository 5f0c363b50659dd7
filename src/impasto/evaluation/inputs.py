"""Inputs: what every program is given to paint, and what all pictures are compared at."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from impasto.errors import OutputError
from impasto.evaluation.pairs import Pair
from impasto.picture import Picture
from impasto.picture.files import write_atomically
from impasto.picture.raster import Pixels
from impasto.picture.transparency import fill_transparent
from impasto.picture.writing import encode

__all__ = ["SIDE", "make_output_folder", "middle_square", "read_pixels", "read_square", "write_inputs", "write_picture"]

SIDE = 512
"""Side of the squares that are painted and compared."""


def read_pixels(file: Path) -> Pixels:
    """A whole picture, ``(H, W, 3)`` of ``uint8``. Raises the errors of :meth:`Picture.open`."""
    return fill_transparent(Picture.open(file)).as_type(np.dtype(np.uint8)).pixels


def middle_square(pixels: Pixels) -> Pixels:
    """The middle square of ``(H, W, 3)``, shrunk or enlarged to ``(512, 512, 3)``; such a picture as it is."""
    height, width = pixels.shape[:2]
    side = min(height, width)
    left, top = (width - side) // 2, (height - side) // 2
    image = Image.fromarray(pixels[top : top + side, left : left + side])
    # Plain Lanczos, not Picture.resized, which shrinks by boxes first: so do others who prepare these pairs.
    return np.asarray(image.resize((SIDE, SIDE), Image.Resampling.LANCZOS))


def read_square(file: Path) -> Pixels:
    """The :func:`middle_square` of a file's picture. Raises the errors of :meth:`Picture.open`."""
    return middle_square(read_pixels(file))


def write_inputs(pairs: Sequence[Pair], folder: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Write ``<id>.content.png`` and ``<id>.style.png`` of every pair into ``folder``; yields what it wrote.

    Raises :class:`OutputExists` where one is there and ``overwrite`` is false, and :class:`OutputError`.
    """
    make_output_folder(folder)
    for pair in pairs:
        for kind, file in (("content", pair.content), ("style", pair.style)):
            yield write_picture(folder / f"{pair.id}.{kind}.png", read_square(file), overwrite=overwrite)


def write_picture(path: Path, pixels: Pixels, *, overwrite: bool) -> Path:
    """Write a PNG without notes. Raises as :func:`write_inputs` does."""
    data = encode(Picture(pixels), "png", quality=100, bits=8, keep_metadata=False, settings=None)
    write_atomically(path, data, overwrite=overwrite)
    return path


def make_output_folder(path: Path) -> Path:
    """The folder ``path``, made where it is not there. Raises :class:`OutputError` where it cannot be."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"the folder {path} cannot be made: {error.strerror}; choose another") from error
    return path
