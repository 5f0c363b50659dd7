"""Faces: where they are in photographs, for skin is what people see first when a pastiche is too dark or too pale."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from impasto.errors import RequestError
from impasto.evaluation.inputs import SIDE
from impasto.evaluation.metrics import mean_luma
from impasto.evaluation.pairs import read_json
from impasto.picture.raster import Pixels

__all__ = ["Box", "Faces", "Place", "luma_shifts", "places", "read_faces"]

Box = tuple[float, float, float, float]
"""Left, top, right and bottom, as fractions of the whole picture's width and height."""

Faces = Mapping[str, tuple[Box, ...]]
"""The boxes of each photograph, by its file's name."""

Place = tuple[slice, slice]
"""Rows and columns of the square that is painted."""


def read_faces(file: Path | None = None) -> dict[str, tuple[Box, ...]]:
    """Read ``{"photo.jpg": [[left, top, right, bottom], ...], ...}``; by default what ships.

    What ships was marked by hand, skin from brow to chin, on the Kodak photographs and some of CLIC and CID22.
    Raises :class:`RequestError`, naming the photograph, for what is not that.
    """
    if file is None:
        found: Any = json.loads((files("impasto.evaluation") / "faces.json").read_text("utf-8"))
    else:
        found = read_json(file)
        if not isinstance(found, dict):
            raise RequestError(f'{file} is not a list of faces; give {{"photo.jpg": [[0.4, 0.2, 0.6, 0.5]], ...}}')
    return {name: _boxes(name, boxes) for name, boxes in found.items()}


def places(boxes: tuple[Box, ...], size: tuple[int, int]) -> list[Place]:
    """The boxes of a photograph of ``(width, height)`` in its middle square; one outside of it is left out."""
    found = []
    for left, top, right, bottom in boxes:
        columns, rows = (_to_square(a, b, i, size) for a, b, i in ((left, right, 0), (top, bottom, 1)))
        if rows.stop > rows.start and columns.stop > columns.start:
            found.append((rows, columns))
    return found


def luma_shifts(pastiche: Pixels, photograph: Pixels, where: list[Place]) -> tuple[float, ...]:
    """How much lighter each place is in the pastiche, levels of 255 of mean luma: negative where it is darker."""
    return tuple(mean_luma(pastiche, place) - mean_luma(photograph, place) for place in where)


def _to_square(low: float, high: float, axis: int, size: tuple[int, int]) -> slice:
    """A span of the whole picture as pixels of the middle square."""
    side = min(size)
    before = (size[axis] - side) // 2
    first, last = ((fraction * size[axis] - before) / side for fraction in (low, high))
    return slice(*(round(min(max(edge, 0), 1) * SIDE) for edge in (first, last)))


def _boxes(name: str, boxes: Any) -> tuple[Box, ...]:
    if isinstance(boxes, list) and all(map(_is_box, boxes)):
        return tuple((float(a), float(b), float(c), float(d)) for a, b, c, d in boxes)
    raise RequestError(
        f"the faces of {name} are {boxes!r:.100}; give a list of [left, top, right, bottom], fractions from 0 to 1"
    )


def _is_box(box: Any) -> bool:
    if not isinstance(box, list) or len(box) != 4 or not all(type(edge) in (int, float) for edge in box):
        return False
    left, top, right, bottom = box
    return bool(0 <= left < right <= 1 and 0 <= top < bottom <= 1)
