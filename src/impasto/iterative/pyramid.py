"""The sizes that a picture is painted at, and what it starts from."""

from __future__ import annotations

import numpy as np

from impasto.color import recolour
from impasto.errors import RequestError
from impasto.instant.engine import InstantEngine
from impasto.picture.picture import Picture
from impasto.picture.raster import Pixels
from impasto.picture.scaling import fit, fit_side
from impasto.picture.transparency import fill_transparent
from impasto.request import Request
from impasto.styles import Style, StyleCard

__all__ = ["initial_picture", "level_steps", "levels", "working_size"]

_LEAST = 32
_SAMPLE = 128
"""Longest side, in pixels, of a painting whose colours are looked at."""
_SMALLEST = 64
"""Longest side that the coarsest level has at least, unless the request says how many levels."""


def working_size(request: Request) -> tuple[int, int]:
    """The size to paint at: what the request says, and no side below what the deepest layer can see."""
    width, height = fit_side(request.content.size, request.size, request.size_side)
    return max(_LEAST, width), max(_LEAST, height)


def levels(size: tuple[int, int], count: int | None) -> list[tuple[int, int]]:
    """Sizes from coarse to fine, each half the next: ``count`` of them, or as many as make sense."""
    sizes = [size]
    while len(sizes) < (count or 16):
        coarser = (-(-sizes[0][0] // 2), -(-sizes[0][1] // 2))
        if min(coarser) < _LEAST or (count is None and max(coarser) < _SMALLEST):
            break
        sizes.insert(0, coarser)
    return sizes


def level_steps(steps: int, growth: float, count: int) -> list[int]:
    """Steps of each of ``count`` levels from coarse to fine, ``growth`` times as many at each as at the next."""
    return [round(steps * growth**i) for i in reversed(range(count))]


def initial_picture(
    request: Request, working: Picture, starter: InstantEngine, region_weights: list[Pixels]
) -> Picture:
    """What the request asks to start from, at the size of ``working``.

    ``region_weights`` are the regions' masks and last that of the rest, each ``(H, W)`` in 0..1; empty without regions.
    Raises :class:`RequestError` where it asks for a painting that is not there.
    """
    if request.initial is not None:
        return _opaque(request.initial.as_type(working.pixels.dtype).resized(working.size))
    if request.start == "content":
        return working
    if request.start == "noise":
        random = np.random.default_rng(request.seed)
        return Picture((random.random((*working.pixels.shape,)) * working.peak + 0.5).astype(working.pixels.dtype))
    styles = [Style.of(region.style) for region in request.regions]
    styles += [] if request.style is None else [Style.of(request.style)]
    made = [_start_picture(request, working, style, starter) for style in styles]
    if len(made) == 1:
        return made[0]
    mixed = np.zeros(working.pixels.shape, np.float32)
    for picture, share in zip(made, region_weights, strict=True):
        mixed += picture.pixels * share[..., None]
    return Picture((mixed + 0.5).clip(0, working.peak).astype(working.pixels.dtype))


def _start_picture(request: Request, working: Picture, style: Style, starter: InstantEngine) -> Picture:
    if request.start == "style":
        return _crop_to_photograph(style, working)
    if request.start == "recoloured":
        return recolour(working, _colours(style))
    return _instant_pastiche(request, working, style, starter)


def _colours(style: Style) -> Picture:
    """A small picture with the colours of a style: of each of its parts as many pixels as its weight asks for."""
    strips = []
    for part, weight in style.parts:
        if isinstance(part, StyleCard):
            colours = _palette(part)
        else:
            small = _opaque(part.picture.as_type(np.dtype(np.uint8)))
            colours = small.resized(fit(small.size, min(_SAMPLE, max(small.size)))).pixels.reshape(-1, 3)
        count = max(1, round(_SAMPLE**2 * weight / sum(w for _, w in style.parts)))
        strips.append(colours[np.arange(count) * len(colours) // count])
    return Picture(np.concatenate(strips)[None])


def _palette(card: StyleCard) -> Pixels:
    """A card's colours ``(n, 3)``, the commoner ones more often: how common, it does not say; grey, if it has none."""
    colours = [[int(color[i : i + 2], 16) for i in (1, 3, 5)] for color in card.palette or ("#808080",)]
    return np.repeat(np.array(colours, np.uint8), np.arange(len(colours), 0, -1), axis=0)


def _instant_pastiche(request: Request, working: Picture, style: Style, starter: InstantEngine) -> Picture:
    """The instant engine's pastiche."""
    kept = ("model", "strength", "style_scale", "precision", "deterministic", "bits", "max_pixels")
    settings = {name: getattr(request, name) for name in kept}
    return starter.finish(Request(content=working, style=style, **settings)).pastiche


def _crop_to_photograph(style: Style, working: Picture) -> Picture:
    """The style's heaviest picture, cropped to the photograph's proportions."""
    part = max(style.parts, key=lambda p: p[1])[0]
    if isinstance(part, StyleCard):
        raise RequestError(
            f"start is style, but {part.name} is a card without its picture; give the picture, or another start"
        )
    picture = _opaque(part.picture.as_type(working.pixels.dtype))
    scale = max(working.width / picture.width, working.height / picture.height)
    width, height = (max(1, round(side / scale)) for side in working.size)
    left, top = (picture.width - width) // 2, (picture.height - height) // 2
    cropped = picture.pixels[max(0, top) : top + height, max(0, left) : left + width]
    return Picture(cropped.copy()).resized(working.size)


def _opaque(picture: Picture) -> Picture:
    return Picture(fill_transparent(picture).pixels)
