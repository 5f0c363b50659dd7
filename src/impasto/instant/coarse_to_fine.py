"""Coarse to fine: the sizes that a picture is painted at, and what each pass is given to paint.

A network's strokes are a few pixels wide whatever it paints. Painted small first, they are large; the next pass paints
over the photograph blended with what is there. So strokes belong to the picture and not to its pixels, and the finest
pass adds the grain of the paint.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log2

import numpy as np
from PIL import Image

from impasto.inference.graph import Array
from impasto.picture.picture import Picture
from impasto.picture.raster import Pixels
from impasto.picture.row_strips import enlarge_rows, map_strips

__all__ = ["STROKES", "PassBlend", "keep_coarse_strokes", "levels", "pass_input"]

STROKES = 768
"""Longest side, in pixels, of a picture on which a network's own strokes are as large as they should be."""

_COARSEST = STROKES // 4
"""Longest side of the coarsest pass."""
_SMALLEST = 48
"""No pass is smaller: there would be nothing left to recognise."""
_CELL = 8
"""Side of the squares that contrast is measured on, in pixels."""
_STRIP = 32 * _CELL
"""Rows worked on at a time, so that a large picture needs little more memory than itself."""
_EDGE = 0.1
"""Contrast, as a standard deviation where white is 1, of what is surely drawn: an edge, a letter."""
_FEATURES, _AROUND = 0.047, 12
"""Mean contrast of a place that surely has features, such as a face; it is measured over that part of the picture."""
_FLAT = 0.031
"""Contrast from which on no grain is needed."""


@dataclass(frozen=True, slots=True)
class PassBlend:
    """How a pass treats what it is given, all in 0..1.

    ``cover`` is how much of the coarser pastiche shows through, ``keep`` how much less of it where the photograph has
    a drawing, ``grain`` the standard deviation of the noise where it is flat, ``hold`` how far the strokes of the
    coarser pastiche stay as they are once strokes are as small as they should be.
    """

    cover: float
    keep: float
    grain: float
    hold: float

    @classmethod
    def of(cls, boldness: float, strength: float) -> PassBlend:
        """Nothing at all at boldness 0; towards strength 0 ever less, for there the photograph comes back."""
        reach = strength * boldness
        return cls(reach, 1 - 0.9 * boldness**1.5, 0.06 * reach, min(1.0, 2 * boldness))


def levels(size: tuple[int, int], style_scale: float = 1.0) -> list[tuple[int, int]]:
    """Sizes from coarse to fine, each about twice the last, the last ``size`` itself.

    The coarsest depends on ``style_scale`` alone and not on the size, so that a small picture and a large one get
    the same strokes.
    """
    longest, coarsest = max(size), max(_SMALLEST, _COARSEST / style_scale)
    steps = max(0, round(log2(longest / coarsest)))
    shares = [(coarsest / longest) ** (1 - step / steps) for step in range(steps)]
    return [*((max(1, round(size[0] * share)), max(1, round(size[1] * share))) for share in shares), size]


def pass_input(photograph: Picture, coarser: Picture | None, touch: PassBlend, seed: int) -> Picture:
    """What a pass paints on: ``photograph``, with the ``coarser`` pastiche showing through and grain where it is flat.

    Faces, lettering and edges keep their drawing. Grain gives strokes something to hold on to: without it, a network
    stamps the same pattern all over a sky. The same for the same seed.
    """
    if not touch.cover:
        return photograph
    height, width = photograph.pixels.shape[:2]
    peak = photograph.peak
    contrast = _contrast(photograph)
    flat = Image.fromarray(np.float32(touch.grain * peak) * (1 - contrast / _FLAT).clip(0, 1))
    noise = Image.fromarray(np.random.default_rng(seed).standard_normal((-(-height // 2), -(-width // 2)), np.float32))
    if coarser is not None:
        below = coarser.resized(photograph.size).pixels
        kept = np.float32(touch.keep) * _drawing_share(contrast, max(height, width))
        cover = Image.fromarray(np.float32(touch.cover) * (1 - kept))
    pixels = np.empty_like(photograph.pixels)
    for top in range(0, height, _STRIP):
        rows = slice(top, min(top + _STRIP, height))
        strip = photograph.pixels[rows].astype(np.float32)
        if coarser is not None:
            strip += _enlarge_rows(cover, _CELL, width, rows, Image.Resampling.BILINEAR) * (below[rows] - strip)
        grain = _enlarge_rows(flat, _CELL, width, rows, Image.Resampling.BILINEAR)
        strip += grain * _enlarge_rows(noise, 2, width, rows, Image.Resampling.BICUBIC)
        pixels[rows] = (strip + 0.5).clip(0, peak)
    return Picture(pixels)


def keep_coarse_strokes(finer: Picture, coarser: Picture, hold: float) -> Picture:
    """``finer`` with the strokes of ``coarser``, which a pass over a large picture paints over with far smaller ones.

    The two are joined by their frequencies (Burt & Adelson 1983): shrunk to half the size of ``coarser``, where its
    strokes are seen and its edges are sharp, the result is ``coarser`` at ``hold`` 1, and ``finer`` at 0.
    """
    low = (max(1, coarser.width // 2), max(1, coarser.height // 2))
    away = np.float32(hold) * (coarser.resized(low).pixels.astype(np.float32) - finer.resized(low).pixels)
    planes = [Image.fromarray(away[..., channel]) for channel in range(3)]

    def strip(rows: slice) -> Pixels:
        wide = [enlarge_rows(plane, finer.size, rows, Image.Resampling.BICUBIC) for plane in planes]
        joined: Pixels = (finer.pixels[rows] + np.concatenate(wide, 2) + 0.5).clip(0, finer.peak)
        return joined

    return map_strips(finer, strip)


def _contrast(photograph: Picture) -> Array:
    """Standard deviation of the mean of the three colours over each cell, where white is 1."""
    height, width = photograph.pixels.shape[:2]
    found = np.empty((-(-height // _CELL), -(-width // _CELL)), np.float32)
    for top in range(0, height, _STRIP):
        grey = photograph.pixels[top : top + _STRIP].mean(2, dtype=np.float32) / photograph.peak
        down, right = (-side % _CELL for side in grey.shape)
        # A cell that reaches beyond the picture repeats what is there.
        cells = np.pad(grey, ((0, down), (0, right)), mode="edge")
        cells = cells.reshape(cells.shape[0] // _CELL, _CELL, -1, _CELL)
        found[top // _CELL :][: cells.shape[0]] = cells.std((1, 3))
    return found


def _drawing_share(contrast: Array, longest: int) -> Array:
    """How much of a drawing there is in each cell, 0..1: by its own contrast, or by that of what is around it."""
    rows, columns = contrast.shape
    around = max(1.0, longest / _CELL / _AROUND)
    # An edge counts once, however hard it is: a lone pole in a sky is not a face.
    features = Image.fromarray(contrast.clip(0, 1.2 * _EDGE))
    coarse = features.resize((max(1, round(columns / around)), max(1, round(rows / around))), Image.Resampling.BOX)
    mean = np.asarray(coarse.resize((columns, rows), Image.Resampling.BILINEAR))
    return np.maximum(contrast / _EDGE, mean / _FEATURES).clip(0, 1)


def _enlarge_rows(plane: Image.Image, times: int, width: int, rows: slice, how: Image.Resampling) -> Pixels:
    """Rows of ``plane`` enlarged ``times``, ``(rows, width, 1)``: those of the whole, whatever the rows."""
    box = (0.0, rows.start / times, width / times, rows.stop / times)
    return np.asarray(plane.resize((width, rows.stop - rows.start), how, box))[..., None]
