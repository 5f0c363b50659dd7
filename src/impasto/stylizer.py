"""Stylizer: the one function behind every door, with the model kept warm."""

from __future__ import annotations

import os
from collections.abc import Generator, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from impasto.color import palette
from impasto.errors import MissingExtra, RequestError
from impasto.instant.engine import InstantEngine
from impasto.models import find
from impasto.picture import Picture
from impasto.picture.error_context import naming_errors
from impasto.picture.limits import MAX_PIXELS
from impasto.picture.raster import Pixels
from impasto.picture.transparency import fill_transparent
from impasto.request import Progress, Region, Request, Result, options, preset_settings
from impasto.styles import Gallery, Style, StyleCard
from impasto.styles.card import check_name

if TYPE_CHECKING:
    from impasto.encoders.encoder import Encoder
    from impasto.iterative.engine import IterativeEngine

__all__ = ["Stylizer", "stylize"]

_KNOWN = {option.name: option for option in options()}

SAMPLE = Path(__file__).parent / "styles" / "sample.webp"
"""The photograph on the thumbnails of style cards: Eileen Collins by NASA, public domain."""

_THUMBNAIL_SIDE = 256


class Stylizer:
    """Repaints pictures; opens its model once. Safe to use from several threads.

    >>> from impasto import Stylizer
    >>> stylizer = Stylizer()
    >>> for photo in ("photo.jpg", "other.jpg"):
    ...     print(stylizer.stylize(photo, "starry-night").pastiche.size)
    (160, 120)
    (160, 120)
    """

    def __init__(
        self,
        engine: str = "instant",
        *,
        model: str | Path | None = None,
        gallery: Gallery | None = None,
        encoder: Encoder | None = None,
    ) -> None:
        """``engine`` is what requests ask for unless they say otherwise: ``instant`` or ``iterative``.

        ``model`` is the instant engine's for any style: a name, of which the version in use is taken,
        ``name@version`` or a folder; by default its own. With ``encoder`` the iterative engine looks through that one
        (:mod:`impasto.encoders.encoder`) instead of the one that requests name.

        Raises :class:`RequestError` for an unknown engine, :class:`ModelError` where the model is
        unknown, broken or of another kind, and :class:`MissingExtra` for ``iterative`` without torch.
        """
        _KNOWN["engine"].check(engine)
        self.gallery = Gallery() if gallery is None else gallery
        self.engine = engine
        self._encoder = encoder
        self._instant = InstantEngine("instant" if model is None else model)
        if engine == "iterative":
            _ = self._iterative_engine  # tells at once what is missing

    @property
    def model(self) -> str:
        """The instant engine's model of any style, ``name@version``."""
        return self._instant.model.identity

    def stylize(self, content: object, style: object = None, *, mask: object = None, **settings: Any) -> Result:
        """Repaint ``content`` in ``style`` and wait for it.

        ``content`` and ``mask``: a path, bytes, a binary stream, a Pillow image, an array
        (``HxWx3`` or ``HxWx4``, ``uint8`` or float in 0..1) or a :class:`Picture`. ``style``: the
        name of a gallery style, a picture as above, a :class:`Style`, a :class:`StyleCard`, or a
        mapping of any names to weights. ``settings`` are those of :class:`Request`, and what
        :meth:`request` takes besides.

        Raises :class:`PictureError` for what cannot be read, :class:`StyleError` for a style that cannot be used,
        :class:`RequestError` for a setting that is wrong, and :class:`ModelError` for an unknown or a broken model.

        >>> from impasto import Stylizer
        >>> result = Stylizer().stylize("photo.jpg", {"starry-night": 2, "painting.jpg": 1}, colors="keep", size=96)
        >>> result.pastiche
        <Picture 160 x 120, RGB, 8 bits, jpeg>
        """
        request = self.request(content, style, mask=mask, **settings)
        return (self._iterative_engine if request.engine == "iterative" else self._instant).finish(request)

    def run(
        self, request: Request, *, state: str | Path | None = None, save_every: float = 5.0
    ) -> Generator[Progress, None, Result]:
        """Repaint step by step: yields :class:`Progress`, returns the :class:`Result`. Closing it cancels.

        ``state`` names a file that the iterative engine saves its run in every ``save_every`` seconds, and goes on
        from; the instant engine has nothing to save. Throwing :class:`impasto.request.Enough` into the generator
        ends the iterative engine with the best so far.

        Raises as :meth:`stylize`, when it is first asked for a report.

        >>> from impasto import Stylizer
        >>> stylizer = Stylizer("iterative")
        >>> request = stylizer.request("photo.jpg", "painting.jpg", size=64, steps=2)
        >>> for progress in stylizer.run(request):
        ...     if progress.loss is not None and progress.step == progress.steps:
        ...         print(sorted(progress.losses))
        ['content', 'gram', 'moments']
        """
        if request.engine == "iterative":
            return self._iterative_engine.run(
                request, state=None if state is None else Path(state), save_every=save_every
            )
        return self._instant.run(request)

    def request(
        self, content: object, style: object = None, *, mask: object = None, preset: str | None = None, **settings: Any
    ) -> Request:
        """Read the pictures, find the style, and check the settings.

        ``guide`` and ``initial`` are pictures as :meth:`stylize` takes them; ``regions`` is a sequence of
        :class:`Region`, or of pairs of mask and style; ``preset`` names one of :data:`PRESETS`, which ``settings``
        override.
        """
        if preset is not None:
            settings = preset_settings(preset) | settings
        settings = {"engine": self.engine, **settings}
        guide, initial = settings.pop("guide", None), settings.pop("initial", None)
        regions = settings.pop("regions", ())
        for name, value in settings.items():
            if name not in _KNOWN:
                raise RequestError(f"there is no setting {name!r}; the settings are {', '.join(sorted(_KNOWN))}")
            if not isinstance(value, Mapping):
                _KNOWN[name].check(value)
        limit = settings.get("max_pixels", MAX_PIXELS)
        return Request(
            content=_opened("content", content, limit),
            style=None if style is None else self._style(style, limit),
            regions=tuple(self._region(region, f"region {number}", limit) for number, region in enumerate(regions, 1)),
            mask=None if mask is None else _opened("mask", mask, limit),
            guide=None if guide is None else _opened("guide", guide, limit),
            initial=None if initial is None else _opened("initial", initial, limit),
            **settings,
        )

    def _style(self, given: object, limit: int) -> Style:
        # Of several styles, the mix tells which.
        with nullcontext() if isinstance(given, Mapping) else naming_errors("style"):
            return Style.of(given, self.gallery, max_pixels=limit)

    def _region(self, given: object, which: str, limit: int) -> Region:
        if isinstance(given, Region):
            return given
        if not isinstance(given, Sequence) or isinstance(given, (str, bytes)) or len(given) != 2:
            raise RequestError(f"a region is {type(given).__name__}; give a Region, or a pair of mask and style")
        mask, style = given
        name = Path(mask).stem if isinstance(mask, (str, os.PathLike)) else "region"
        with naming_errors(f"the style of {which}"):
            painted = Style.of(style, self.gallery, max_pixels=limit)
        return Region(_opened(f"the mask of {which}", mask, limit), painted, name)

    @cached_property
    def _iterative_engine(self) -> IterativeEngine:
        try:
            from impasto.iterative.engine import IterativeEngine
        except ImportError as error:
            raise MissingExtra("the engine iterative", "iterative") from error
        return IterativeEngine(self._encoder, starter=self._instant)

    def card(
        self,
        name: str,
        pictures: Sequence[object],
        *,
        network: str = "",
        title: str = "",
        artist: str = "",
        date: str = "",
        source: str = "",
    ) -> StyleCard:
        """Make a style card of one or several pictures of one style.

        ``network`` names a model of kind ``per-style`` that paints it, ``name`` or ``name@version``; with one, there
        need be no pictures. The card's thumbnail is a sample photograph repainted in the style. Raises
        :class:`StyleError` for a name that is not lower-case words joined by hyphens, and :class:`ModelError` where
        there is no such network.
        """
        if isinstance(pictures, (str, bytes)) or not isinstance(pictures, Sequence) or not (pictures or network):
            raise RequestError("a style card needs pictures; give a list of at least one")
        check_name(name)
        if network:
            find(network, kind="per-style")
        opened = [_opened("picture", p, MAX_PIXELS, number, len(pictures)) for number, p in enumerate(pictures, 1)]
        card = StyleCard(
            name,
            self._codes(opened) if opened else {},
            title=title,
            artist=artist,
            date=date,
            source=source,
            network=network,
        )
        sample = self.stylize(SAMPLE, card, engine="instant", resize=_THUMBNAIL_SIDE, quality=80)
        shown = fill_transparent(opened[0]) if opened else sample.pastiche
        return replace(card, palette=palette(shown), thumbnail=sample.to_bytes("webp"))

    def _codes(self, pictures: Sequence[Picture]) -> dict[str, Mapping[float, Pixels]]:
        """What each engine needs of a style; the iterative engine's share only where torch is installed."""
        codes: dict[str, Mapping[float, Pixels]] = {self.model: self._instant.codes(list(pictures))}
        with suppress(MissingExtra):
            codes |= self._iterative_engine.codes(pictures)
        return codes


def _opened(what: str, given: object, limit: int, number: int = 1, of: int = 1) -> Picture:
    with naming_errors(what, number, of=of):
        return Picture.of(given, max_pixels=limit)


def stylize(content: object, style: object = None, *, mask: object = None, **settings: Any) -> Result:
    """Repaint ``content`` in ``style``: :meth:`Stylizer.stylize` on a stylizer that is kept for the next call.

    The settings' units, ranges and defaults are those of :class:`Request`. Raises as :meth:`Stylizer.stylize`.

    >>> import impasto
    >>> result = impasto.stylize("photo.jpg", "starry-night", strength=0.8)
    >>> result.pastiche.size, result.complete
    ((160, 120), True)
    """
    return _shared().stylize(content, style, mask=mask, **settings)


@lru_cache(maxsize=1)
def _shared() -> Stylizer:
    return Stylizer()
