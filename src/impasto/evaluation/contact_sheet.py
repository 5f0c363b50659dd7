"""Sheet: some of the pictures beside each other, for figures are to be believed only when they have been looked at."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from impasto.picture.raster import Pixels

__all__ = ["Sheet"]

_CELL, _GAP, _LINE = 256, 4, 22
_LETTERS = 15


class Sheet:
    """A contact sheet: a column for each name, a row for each pair, filled from the top."""

    def __init__(self, columns: Sequence[str], rows: int) -> None:
        """Empty, for ``rows`` pairs."""
        self._font = ImageFont.load_default(size=_LETTERS)
        size = len(columns) * (_CELL + _GAP) + _GAP, rows * (_CELL + _LINE) + _LINE + _GAP
        self._image = Image.new("RGB", size, "white")
        self._top = _LINE
        for column, name in enumerate(columns):
            self._write(name, _left(column), 0, _CELL)

    def add(self, name: str, pictures: Sequence[Pixels]) -> None:
        """The next row: its pair's name, and one picture ``(H, W, 3)`` of ``uint8`` for each column."""
        self._write(name, _GAP, self._top, self._image.width)
        for column, pixels in enumerate(pictures):
            cell = Image.fromarray(pixels).resize((_CELL, _CELL), Image.Resampling.LANCZOS)
            self._image.paste(cell, (_left(column), self._top + _LINE))
        self._top += _CELL + _LINE

    @property
    def pixels(self) -> Pixels:
        """What it looks like, ``(H, W, 3)`` of ``uint8``."""
        return np.asarray(self._image)

    def _write(self, text: str, left: int, top: int, width: int) -> None:
        short = text
        while short and self._font.getlength(short) > width:
            text = text[:-1]
            short = f"{text}..." if text else ""
        ImageDraw.Draw(self._image).text((left, top + 2), short, "black", self._font)


def _left(column: int) -> int:
    return _GAP + column * (_CELL + _GAP)
