"""Skin: it stays about as dark or as fair as it is, and dark hair dark, whatever ground a painting has.

A painting on pale ground makes every picture pale: a sky may take that, a dark face may not. Skin of every tone has
nearly one hue (Hsu, Abdel-Mottaleb and Jain 2002), so it is found by hue, in no time. What else has that hue, such as
wood and sand, keeps its light as well.
"""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageFilter

from impasto.engines.strips import by_strips
from impasto.metrics.light import luma
from impasto.picture.picture import Picture, Pixels
from impasto.picture.scaling import fit
from impasto.runtime.graph import Array

__all__ = ["keep_skin", "skin"]

_GRID, _AREAS = 128, 32
"""Cells along the longest side that skin is found in, and areas whose light is compared: some within a face."""
_HUES = (31.0, 37.0, 66.0, 74.0)
"""Degrees between -Cb and Cr: none, surely, surely, none. Faces of all tones lie between 39 and 66."""
_CHROMA = (0.05, 0.09, 0.7, 0.8)
"""The same for chroma, as a share of luma."""
_SHINE = 13
"""Side in cells of gaps within skin that count as skin: a highlight has no hue, an eye another."""
_NEAR = 21
"""Side in cells of what is near skin: what is dark there is hair, brows and beards, and stays dark."""
_DARK = 0.12, 0.22
"""Luma that is surely dark, and that is not."""
_SOFT = 2.5
"""Cells over which skin fades into what is beside it."""
_TOLERANCE = 20 / 255
"""By how much the mean light of a place may move."""


def keep_skin(painted: Picture, photograph: Picture) -> Picture:
    """``painted`` with skin about as light as in ``photograph``, which is of the same size.

    The mean luma of a place may move by 20 of 255. What goes beyond is taken back: towards black by a factor, towards
    white by one on what is missing, so that hues and strokes stay.
    """
    small = _small(photograph)
    where = skin(small)
    if not where.any():
        return painted
    was, now = (_smooth(_luma(picture), where) for picture in (small, _small(painted)))
    aim = was + (now - was).clip(-_TOLERANCE, _TOLERANCE)
    factor = np.where(aim < now, aim / now.clip(1e-3), (1 - aim) / (1 - now).clip(1e-3)).clip(0, 1)
    times = 1 + where * (factor - 1)
    planes = [Image.fromarray(plane) for plane in (times, np.where(aim < now, np.float32(0), 1 - times))]

    def strip(rows: slice) -> Pixels:
        factors, lift = (_enlarged(plane, painted.size, rows) for plane in planes)
        return (painted.pixels[rows] * factors + (lift * painted.peak + np.float32(0.5))).clip(0, painted.peak)

    return by_strips(painted, strip)


def skin(photograph: Picture) -> Array:
    """How surely there is skin, or dark hair beside it, 0..1, in cells of which the longest side has 128."""
    small = _small(photograph)
    bright = _luma(small)
    red, blue = (small.pixels[..., i].astype(np.float32) / np.float32(small.peak) for i in (0, 2))
    below, above = (blue - bright) / 1.8556, (red - bright) / 1.5748
    hue, chroma = np.degrees(np.arctan2(above, -below)), np.hypot(below, above) / bright.clip(0.05)
    found = _between(hue, _HUES) * _between(chroma, _CHROMA)
    whole = _filtered(found, ImageFilter.MaxFilter(_SHINE), ImageFilter.MinFilter(_SHINE))
    near = _filtered(whole, ImageFilter.MaxFilter(_NEAR))
    dark = ((_DARK[1] - bright) / (_DARK[1] - _DARK[0])).clip(0, 1)
    return _filtered(np.maximum(whole, near * dark), ImageFilter.GaussianBlur(_SOFT))


def _filtered(share: Array, *steps: ImageFilter.Filter) -> Array:
    image = Image.fromarray((share * 255 + 0.5).astype(np.uint8))
    for step in steps:
        image = image.filter(step)
    return np.asarray(image, np.float32) / 255


def _small(picture: Picture) -> Picture:
    return picture.resized(fit(picture.size, _GRID))


def _luma(small: Picture) -> Array:
    found: Array = luma(small.pixels) / np.float32(small.peak)
    return found


def _smooth(light: Array, where: Array) -> Array:
    """Means of areas, blended into one another: of the skin alone, for what is beside it may become what it likes."""
    size = where.shape[1], where.shape[0]
    areas = fit(size, _AREAS)

    def smooth(cells: Array) -> Array:
        image = Image.fromarray(cells).resize(areas, Image.Resampling.BOX)
        return np.asarray(image.resize(size, Image.Resampling.BILINEAR))

    found: Array = smooth(light * where) / smooth(where).clip(1e-3)
    return found


def _enlarged(plane: Image.Image, size: tuple[int, int], rows: slice) -> Array:
    """Rows of a plane that is as large as a picture of ``size``, ``(rows, width, 1)``."""
    scale = plane.height / size[1]
    box = (0.0, rows.start * scale, float(plane.width), rows.stop * scale)
    return np.asarray(plane.resize((size[0], rows.stop - rows.start), Image.Resampling.BILINEAR, box))[..., None]


def _between(value: Array, bounds: tuple[float, float, float, float]) -> Array:
    low, sure, still, high = bounds
    found: Array = ((value - low) / (sure - low)).clip(0, 1) * ((high - value) / (high - still)).clip(0, 1)
    return found
