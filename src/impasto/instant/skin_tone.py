"""Skin: people stay about as dark or as fair as they are, and dark hair dark, whatever ground a painting has.

A painting on pale ground makes every picture pale: a sky may take that, a dark face may not. Skin is what a face is
made of, and what near it has that face's own hue: ears, neck, chest. Where there is no face, there is none, for wood
and sand have the hues of skin (Hsu, Abdel-Mottaleb and Jain 2002).
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from PIL import Image, ImageFilter

from impasto.inference.graph import Array
from impasto.instant.faces import Face, find_faces
from impasto.picture.luma import luma
from impasto.picture.picture import Picture
from impasto.picture.raster import Pixels
from impasto.picture.row_strips import enlarge_rows, map_strips
from impasto.picture.scaling import fit

__all__ = ["keep_skin", "skin_mask"]

_GRID, _AREAS = 128, 32
"""Cells along the longest side that skin is found in, and areas whose light is compared: some within a face."""
_FACE = -0.07, 0.52, 0.63
"""The ellipse that is face whatever its hue, by the box from brows to chin: how much lower its middle is than the
box's, and half its width and height."""
_HAIR = -0.25, 1.0, 1.15
"""The same for what is dark and beside a face: hair, beards."""
_BODY = 0.9, 1.7, 2.3
"""The same for what may be skin of the same person: neck and shoulders more than what is above."""
_HUE = 9.0, 15.0
"""Degrees between -Cb and Cr from a face's own hue: surely the same, and surely not."""
_CHROMA = 1.6, 2.2
"""The same for chroma as a share of luma: by how much it is larger or smaller."""
_COLOURED = 0.05
"""A face of less chroma has no hue: the photograph is without colour, and all that is known of it is the ellipse."""
_DARK = 0.12, 0.22
"""Luma that is surely dark, and that is not."""
_SOFT = 0.12, 0.7, 2.5
"""Over how much of a face's width skin fades into what is beside it, and the least and the most in cells."""
_TOLERANCE = 20 / 255
"""By how much the mean light of a place may move."""
_DRAWN = 0.7
"""Contrast within a place, as a share of the photograph's, below which a face would become a cloud."""
_SEEN = 512
"""Longest side that contrast is measured on."""


def keep_skin(painted: Picture, photograph: Picture) -> Picture:
    """``painted`` with skin about as light as in ``photograph``, which is of the same size.

    The mean luma of a place may move by 20 of 255. What goes beyond is taken back: towards black by a factor, towards
    white by one on what is missing, so that hues and strokes stay. A face that lost its drawing gets it back, as far as
    seven tenths of the photograph's contrast. Where nobody is, it is ``painted`` itself.

    Raises :class:`ModelError` where the network that finds faces is missing or broken.
    """
    faces = find_faces(photograph)
    if not faces:
        return painted
    small = _shrink(photograph)
    where = _skin_cells(faces, small)
    was, now = (_smooth(_luma(picture), where) for picture in (small, _shrink(painted)))
    aim = was + (now - was).clip(-_TOLERANCE, _TOLERANCE)
    factor = np.where(aim < now, aim / now.clip(1e-3), (1 - aim) / (1 - now).clip(1e-3)).clip(0, 1)
    times = 1 + where * (factor - 1)
    lift = np.where(aim < now, np.float32(0), 1 - times)
    mean, missing = _lost_drawing(painted, photograph, (times, lift), where)
    planes = [Image.fromarray(plane) for plane in (times, lift, missing, mean)]

    def strip(rows: slice) -> Pixels:
        factors, lifts, shares, means = (enlarge_rows(plane, painted.size, rows) for plane in planes)
        if shares.any():  # most rows of most pictures have lost nothing
            lifts = lifts + shares * (luma(photograph.pixels[rows])[..., None] / np.float32(photograph.peak) - means)
        moved: Pixels = painted.pixels[rows] * factors + lifts * painted.peak + np.float32(0.5)
        return moved.clip(0, painted.peak)

    return map_strips(painted, strip)


def _lost_drawing(
    painted: Picture, photograph: Picture, light: tuple[Array, Array], where: Array
) -> tuple[Array, Array]:
    """The mean luma of areas of the photograph, and the share of what differs from it that its skin has lost.

    ``light`` is the factor and the lift that the pastiche is about to get.
    """
    size = fit(photograph.size, min(_SEEN, max(photograph.size)))
    was, now = (_luma(picture.resized(size)) for picture in (photograph, painted))
    times, lift = (enlarge_rows(Image.fromarray(plane), size, slice(0, size[1]))[..., 0] for plane in light)
    mean, drawn = _contrast(was)
    _, left = _contrast(now * times + lift)
    missing = (_DRAWN - left / drawn.clip(0.01)).clip(0)
    return mean, where * np.asarray(Image.fromarray(missing).resize(where.shape[::-1], Image.Resampling.BILINEAR))


def _contrast(bright: Array) -> tuple[Array, Array]:
    """The mean of every area, and the standard deviation from it within areas of twice the side."""
    size = bright.shape[1], bright.shape[0]
    areas = fit(size, _AREAS)
    mean = Image.fromarray(bright).resize(areas, Image.Resampling.BOX)
    away = np.square(bright - np.asarray(mean.resize(size, Image.Resampling.BILINEAR)))
    return np.asarray(mean), np.sqrt(
        np.asarray(Image.fromarray(away).resize(fit(areas, max(areas) // 2 or 1), Image.Resampling.BOX))
    )


def skin_mask(photograph: Picture) -> Array:
    """How surely there is skin, or dark hair beside it, 0..1, in cells of which the longest side has 128.

    Raises :class:`ModelError` where the network that finds faces is missing or broken.
    """
    return _skin_cells(find_faces(photograph), _shrink(photograph))


def _skin_cells(faces: Iterable[Face], small: Picture) -> Array:
    bright = _luma(small)
    red, blue = (small.pixels[..., i].astype(np.float32) / np.float32(small.peak) for i in (0, 2))
    # As a point of the plane of colours; its length is the chroma as a share of luma, its angle the hue.
    colour = ((bright - blue) / 1.8556 + 1j * (red - bright) / 1.5748) / bright.clip(0.05)
    where = np.zeros_like(bright)
    for face in faces:
        np.maximum(where, _person_mask(face, bright, colour), out=where)
    return where


def _person_mask(face: Face, bright: Array, colour: Array) -> Array:
    """Skin and dark hair of one person, 0..1."""
    dark = _ramp_down(bright, _DARK)
    inside = _ellipse(face, _FACE, bright.shape)
    own = _ellipse(face, tuple(0.7 * part for part in _FACE), bright.shape) * (1 - dark)
    found = inside
    if own.sum() > 0 and abs(mean := (own * colour).sum() / own.sum()) > _COLOURED:
        other = colour / mean
        chroma = np.abs(other).clip(1e-3)
        like = _ramp_down(np.abs(np.degrees(np.angle(other))), _HUE) * _ramp_down(
            np.maximum(chroma, 1 / chroma), _CHROMA
        )
        found = np.maximum(
            inside, like * _connected_cells(inside > 0.5, (like * _ellipse(face, _BODY, bright.shape)) > 0.5)
        )
    found = np.maximum(found, dark * _ellipse(face, _HAIR, bright.shape))
    share, least, most = _SOFT
    width = (face.right - face.left) * bright.shape[1]
    return _filtered(found, ImageFilter.GaussianBlur(float(np.clip(share * width, least, most))))


def _ellipse(face: Face, form: tuple[float, ...], shape: tuple[int, ...]) -> Array:
    """1 within an ellipse at a face, 0 beyond it; in between over a cell, so that the smallest face has some."""
    height, width = shape
    lower, *halves = form
    tall, wide = (face.bottom - face.top) * height, (face.right - face.left) * width
    across = (np.arange(width) + 0.5 - (face.left + face.right) / 2 * width) / (halves[0] * wide)
    down = (np.arange(height) + 0.5 - (face.top + face.bottom) / 2 * height - lower * tall) / (halves[1] * tall)
    far = np.hypot(across[None, :], down[:, None])
    inside: Array = ((1 - far) * min(halves[0] * wide, halves[1] * tall) + 0.5).clip(0, 1).astype(np.float32)
    return inside


def _connected_cells(start: Array, among: Array) -> Array:
    """Those cells ``among`` all that hang together with the start."""
    reached, among = start, among | start
    while True:
        padded = np.pad(reached, 1)
        rows = padded[:-2] | padded[1:-1] | padded[2:]
        grown = (rows[:, :-2] | rows[:, 1:-1] | rows[:, 2:]) & among
        if (grown == reached).all():
            return reached
        reached = grown


def _ramp_down(value: Array, bounds: tuple[float, float]) -> Array:
    """1 up to the first of two bounds, 0 from the second on."""
    found: Array = ((bounds[1] - value) / (bounds[1] - bounds[0])).clip(0, 1)
    return found


def _filtered(share: Array, step: ImageFilter.Filter) -> Array:
    return np.asarray(Image.fromarray((share * 255 + 0.5).astype(np.uint8)).filter(step), np.float32) / 255


def _shrink(picture: Picture) -> Picture:
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
