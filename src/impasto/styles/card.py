"""Style card: the numbers an engine needs of a style, saved under a name, without the picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from impasto.picture.picture import Pixels

__all__ = ["StyleCard"]


@dataclass(frozen=True, slots=True, eq=False)
class StyleCard:
    """A named style. ``codes`` holds, for each model (``"instant@1"``), style codes by style scale.

    A code is a float32 vector; the scale says how large the painting was when it was read, so that
    ``style_scale`` works without the picture. ``palette`` is a few ``"#rrggbb"`` colours, the most
    common first. ``thumbnail`` is a WebP file: a photograph in this style, made by our own network.
    """

    name: str
    codes: Mapping[str, Mapping[float, Pixels]]
    title: str = ""
    artist: str = ""
    date: str = ""
    source: str = ""
    palette: tuple[str, ...] = ()
    thumbnail: bytes = field(default=b"", repr=False)

    def code(self, model: str, scale: float = 1.0) -> Pixels:
        """The code for ``model`` at ``scale``, interpolated in log2 of the scale between those stored.

        Raises :class:`StyleError` where the card was made for other models only.
        """
        raise NotImplementedError
