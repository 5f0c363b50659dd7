"""From what an engine painted to the picture that was asked for: size, skin, colours, mask, alpha."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from impasto.color import keep_colors, match_colors
from impasto.instant.skin_tone import keep_skin
from impasto.picture.picture import Picture
from impasto.picture.raster import Pixels
from impasto.picture.row_strips import map_strips
from impasto.picture.scaling import fit
from impasto.request import Request

__all__ = ["finish", "quantise", "restore"]


def quantise(part: Pixels, picture: Picture) -> Pixels:
    """Floats in 0..1 to whole numbers such as ``picture`` has."""
    whole: Pixels = (part * np.float32(picture.peak) + np.float32(0.5)).astype(picture.pixels.dtype)
    return whole


def finish(painted: Picture, request: Request) -> Picture:
    """Scale the painted picture to the size asked for, then see to skin, colour policy, mask and alpha.

    ``painted`` is opaque, of the photograph's proportions and any size.
    """
    photograph = request.content.resized(fit(request.content.size, request.resize)).as_type(painted.pixels.dtype)
    painted = painted.resized(photograph.size)
    if request.skin == "keep":
        painted = keep_skin(painted, photograph)
    if request.colors == "keep":
        painted = keep_colors(painted, photograph)
    elif request.colors == "match":
        painted = match_colors(photograph, painted)
    if request.mask is not None:
        painted = _apply_mask(painted, photograph, request.mask)
    return replace(photograph, pixels=painted.pixels)


def restore(painted: Picture, working: Picture, photograph: Picture, share: float) -> Picture:
    """Give back a share of what ``working``, which was painted from, lacks of the photograph: detail, hidden colour.

    So that a strength near 0 comes near the photograph itself, at its full size.
    """
    painted, working = painted.resized(photograph.size), working.resized(photograph.size)

    def strip(rows: slice) -> Pixels:
        lacking = photograph.pixels[rows].astype(np.float32) - working.pixels[rows]
        return np.asarray((painted.pixels[rows] + share * lacking + 0.5).clip(0, painted.peak))

    return map_strips(painted, strip)


def _apply_mask(painted: Picture, photograph: Picture, mask: Picture) -> Picture:
    """Painted where the mask is white, the photograph where it is black. A mask's own alpha counts as black."""
    where = mask.as_type(np.dtype(np.uint8)).resized(photograph.size)

    def strip(rows: slice) -> Pixels:
        share = where.pixels[rows].mean(2, keepdims=True, dtype=np.float32) / 255
        if where.alpha is not None:
            share = share * (where.alpha[rows, :, None].astype(np.float32) / 255)
        below, above = (p.pixels[rows].astype(np.float32) for p in (photograph, painted))
        return np.asarray(below + (above - below) * share + 0.5)

    return map_strips(painted, strip)
