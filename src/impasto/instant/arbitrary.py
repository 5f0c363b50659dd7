"""ArbitraryModel: a model of kind ``arbitrary`` opened: it reads a style as a code, and paints by codes."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np

from impasto.errors import StyleError
from impasto.inference.graph import Array, Compiled, open_graph
from impasto.instant.painter import Painter, Pass, to_network_input
from impasto.models import Model
from impasto.picture.picture import Picture
from impasto.picture.scaling import fit_style
from impasto.picture.transparency import fill_transparent
from impasto.styles import Style, StyleCard

__all__ = ["SCALES", "ArbitraryModel"]

SCALES = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0)
"""Style scales at which a style card keeps a code."""


class ArbitraryModel:
    """Safe to use from several threads."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self._count = int(model.rules["code"])
        self._side = int(model.rules["style_side"])
        self.has_scale = model.rules.get("form") != "pair"
        """Whether a style is read at the scale of its strokes; else it has but one scale."""
        self.curve = np.array(model.rules["strength"], np.float64).T
        # Codes are small and made once: always in f32, so that a card is the same on every machine.
        self._reader = lru_cache(maxsize=1)(lambda: _open_reader(model))
        self.painter = lru_cache(maxsize=None)(lambda precision: Painter(model, precision))
        # A batch reads its painting once. Only the last style is kept, for it may be a large picture.
        self._last = lru_cache(maxsize=1)(self.code)

    def code(self, style: Style, scale: float = 1.0) -> Array:
        """The code ``(1, n)`` of a style whose strokes are ``scale`` times their usual size.

        Raises :class:`StyleError` for a card that has none for this model.
        """
        total = np.zeros((1, self._count), np.float32)
        for part, weight in style.parts:
            if isinstance(part, StyleCard):
                code = part.code(self.model.identity, scale)
                if code.shape != (self._count,):
                    raise StyleError(
                        f"the code of style {part.name} has {len(code)} numbers where {self.model.identity} takes "
                        f"{self._count}; add it again from the picture"
                    )
                total += weight * code
            else:
                total += weight * self._encode(part.picture, scale)
        return total

    def codes(self, pictures: list[Picture]) -> dict[float, Array]:
        """What a style card keeps of pictures that show one style: their mean code at each of :data:`SCALES`."""
        return {scale: np.mean([self._encode(p, scale)[0] for p in pictures], axis=0) for scale in SCALES}

    def passes(self, working: Picture, style: Style, scale: float, strength: float) -> tuple[list[Pass], float]:
        """The passes to add up, and the photograph's own share.

        The code has moved from the photograph's own, which gives back the photograph, towards the style's, as the
        model's curve has it for that strength. What the network loses even then is added back, less and less: so 0 is
        exactly the photograph, and the steps between are pastiches, not double exposures.
        """
        moved = float(np.interp(strength, *self.curve))
        code = self._last(style, scale)
        if moved == 1:
            return [Pass(code)], 0.0
        own = self._encode(working, 1.0)
        rest = 1.0 - moved
        return [Pass((own + moved * (code - own)).astype(np.float32)), Pass(own, -rest)], rest

    def _encode(self, picture: Picture, scale: float) -> Array:
        """The code of one picture whose short side is scaled to the model's style side times ``scale``."""
        read, size = self._reader()
        picture = fill_transparent(picture)
        scaled = picture.as_type(np.dtype(np.uint8)).resized(size or fit_style(picture.size, self._side * scale))
        return read(to_network_input(scaled.pixels))


def _open_reader(model: Model) -> tuple[Callable[[Array], Array], tuple[int, int] | None]:
    """What makes a code of a style's picture, and the one size that it takes, if it does: width and height."""
    if model.rules.get("form") != "pair":
        graph = open_graph(model.file("encoder"), ["code"], precision="f32")
        return (lambda style: graph(style=style)["code"]), None
    from impasto.inference.ir.adapting import adapt_prediction
    from impasto.inference.openvino_core import core

    adapted, (height, width) = adapt_prediction(core().read_model(str(model.file("predict"))))
    compiled = Compiled(adapted, "f32")
    return (lambda style: compiled([style])[0]), (width, height)
