"""Textures made by code: hatching, dots, mosaic, ripples, marble, brush strokes and tiles.

An arbitrary-style network fails on what it never saw, and paintings show few of these.
"""

from __future__ import annotations

import colorsys

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageDraw

__all__ = ["KINDS", "texture"]

Colors = np.ndarray
"""``(n, 3)`` float colours in 0..255; the first is the ground."""


def texture(random: Generator, side: int = 512, kind: str | None = None) -> Image.Image:
    """A square RGB texture of one of :data:`KINDS`, or of any, in a palette of its own.

    The same state of ``random`` gives the same texture.
    """
    paint = _PAINTERS[kind or KINDS[random.integers(len(KINDS))]]
    return paint(random, side, _palette(random))


def _palette(random: Generator) -> Colors:
    """Two to six colours: neighbours on the colour wheel or opposites, mostly with a light or a dark ground."""
    count = int(random.integers(2, 7))
    hue, spread = random.random(), random.choice([0.08, 0.2, 0.5])
    saturation = random.uniform(0, 1)
    colors = [
        colorsys.hsv_to_rgb(
            (hue + random.uniform(-spread, spread)) % 1,
            float(np.clip(saturation + random.normal(0, 0.2), 0, 1)),
            random.uniform(0.1, 1),
        )
        for _ in range(count)
    ]
    ground = random.random()
    if ground < 0.4:
        colors[0] = colorsys.hsv_to_rgb(hue, random.uniform(0, 0.2), random.uniform(0.85, 1))
    elif ground < 0.6:
        colors[0] = colorsys.hsv_to_rgb(hue, random.uniform(0, 0.6), random.uniform(0, 0.15))
    return np.array(colors) * 255


def _hatching(random: Generator, side: int, colors: Colors) -> Image.Image:
    """Strokes in one to three directions, closer together where it is dark."""
    tone = _noise(random, side, octaves=3)
    image, draw = _canvas(side, colors)
    gap = random.uniform(4, 14)
    for layer in range(int(random.integers(1, 4))):
        angle, length = random.uniform(0, np.pi), random.uniform(10, 60)
        along = np.array([np.cos(angle), np.sin(angle)]) * length / 2
        count = int(side * side / (gap * length))
        for x, y in random.uniform(0, side, (count, 2)):
            if tone[int(y), int(x)] > (layer + 1) / 4:
                bend = along + random.normal(0, 1.5, 2)
                ink = _tuple(colors[1 + layer % (len(colors) - 1)])
                draw.line([x - bend[0], y - bend[1], x + bend[0], y + bend[1]], ink, int(random.integers(1, 3)))
    return image


def _dots(random: Generator, side: int, colors: Colors) -> Image.Image:
    """Points of many colours, as the pointillists set them, or a printer's screen."""
    image, draw = _canvas(side, colors)
    size = random.uniform(2, 12)
    if random.random() < 0.5:
        tone = _noise(random, side, octaves=2)
        for x, y in random.uniform(0, side, (int(1.2 * (side / size) ** 2), 2)):
            # Neighbours share their colours, more or less.
            pick = tone[int(y), int(x)] * len(colors) + random.normal(0, 0.6)
            r = size * random.uniform(0.4, 0.8)
            draw.ellipse([x - r, y - r, x + r, y + r], _tuple(colors[int(np.clip(pick, 0, len(colors) - 1))]))
        return image
    tone, angle = _noise(random, side, octaves=2), random.uniform(0, np.pi / 2)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) * size
    reach = int(1.5 * side / size)
    for i in range(-reach, reach):
        for j in range(-reach, reach):
            x, y = turn @ (i, j) + side / 2
            if 0 <= x < side and 0 <= y < side:
                r = size * 0.75 * np.sqrt(tone[int(y), int(x)])
                draw.ellipse([x - r, y - r, x + r, y + r], _tuple(colors[1]))
    return image


def _mosaic(random: Generator, side: int, colors: Colors) -> Image.Image:
    """Stones with joints between them, or panes of stained glass."""
    cell = random.uniform(8, 48)
    count = int(np.ceil(side / cell)) + 2
    grid = np.stack(np.meshgrid(np.arange(count), np.arange(count), indexing="ij"), 2) - 1
    seeds = (grid + 0.5 + random.uniform(-1, 1, grid.shape) * random.uniform(0, 0.5)) * cell
    tints = colors[random.integers(1, len(colors), (count, count))] + random.normal(0, 12, (count, count, 3))
    place = np.moveaxis(np.mgrid[0:side, 0:side], 0, 2).astype(np.float32)
    home = (place / cell).astype(int) + 1
    nearest, second = np.full((side, side), np.inf), np.full((side, side), np.inf)
    shown = np.zeros((side, side, 3))
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            at = (home + np.array([dy, dx])).clip(0, count - 1)
            distance = np.hypot(*np.moveaxis(place - seeds[at[..., 0], at[..., 1]], 2, 0))
            closer = distance < nearest
            second = np.where(closer, nearest, np.minimum(second, distance))
            shown[closer] = tints[at[..., 0], at[..., 1]][closer]
            nearest = np.minimum(nearest, distance)
    joint = ((second - nearest) / random.uniform(1, 4)).clip(0, 1)[..., None]
    return _image(shown * joint + colors[0] * (1 - joint))


def _ripples(random: Generator, side: int, colors: Colors) -> Image.Image:
    """Waves around a few points, bent by noise: water, wood, contour lines."""
    y, x = np.mgrid[0:side, 0:side].astype(np.float32)
    bend = (_noise(random, side, octaves=2) - 0.5) * random.uniform(0, 80)
    wave = np.zeros((side, side))
    for cx, cy in random.uniform(-0.5 * side, 1.5 * side, (int(random.integers(1, 4)), 2)):
        wave += np.sin((np.hypot(x - cx, y - cy) + bend) * 2 * np.pi / random.uniform(8, 50))
    return _image(_mapped(wave / np.abs(wave).max() / 2 + 0.5, colors, hard=random.random() < 0.4))


def _marble(random: Generator, side: int, colors: Colors) -> Image.Image:
    """Fractal noise through the palette: clouds, marble, blots."""
    noise = _noise(random, side, octaves=int(random.integers(3, 7)))
    if random.random() < 0.4:
        noise = np.abs(2 * noise - 1)
    if random.random() < 0.4:
        noise = (noise * random.uniform(2, 6)) % 1
    return _image(_mapped(noise, colors, hard=random.random() < 0.3))


def _strokes(random: Generator, side: int, colors: Colors) -> Image.Image:
    """Brush strokes along a flow, each with bristles of its own shade."""
    image, draw = _canvas(side, colors)
    flow, tone = _noise(random, side, octaves=1) * 4 * np.pi, _noise(random, side, octaves=2)
    width, length = random.uniform(3, 14), random.uniform(15, 60)
    for x, y in random.uniform(0, side, (int(3 * side * side / (width * length)), 2)):
        pick = tone[int(y), int(x)] * len(colors) + random.normal(0, 0.5)
        color = colors[int(np.clip(pick, 0, len(colors) - 1))]
        angle = flow[int(y), int(x)] + random.normal(0, 0.15)
        along = np.array([np.cos(angle), np.sin(angle)])
        across = np.array([-along[1], along[0]])
        for bristle in np.linspace(-width / 2, width / 2, max(2, int(width / 2))):
            a = np.array([x, y]) + across * bristle - along * length * random.uniform(0.35, 0.5)
            b = np.array([x, y]) + across * bristle + along * length * random.uniform(0.35, 0.5)
            draw.line([*a, *b], _tuple(color + random.normal(0, 14, 3)), 2)
    return image


def _tiles(random: Generator, side: int, colors: Colors) -> Image.Image:
    """One small drawing, repeated: woven, printed or laid."""
    cell = int(random.integers(12, 64))
    tile = Image.new("RGB", (2 * cell, 2 * cell), _tuple(colors[0]))
    draw = ImageDraw.Draw(tile)
    for _ in range(int(random.integers(1, 5))):
        color = _tuple(colors[random.integers(1, len(colors))])
        a, b = random.integers(0, 2 * cell, (2, 2))
        box = [*np.minimum(a, b).tolist(), *(np.maximum(a, b) + 1).tolist()]
        match random.integers(4):
            case 0:
                draw.ellipse(box, color)
            case 1:
                draw.rectangle(box, color)
            case 2:
                draw.polygon([tuple(p) for p in random.integers(0, 2 * cell, (3, 2)).tolist()], color)
            case _:
                draw.line([*a.tolist(), *b.tolist()], color, int(random.integers(1, max(2, cell // 4))))
    whole = np.tile(np.asarray(tile), (-(-side // (2 * cell)), -(-side // (2 * cell)), 1))[:side, :side]
    return Image.fromarray(whole).rotate(random.uniform(0, 360), Image.Resampling.BICUBIC, fillcolor=_tuple(colors[0]))


_PAINTERS = {
    "hatching": _hatching,
    "dots": _dots,
    "mosaic": _mosaic,
    "ripples": _ripples,
    "marble": _marble,
    "strokes": _strokes,
    "tiles": _tiles,
}
KINDS = tuple(_PAINTERS)


def _noise(random: Generator, side: int, octaves: int) -> np.ndarray:
    """Fractal value noise ``(side, side)`` in 0..1."""
    total, weight, cells = np.zeros((side, side), np.float32), 1.0, int(random.integers(2, 8))
    for _ in range(octaves):
        small = Image.fromarray(random.random((cells, cells), np.float32))
        total += weight * np.asarray(small.resize((side, side), Image.Resampling.BICUBIC))
        weight, cells = weight / 2, min(side, cells * 2)
    low, high = np.quantile(total, (0.01, 0.99))
    result: np.ndarray = ((total - low) / max(high - low, 1e-6)).clip(0, 1)
    return result


def _mapped(values: np.ndarray, colors: Colors, *, hard: bool) -> np.ndarray:
    """Values 0..1 as colours between those of the palette, or as the palette's own in steps."""
    position = values.clip(0, 1) * (len(colors) - 1)
    if hard:
        position = np.rint(position)
    left = np.minimum(position.astype(int), len(colors) - 2)
    share = (position - left)[..., None]
    result: np.ndarray = colors[left] * (1 - share) + colors[left + 1] * share
    return result


def _canvas(side: int, colors: Colors) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    image = Image.new("RGB", (side, side), _tuple(colors[0]))
    return image, ImageDraw.Draw(image)


def _image(pixels: np.ndarray) -> Image.Image:
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def _tuple(color: np.ndarray) -> tuple[int, int, int]:
    r, g, b = (int(c) for c in color.clip(0, 255))
    return r, g, b
