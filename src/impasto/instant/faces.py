"""Faces: where they are in a photograph, found by BlazeFace (Bazarevsky et al. 2019) on the processor.

The network looks at squares of 192 pixels and finds faces that fill a sixteenth of one or more. So it looks at the
whole picture, at overlapping squares of a large one, and then once more, closely, at whatever it took for a face.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

import numpy as np
from PIL import Image

from impasto.inference.graph import Array, OpenVinoGraph
from impasto.inference.tiles import tiles
from impasto.models.store import shipped
from impasto.picture.picture import Picture
from impasto.picture.scaling import fit
from impasto.picture.transparency import fill_transparent

__all__ = ["Face", "find_faces"]

_SIDE, _STRIDE = 192, 4
"""Pixels of a side of what the network sees, and from one to the next of the places where it may say: a face."""
_SHARES = 1.0, 4 / 7, 4 / 13
"""Sides of the squares that are looked at, by the longest side: one, two or four abreast, overlapping by a quarter."""
_WORTH = 2.5
"""How many pixels of the picture one that the network sees must stand for, for smaller squares to be looked at: those
would show faces of fewer than 30 pixels. In a large picture they cost next to nothing of the time it takes."""
_LARGEST = round(_SIDE * _WORTH / _SHARES[-1])
"""Longest side in pixels of the copy that is looked at."""
_MAYBE, _SURELY = 0.2, 0.5
"""Scores from which a place is looked at closely, and from which it is a face then."""
_AROUND = 2.5
"""Side of the square of that closer look, by the face's."""
_GAP = 1.2
"""How often too large Pillow leaves what it shrinks by boxes first, for half the time."""
_MOST = 64
"""How many places are looked at closely, the likeliest ones."""
_SAME = 0.4
"""Two boxes that have so much of the smaller one in common are one face."""


class Face(NamedTuple):
    """A face from its brows to its chin: the edges of a box, as fractions of the whole width and height.

    Those of a face that the picture cuts off may lie outside 0..1.
    """

    left: float
    top: float
    right: float
    bottom: float


def find_faces(photograph: Picture) -> tuple[Face, ...]:
    """The faces of a picture, the surest first; the same on every run.

    Raises :class:`ModelError` where the network that ships is missing or broken.
    """
    seen = fill_transparent(photograph.resized(fit(photograph.size, min(_LARGEST, max(photograph.size)))))
    pixels = Image.fromarray(seen.as_type(np.dtype(np.uint8)).pixels)
    maybe = _suppress_overlaps(np.concatenate([_detect(pixels, *square, _MAYBE) for square in _squares(pixels.size)]))
    looks = [_refine(pixels, box) for box in maybe[:_MOST, :4]]
    surely = _suppress_overlaps(np.concatenate(looks)) if looks else maybe
    scale = np.tile(np.array(pixels.size, np.float64), 2)
    return tuple(Face(*(float(edge) for edge in box)) for box in surely[:, :4] / scale)


def _squares(size: tuple[int, int]) -> Iterator[tuple[float, float, float]]:
    """Left, top and side of what is looked at. The first holds all of the picture, and lies beyond it."""
    width, height = size
    longest = max(size)
    yield (width - longest) / 2, (height - longest) / 2, longest
    for share in _SHARES[1:]:
        side = round(share * longest)
        if side >= _WORTH * _SIDE:
            for tile in tiles(height, width, window=side, margin=side // 8, multiple=1):
                rows, columns = tile.window
                yield columns.start, rows.start, side


def _refine(image: Image.Image, box: Array) -> Array:
    """The face at a place, of which a look from afar has said that there may be one: one row or none."""
    side = _AROUND * max(box[2] - box[0], box[3] - box[1])
    left, top = (box[:2] + box[2:]) / 2 - side / 2
    found = _detect(image, left, top, side, _SURELY)
    same = found[_overlap(box, found) > _SAME]
    return same[same[:, 4].argsort()[::-1][:1]]


def _detect(image: Image.Image, left: float, top: float, side: float, least: float) -> Array:
    """What the network finds in a square, in pixels of the image, with its score of ``least`` or more: ``(N, 5)``."""
    said = _network()(input=_square(image, left, top, side))
    scores = 1 / (1 + np.exp(-said[_SCORES][0, :, 0].astype(np.float64).clip(-60, 60)))
    sure = scores >= least
    boxes = said[_BOXES][0, sure, :4].astype(np.float64) / _SIDE
    row, column = np.divmod(np.flatnonzero(sure), _SIDE // _STRIDE)
    centre = boxes[:, :2] + (np.stack([column, row], 1) + 0.5) * _STRIDE / _SIDE
    half = boxes[:, 2:].clip(1 / _SIDE) / 2
    found = np.concatenate([centre - half, centre + half], 1) * side + np.array([left, top, left, top])
    return np.concatenate([found, scores[sure, None]], 1)


def _square(image: Image.Image, left: float, top: float, side: float) -> Array:
    """A square of the image as the network takes it, ``(1, 192, 192, 3)`` in -1..1: black beyond the image."""
    canvas = np.zeros((1, _SIDE, _SIDE, 3), np.uint8)
    first = [max(0.0, edge) for edge in (left, top)]
    last = [min(float(end), edge + side) for end, edge in zip(image.size, (left, top), strict=True)]
    start = [round((a - edge) / side * _SIDE) for a, edge in zip(first, (left, top), strict=True)]
    stop = [round((b - edge) / side * _SIDE) for b, edge in zip(last, (left, top), strict=True)]
    size = stop[0] - start[0], stop[1] - start[1]
    if min(size) > 0:
        box = (first[0], first[1], last[0], last[1])
        part = image.resize(size, Image.Resampling.BILINEAR, box, reducing_gap=_GAP)
        canvas[0, start[1] : stop[1], start[0] : stop[0]] = np.asarray(part)
    return canvas.astype(np.float32) / np.float32(127.5) - 1


def _suppress_overlaps(found: Array) -> Array:
    """Each face once: the surest of those boxes that have most of it in common, the surest first."""
    left, kept = found[np.argsort(-found[:, 4], kind="stable")], []
    while len(left):
        kept.append(left[0])
        left = left[1:][_overlap(left[0], left[1:]) <= _SAME]
    return np.array(kept).reshape(-1, 5)


def _overlap(box: Array, others: Array) -> Array:
    """How much of the smaller box two have in common, 0..1."""
    low, high = np.maximum(box[:2], others[:, :2]), np.minimum(box[2:4], others[:, 2:4])
    areas = (others[:, 2:4] - others[:, :2]).prod(1)
    shared: Array = (high - low).clip(0).prod(1) / np.minimum(areas, (box[2:4] - box[:2]).prod())
    return shared


_BOXES, _SCORES = "reshaped_regressor_face_4", "reshaped_classifier_face_4"


@cache
def _network() -> OpenVinoGraph:
    # On the processor and in f32 everywhere: the same faces on every machine.
    (model,) = shipped("blazeface")
    return OpenVinoGraph(model.file("network"), [_BOXES, _SCORES], precision="f32")
