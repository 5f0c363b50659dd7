"""Canvas: white paper, drawn on several times too large and then shrunk, so that lines come out smooth."""

from __future__ import annotations

import unicodedata
from bisect import bisect_right
from collections.abc import Sequence
from functools import cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from impasto.picture.picture import Pixels

__all__ = ["Canvas", "Point", "length", "shortened"]

Point = tuple[float, float]

_SCALE = 4  # at 2, Pillow's whole pixels still show where a line is nearly level
_ASIDE = "·…"  # beyond ASCII, what the font that comes with Pillow has
_ALIKE = str.maketrans({"ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "×": "x", "–": "-", "—": "-", "’": "'"})


class Canvas:
    """``width`` x ``height`` pixels; everything is measured in those."""

    def __init__(self, width: int, height: int) -> None:
        self.size = width, height
        self._image = Image.new("RGB", (width * _SCALE, height * _SCALE), "white")
        self._draw = ImageDraw.Draw(self._image)
        self._pictures: list[tuple[Image.Image, tuple[int, int]]] = []

    def line(self, points: Sequence[Point], color: str, width: float) -> None:
        """Through all the points, round where it turns and where it ends."""
        scaled = [(x * _SCALE, y * _SCALE) for x, y in points]
        self._draw.line(scaled, color, round(width * _SCALE), joint="curve")
        if width >= 2:
            for end in (points[0], points[-1]):
                self.dot(end, color, width / 2)

    def rule(self, start: Point, end: Point, color: str) -> None:
        """A straight line, upright or level, a pixel wide and sharp."""
        left, top, right, bottom = (round(side) * _SCALE for side in (*start, *end))
        self._draw.rectangle((left, top, right + _SCALE - 1, bottom + _SCALE - 1), color)

    def dot(self, at: Point, color: str, radius: float) -> None:
        """A filled disc."""
        self._draw.circle((at[0] * _SCALE, at[1] * _SCALE), radius * _SCALE, color)

    def text(self, at: Point, text: str, color: str, size: int, anchor: str = "ls") -> None:
        """``text`` in letters of ``size`` pixels; ``anchor`` as Pillow has it."""
        self._draw.text((at[0] * _SCALE, at[1] * _SCALE), _drawable(text), color, _font(size * _SCALE), anchor)

    def paste(self, image: Image.Image, left: int, top: int) -> None:
        """``image`` as it is, over everything else."""
        self._pictures.append((image, (left, top)))

    def shrunk(self) -> Pixels:
        """What it looks like, ``(height, width, 3)`` of ``uint8``."""
        image = self._image.resize(self.size, Image.Resampling.LANCZOS)
        for picture, corner in self._pictures:
            image.paste(picture, corner)
        return np.asarray(image)


def length(text: str, size: int) -> float:
    """How wide ``text`` comes out, in pixels."""
    return _font(size * _SCALE).getlength(_drawable(text)) / _SCALE


def shortened(text: str, size: int, room: float) -> str:
    """``text``, with its end left out where it is wider than ``room``."""
    if length(text, size) <= room:
        return text
    cuts = [f"{text[:count].rstrip()}…" for count in range(min(len(text), 500))]
    return cuts[max(bisect_right(cuts, room, key=lambda cut: length(cut, size)) - 1, 0)]


@cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size=size)


def _drawable(text: str) -> str:
    """``text`` in letters that the font has: without accents, and a ``?`` for each of the others."""
    found = []
    for letter in text.translate(_ALIKE):
        plain = "".join(c for c in unicodedata.normalize("NFKD", letter) if not unicodedata.combining(c))
        ours = letter in _ASIDE or (plain.isascii() and plain.isprintable())
        found.append((letter if letter in _ASIDE else plain) if ours else "?")
    return "".join(found)
