"""The engine ``instant``: one forward pass of a network that takes the style as a code."""

from __future__ import annotations

import time
from collections.abc import Generator
from functools import lru_cache

import numpy as np

from impasto.engines.finishing import finish, quantise, restore
from impasto.engines.painter import Brush, Painter, planes
from impasto.errors import StyleError
from impasto.models import Model
from impasto.picture.picture import Picture
from impasto.picture.scaling import fit
from impasto.picture.transparency import fill_transparent
from impasto.request import Progress, Request, Result, run_to_end
from impasto.runtime.graph import Array, open_graph
from impasto.styles import Style, StyleCard

__all__ = ["SCALES", "InstantEngine"]

SCALES = (0.25, 0.5, 1.0, 2.0, 4.0)
"""Style scales at which a style card keeps a code."""

_LONGEST_STYLE = 4096
_PREVIEW = 512
"""Longest side of the preview that comes before a picture painted in tiles."""


class InstantEngine:
    """Paints with one model of kind ``arbitrary``. Safe to use from several threads."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self._code = int(model.rules["code"])
        self._side = int(model.rules["style_side"])
        self.curve = np.array(model.rules["strength"], np.float64).T
        # Codes are small and made once: always in f32, so that a card is the same on every machine.
        self._encoder = lru_cache(maxsize=1)(lambda: open_graph(model.file("encoder"), ["code"], precision="f32"))
        self.painter = lru_cache(maxsize=None)(lambda precision: Painter(model, precision))
        # A batch reads its painting once. Only the last style is kept, for it may be a large picture.
        self._code_of = lru_cache(maxsize=1)(self.code)

    def run(self, request: Request) -> Generator[Progress, None, Result]:
        """Repaint ``request.content``; yields progress, returns the result. Closing the generator cancels.

        A picture that takes more than one tile comes with a preview first.
        """
        start = time.perf_counter()
        yield Progress("style", 0.0, 0.0)
        content = request.content.as_type(np.dtype(np.uint16)) if request.bits == 16 else request.content
        moved = float(np.interp(request.strength, *self.curve))
        if moved == 0:
            pastiche = content.resized(fit(content.size, request.resize))
        else:
            working = fill_transparent(content).resized(fit(content.size, request.size))
            painted = yield from self._paint(working, request, moved, start)
            if moved < 1 and (working.size != content.size or content.alpha is not None):
                painted = restore(painted, working, content, 1 - moved)
            pastiche = finish(painted, request)
        return Result(pastiche, request, self.model.identity, time.perf_counter() - start)

    def finish(self, request: Request) -> Result:
        """Run to the end."""
        return run_to_end(self.run(request))

    def code(self, style: Style, scale: float = 1.0) -> Array:
        """The code ``(1, n)`` of a style whose strokes are ``scale`` times their usual size."""
        total = np.zeros((1, self._code), np.float32)
        for part, weight in style.parts:
            if isinstance(part, StyleCard):
                code = part.code(self.model.identity, scale)
                if code.shape != (self._code,):
                    raise StyleError(
                        f"the code of style {part.name} has {len(code)} numbers where {self.model.identity} takes "
                        f"{self._code}; add it again from the picture"
                    )
                total += weight * code
            else:
                total += weight * self._encode(part.picture, scale)
        return total

    def codes(self, pictures: list[Picture]) -> dict[float, Array]:
        """What a style card keeps of pictures that show one style: their mean code at each of :data:`SCALES`."""
        return {scale: np.mean([self._encode(p, scale)[0] for p in pictures], axis=0) for scale in SCALES}

    def _paint(
        self, working: Picture, request: Request, moved: float, start: float
    ) -> Generator[Progress, None, Picture]:
        style = self._code_of(Style.of(request.style), request.style_scale)
        brushes, own = self._brushes(working, style, moved)
        painter = self.painter(request.arithmetic)
        if len(painter.plan(working.height, working.width)) > 1:
            small = working.resized(fit(working.size, _PREVIEW))
            ((_, whole),) = painter.paint(small.pixels, brushes, own)
            yield Progress("preview", 0.0, time.perf_counter() - start, preview=Picture(quantise(whole, small)))
        canvas = np.empty_like(working.pixels)
        done = 0
        for tile, part in painter.paint(working.pixels, brushes, own):
            canvas[tile.keep] = quantise(part, working)
            done += part.shape[0] * part.shape[1]
            share, spent = done / (working.width * working.height), time.perf_counter() - start
            yield Progress("paint", share, spent, spent / share - spent)
        return Picture(canvas)

    def _brushes(self, working: Picture, style: Array, moved: float) -> tuple[list[Brush], float]:
        """The passes to add up, and the photograph's own share.

        The code has ``moved`` from the photograph's own, which gives back the photograph, towards the style's.
        What the network loses even then is added back, less and less: so 0 is exactly the
        photograph, and the steps between are pastiches, not double exposures.
        """
        if moved == 1:
            return [Brush(style)], 0.0
        own = self._encode(working, 1.0)
        rest = 1.0 - moved
        return [Brush((own + moved * (style - own)).astype(np.float32)), Brush(own, -rest)], rest

    def _encode(self, picture: Picture, scale: float) -> Array:
        """The code of one picture whose short side is scaled to the model's style side times ``scale``."""
        picture = fill_transparent(picture)
        short, longest = min(picture.size), max(picture.size)
        factor = min(self._side * scale / short, _LONGEST_STYLE / longest)
        width, height = (max(16, round(side * factor / 8) * 8) for side in picture.size)
        scaled = picture.as_type(np.dtype(np.uint8)).resized((width, height))
        return self._encoder()(style=planes(scaled.pixels))["code"]
