"""Stylizer: the one function behind every door, with the model kept warm."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from impasto.color import palette
from impasto.engines.instant import InstantEngine
from impasto.errors import RequestError
from impasto.models import find
from impasto.picture import Picture
from impasto.picture.transparency import fill_transparent
from impasto.request import MAX_PIXELS, Progress, Request, Result, options
from impasto.styles import Gallery, Style, StyleCard
from impasto.styles.card import check_name

__all__ = ["Stylizer", "stylize"]

SAMPLE = Path(__file__).parent / "styles" / "sample.webp"
"""The photograph on the thumbnails of style cards: Eileen Collins by NASA, public domain."""

_THUMBNAIL_SIDE = 256


class Stylizer:
    """Repaints pictures; opens its model once. Safe to use from several threads.

    >>> stylizer = Stylizer()
    >>> for photo in photos:
    ...     stylizer.stylize(photo, "starry-night").save(photo.with_suffix(".painted.png"))
    """

    def __init__(
        self, engine: str = "instant", *, model: str | Path | None = None, gallery: Gallery | None = None
    ) -> None:
        """``model`` is one of the engine's kind: a name, ``name@version`` or a folder; by default the engine's own.

        Raises :class:`RequestError` for an unknown engine, and :class:`ModelError` where its model is
        unknown, broken or of another kind.
        """
        if engine != "instant":
            raise RequestError(f"engine is {engine!r}; choose one of instant")
        self.gallery = Gallery() if gallery is None else gallery
        self._engine = InstantEngine(find(engine if model is None else model, kind="arbitrary"))

    @property
    def model(self) -> str:
        """The model in use, ``name@version``."""
        return self._engine.model.identity

    def stylize(self, content: object, style: object, *, mask: object = None, **settings: Any) -> Result:
        """Repaint ``content`` in ``style`` and wait for it.

        ``content`` and ``mask``: a path, bytes, a binary stream, a Pillow image, an array
        (``HxWx3`` or ``HxWx4``, ``uint8`` or float in 0..1) or a :class:`Picture`. ``style``: the
        name of a gallery style, a picture as above, a :class:`Style`, a :class:`StyleCard`, or a
        mapping of any names to weights. ``settings`` are those of :class:`Request`.

        Raises the errors of :mod:`impasto.errors`.
        """
        return self._engine.finish(self.request(content, style, mask=mask, **settings))

    def run(self, request: Request) -> Generator[Progress, None, Result]:
        """Repaint step by step: yields :class:`Progress`, returns the :class:`Result`. Closing it cancels."""
        return self._engine.run(request)

    def request(self, content: object, style: object, *, mask: object = None, **settings: Any) -> Request:
        """Read the pictures, find the style, and check the settings."""
        known = {option.name: option for option in options()}
        for name, value in settings.items():
            if name in known:
                known[name].check(value)
            else:
                raise RequestError(f"there is no setting {name!r}; the settings are {', '.join(sorted(known))}")
        limit = settings.get("max_pixels", MAX_PIXELS)
        return Request(
            content=Picture.of(content, max_pixels=limit),
            style=Style.of(style, self.gallery, max_pixels=limit),
            mask=None if mask is None else Picture.of(mask, max_pixels=limit),
            **settings,
        )

    def card(
        self,
        name: str,
        pictures: Sequence[object],
        *,
        title: str = "",
        artist: str = "",
        date: str = "",
        source: str = "",
    ) -> StyleCard:
        """Make a style card of one or several pictures of one style.

        Its thumbnail is a sample photograph repainted in the style. Raises :class:`StyleError` for
        a name that is not lower-case words joined by hyphens.
        """
        if isinstance(pictures, (str, bytes)) or not isinstance(pictures, Sequence) or not pictures:
            raise RequestError("a style card needs pictures; give a list of at least one")
        check_name(name)
        opened = [Picture.of(p) for p in pictures]
        card = StyleCard(
            name,
            {self.model: self._engine.codes(opened)},
            title=title,
            artist=artist,
            date=date,
            source=source,
            palette=palette(fill_transparent(opened[0])),
        )
        sample = self.stylize(SAMPLE, card, resize=_THUMBNAIL_SIDE, quality=80)
        return replace(card, thumbnail=sample.to_bytes("webp"))


def stylize(content: object, style: object, *, mask: object = None, **settings: Any) -> Result:
    """Repaint ``content`` in ``style``: :meth:`Stylizer.stylize` on a stylizer that is kept for the next call."""
    return _shared().stylize(content, style, mask=mask, **settings)


@lru_cache(maxsize=1)
def _shared() -> Stylizer:
    return Stylizer()
