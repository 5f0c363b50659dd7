"""Style: what an engine applies: one picture or card, or several with weights."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from numbers import Real
from pathlib import Path

from impasto.errors import StyleError, UnknownStyle
from impasto.picture.error_context import naming_errors
from impasto.picture.limits import MAX_PIXELS
from impasto.picture.picture import Picture
from impasto.picture.pipes import is_pipe
from impasto.picture.reading import read_pipe
from impasto.styles.card import SUFFIX, StyleCard
from impasto.styles.gallery import Gallery

__all__ = ["PictureStyle", "Style"]


@dataclass(frozen=True, slots=True, eq=False)
class PictureStyle:
    """A picture used as a style, and the name to show for it."""

    picture: Picture
    name: str = "picture"


@dataclass(frozen=True, slots=True, eq=False)
class Style:
    """Cards and pictures with their weights.

    Weights are normalised to sum 1, and parts without weight are left out. Raises
    :class:`StyleError` for weights that are negative, not finite, or all 0.
    """

    parts: tuple[tuple[StyleCard | PictureStyle, float], ...]

    def __post_init__(self) -> None:
        for part, weight in self.parts:
            _check_weight(part.name, weight)
        # By the largest first: a sum of huge weights would overflow, a share of tiny ones vanish.
        most = max((float(weight) for _, weight in self.parts), default=0.0)
        if most == 0:
            raise StyleError("no style has any weight; give at least one a weight above 0")
        total = sum(weight / most for _, weight in self.parts)
        shares = ((part, float(weight / most / total)) for part, weight in self.parts)
        object.__setattr__(self, "parts", tuple((part, share) for part, share in shares if share > 0))

    @classmethod
    def from_card(cls, card: StyleCard) -> Style:
        """The style of one card."""
        return cls(((card, 1.0),))

    @classmethod
    def from_picture(cls, source: object, name: str = "", *, max_pixels: int = MAX_PIXELS) -> Style:
        """The style of one picture: a path, bytes, a Pillow image, an array, or a picture.

        ``name`` is what to show for it; by default the file's, without folder and suffix. Raises
        :class:`PictureError` where it cannot be read.
        """
        if not name and isinstance(source, (str, os.PathLike)):
            name = Path(os.fspath(source)).stem
        return cls(((PictureStyle(Picture.of(source, max_pixels=max_pixels), name or "picture"), 1.0),))

    @classmethod
    def mix(
        cls, weights: Mapping[str | Style, float], gallery: Gallery | None = None, *, max_pixels: int = MAX_PIXELS
    ) -> Style:
        """Several styles by weight: ``{"starry-night": 2, "poppies.jpg": 1}``.

        Keys are gallery names, paths, or styles. Raises :class:`UnknownStyle` for a name that is
        neither, and :class:`StyleError` for weights as described above.

        >>> from impasto import Style
        >>> Style.mix({"starry-night": 3, "painting.jpg": 1}).describe()
        {'starry-night': 0.75, 'painting': 0.25}
        """
        if not isinstance(weights, Mapping):
            raise StyleError(f"a mix is {type(weights).__name__}; give a mapping of styles to weights")
        gallery = Gallery() if gallery is None else gallery
        given = []
        for number, (source, weight) in enumerate(weights.items(), 1):
            with naming_errors("style", number, of=len(weights)):
                style = cls.of(source, gallery, max_pixels=max_pixels)
            _check_weight(source if isinstance(source, str) else style.describe(), weight)
            given.append((style, weight))
        return cls(tuple((part, weight * share) for style, weight in given for part, share in style.parts))

    @classmethod
    def of(cls, source: object, gallery: Gallery | None = None, *, max_pixels: int = MAX_PIXELS) -> Style:
        """Whatever a caller has: a style, a card, a gallery name, a path, bytes, a Pillow image, an array, a picture,
        or a mapping of these to weights.

        For a text, the name of a style in ``gallery`` (the user's own by default) overrides a file
        of that name, and the file before an alias; a pipe is read to its end. Raises :class:`UnknownStyle` where
        there is none of these.
        """
        if isinstance(source, Style):
            return source
        if isinstance(source, StyleCard):
            return cls.from_card(source)
        if isinstance(source, Mapping):
            return cls.mix(source, gallery, max_pixels=max_pixels)
        if isinstance(source, str):
            gallery = Gallery() if gallery is None else gallery
            if source in gallery.names():
                return cls.from_card(gallery.get(source))
            if not (os.path.isfile(source) or is_pipe(source)):
                if source in gallery:
                    return cls.from_card(gallery.get(source))
                raise UnknownStyle(f"{gallery.unknown(source)}, or the path of a picture or {SUFFIX} file")
        if isinstance(source, (str, os.PathLike)):
            path = Path(os.fspath(source))
            if is_pipe(path):  # read once, and what it is is seen then
                return cls.of(read_pipe(path), max_pixels=max_pixels)
            return (
                cls.from_card(StyleCard.from_file(path))
                if path.suffix == SUFFIX
                else cls.from_picture(path, max_pixels=max_pixels)
            )
        # A card is JSON, which no picture format begins like.
        if isinstance(source, (bytes, bytearray, memoryview)) and bytes(source[:1]) == b"{":
            return cls.from_card(StyleCard.from_bytes(bytes(source)))
        return cls.from_picture(source, max_pixels=max_pixels)

    def describe(self) -> object:
        """A JSON value: the name of a single part, else ``{name: weight}``, weights to six digits."""
        if len(self.parts) == 1:
            return self.parts[0][0].name
        described: dict[str, float] = {}
        for part, weight in self.parts:
            name, n = part.name, 1
            while name in described:
                n += 1
                name = f"{part.name} {n}"
            described[name] = round(weight, 6)
        return described


def _check_weight(name: object, weight: object) -> None:
    if isinstance(weight, bool) or not isinstance(weight, Real) or not isfinite(weight) or weight < 0:
        raise StyleError(f"the weight of style {name} is {weight!r}; give a number, 0 or more")
