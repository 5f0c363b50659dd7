"""The engine ``instant``: forward passes of networks, that of any style by its code, or one of a style's own."""

from __future__ import annotations

import time
from collections.abc import Generator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from impasto.errors import ModelError, RequestError
from impasto.inference.graph import Array
from impasto.instant.arbitrary import ArbitraryModel
from impasto.instant.coarse_to_fine import STROKES, PassBlend, keep_coarse_strokes, levels, pass_input
from impasto.instant.network import Network, check_paints, open_network
from impasto.instant.painter import Painter, Pass
from impasto.instant.postprocess import finish, quantise, restore
from impasto.models import Model, find
from impasto.models.registry import own_network
from impasto.picture.picture import Picture
from impasto.picture.scaling import fit
from impasto.picture.transparency import fill_transparent
from impasto.request import Precision, Progress, Request, Result, run_to_end
from impasto.styles import Style, StyleCard
from impasto.styles.gallery import is_shipped
from impasto.styles.style import PictureStyle

__all__ = ["InstantEngine"]

_PREVIEW = 1024
"""Longest side of the preview that comes before a picture painted in tiles, at most."""
_ANY, _OWN = 2, 16
"""Models that are kept open, of any style and of one: each takes some megabytes, and a few hundred milliseconds."""


@dataclass(frozen=True, slots=True)
class _Plan:
    """What paints a request: the styles given as codes with their weight, and per-style networks with theirs."""

    code_style: Style | None
    weight: float
    networks: tuple[tuple[Model, float], ...]

    @property
    def only_size(self) -> tuple[int, int] | None:
        """Width and height of all that can be painted, where a network is held to the size it was saved for.

        Raises :class:`RequestError` where two are held to different sizes.
        """
        fixed = {tuple(m.rules["fixed"]): m.identity for m, _ in self.networks if "fixed" in m.rules}
        if len(fixed) > 1:
            told = " and ".join(f"{name} {width}x{height}" for (height, width), name in fixed.items())
            raise RequestError(f"networks paint at one size each, {told}, and cannot be mixed; give one of them alone")
        return next(((int(width), int(height)) for height, width in fixed), None)


class InstantEngine:
    """Paints with one model of kind ``arbitrary``, and with the networks that styles have of their own.

    A style that has a network is painted by it where it stands alone, and where the request names it. Mixed with
    others it goes by its code if it has one, for codes mix better than pixels. Where the user has a network under the
    name of a style that ships, that one paints it, in mixes as well. Safe to use from several threads.
    """

    def __init__(self, model: Model | str | Path = "instant") -> None:
        """A name is looked up for every request: another version may be in use by then."""
        self._given = model
        self._arbitrary_models, self._networks = (
            lru_cache(maxsize=_ANY)(_open_arbitrary),
            lru_cache(maxsize=_OWN)(_open_per_style),
        )
        _ = self._arbitrary_model

    @property
    def model(self) -> Model:
        """The model of any style. Raises :class:`ModelError` where it is not there, or of another kind."""
        return self._given if isinstance(self._given, Model) else find(self._given, kind="arbitrary")

    @property
    def curve(self) -> Array:
        """How far a code moves, by strength."""
        return self._arbitrary_model.curve

    def painter(self, precision: Precision) -> Painter:
        """Of the model of any style."""
        found: Painter = self._arbitrary_model.painter(precision)
        return found

    def code(self, style: Style, scale: float = 1.0) -> Array:
        """As :meth:`ArbitraryModel.code`."""
        return self._arbitrary_model.code(style, scale)

    def codes(self, pictures: list[Picture]) -> dict[float, Array]:
        """As :meth:`ArbitraryModel.codes`."""
        return self._arbitrary_model.codes(pictures)

    def run(self, request: Request) -> Generator[Progress, None, Result]:
        """Repaint ``request.content``; yields progress, returns the result. Closing the generator cancels.

        A picture that takes more than one tile comes with a preview first.
        """
        start = time.perf_counter()
        yield Progress("style", 0.0, 0.0)
        asked = None
        if request.model is not None:
            check_paints(asked := find(request.model))
        arbitrary = (
            self._arbitrary_model
            if asked is None or asked.kind != "arbitrary"
            else self._arbitrary_models(_Key.of(asked))
        )
        plan = _plan(request, asked, arbitrary.model)
        content = request.content.as_type(np.dtype(np.uint16)) if request.bits == 16 else request.content
        if request.strength == 0:
            pastiche = content.resized(fit(content.size, request.resize))
        else:
            only = plan.only_size
            size = fit(content.size, request.size) if only is None else only
            has_scale = arbitrary.has_scale and not plan.networks
            if only is None and not has_scale and not request.boldness:
                size = _size_for_stroke_scale(size, request)
            working = fill_transparent(content).resized(size)
            scale = request.style_scale if has_scale else 1.0
            passes, own = self._passes(plan, arbitrary, working, scale, request)
            sizes = [working.size]
            if only is None and PassBlend.of(request.boldness, request.strength).cover:
                sizes = levels(working.size, request.style_scale)
            painted = yield from self._paint(working, sizes, request, arbitrary, passes, own, start)
            if request.strength < 1 and (working.size != content.size or content.alpha is not None):
                painted = restore(painted, working, content, own)
            pastiche = finish(painted, request)
        names = [arbitrary.model.identity] if plan.code_style is not None else []
        names += [model.identity for model, _ in plan.networks]
        return Result(pastiche, request, ", ".join(names), time.perf_counter() - start)

    def finish(self, request: Request) -> Result:
        """Run to the end."""
        return run_to_end(self.run(request))

    @property
    def _arbitrary_model(self) -> ArbitraryModel:
        return self._arbitrary_models(_Key.of(self.model))

    def _passes(
        self, cast: _Plan, arbitrary: ArbitraryModel, working: Picture, scale: float, request: Request
    ) -> tuple[list[Pass], float]:
        """The passes to add up, and the photograph's own share."""
        passes: list[Pass] = []
        own = 0.0
        if cast.code_style is not None:
            made, own = arbitrary.passes(working, cast.code_style, scale, request.strength)
            own *= cast.weight
            passes = [Pass(one_pass.code, one_pass.weight * cast.weight) for one_pass in made]
        for model, weight in cast.networks:
            network = self._networks(_Key.of(model), request.arithmetic)
            passes.append(Pass(None, weight * request.strength, network))
            own += weight * (1 - request.strength)
        return passes, own

    def _paint(
        self,
        working: Picture,
        sizes: list[tuple[int, int]],
        request: Request,
        arbitrary: ArbitraryModel,
        passes: list[Pass],
        own: float,
        start: float,
    ) -> Generator[Progress, None, Picture]:
        """Coarse to fine, at these ``sizes``; with a preview where the finest pass takes more than one tile."""
        painter = arbitrary.painter(request.arithmetic)
        touch = PassBlend.of(request.boldness, request.strength)
        shown = None
        if len(painter.plan(working.height, working.width, passes)) > 1:
            if len(sizes) == 1:
                sizes = [fit(working.size, _PREVIEW), *sizes]
            shown = max((size for size in sizes if max(size) <= _PREVIEW), default=sizes[0])
        whole, done = sum(width * height for width, height in sizes), 0
        painted: Picture | None = None
        for size in sizes:
            pixels = pass_input(working.resized(size), painted, touch, request.seed).pixels
            canvas = np.empty_like(pixels)
            for tile, part in painter.paint(pixels, passes, own):
                canvas[tile.keep] = quantise(part, working)
                done += part.shape[0] * part.shape[1]
                share, spent = done / whole, time.perf_counter() - start
                yield Progress("paint", share, spent, spent / share - spent)
            finer = Picture(canvas)
            if painted is not None and max(size) > STROKES / request.style_scale:
                finer = keep_coarse_strokes(finer, painted, touch.hold)
            painted = finer
            if size == shown:
                yield Progress("preview", share, spent, spent / share - spent, preview=painted)
        assert painted is not None
        return painted


def _plan(request: Request, asked: Model | None, model: Model) -> _Plan:
    """Who paints, where ``asked`` is what the request names and ``model`` that of any style.

    Raises :class:`ModelError` for who is missing.
    """
    if asked is not None and asked.kind == "per-style":
        return _Plan(None, 0.0, ((asked, 1.0),))
    if request.style is None:
        raise RequestError(f"the model {request.model} paints any style; give one")
    style = Style.of(request.style)
    coded: list[tuple[StyleCard | PictureStyle, float]] = []
    networks: list[tuple[Model, float]] = []
    for part, weight in style.parts:
        card = part if isinstance(part, StyleCard) and asked is None else None
        # Its code is that of the painting, which the user's network may know nothing of.
        if card is not None and is_shipped(card.name) and (own := own_network(card.name)) is not None:
            networks.append((own, weight))
            continue
        network = "" if card is None else card.network
        has_code = not isinstance(part, StyleCard) or model.identity in part.codes
        if network and (len(style.parts) == 1 or not has_code):
            try:
                networks.append((find(network, kind="per-style"), weight))
                continue
            except ModelError:
                # Somebody else's card, whose network was never here: its code is the next best.
                if not has_code:
                    raise
        coded.append((part, weight))
    if not coded:
        return _Plan(None, 0.0, tuple(networks))
    return _Plan(Style(tuple(coded)), sum(weight for _, weight in coded), tuple(networks))


@dataclass(frozen=True, slots=True)
class _Key:
    """What tells a model from every other, and from what was in its folder before."""

    path: Path
    files: tuple[str, ...]

    @classmethod
    def of(cls, model: Model) -> _Key:
        return cls(model.path, tuple(sorted(entry["sha256"] for entry in model.files.values())))


def _open_arbitrary(key: _Key) -> ArbitraryModel:
    return ArbitraryModel(Model.read(key.path))


def _open_per_style(key: _Key, precision: Precision) -> Network:
    return open_network(Model.read(key.path), precision)


def _size_for_stroke_scale(size: tuple[int, int], request: Request) -> tuple[int, int]:
    """The size at which strokes come out at the scale asked for, where a network has but one."""
    width, height = (max(1, round(side / request.style_scale)) for side in size)
    if width * height > max(request.max_pixels, size[0] * size[1]):
        raise RequestError(
            f"style_scale is {request.style_scale:g}, for which this network has to paint "
            f"{width * height / 1e6:.3g} megapixels; give a larger one, or a smaller size"
        )
    return width, height
