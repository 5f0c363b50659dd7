"""ObjectiveBuilder: a request as objectives, one for each level of the pyramid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import cast

from torch import Tensor

from impasto.encoders.encoder import STYLE_LAYERS, Encoder, Features
from impasto.encoders.pocket import Pocket
from impasto.encoders.vgg import VGG16, VGG19
from impasto.errors import RequestError
from impasto.iterative.regions import region_weights
from impasto.iterative.targets import Targets, picture_tensor
from impasto.losses.multiscale import MultiScale, scale_size, shrink
from impasto.losses.notebooks import NOTEBOOKS, Notebook, SummedGramTerm
from impasto.losses.objective import Objective, StyledRegion
from impasto.losses.statistics import LayerStatistics, Statistics, mean_statistics
from impasto.losses.terms import ContentTerm, StyleTerm, TotalVariation, style_term
from impasto.picture.picture import Picture
from impasto.request import Region, Request
from impasto.request.layer_weights import parse_weights
from impasto.styles import Style

__all__ = ["STROKE_SIDE", "Layers", "ObjectiveBuilder", "chosen_layers", "pixels_at_all_scales", "scale_factors"]

STROKE_SIDE = 768
"""Longest side, in pixels, of the largest picture whose strokes are as large as the painting's are to the encoder.

Larger ones are painted with strokes as large, for their size, as this one's.
"""

_BOLD = 8.0
"""What the weight of content is multiplied by at boldness 0, and divided by at 1."""

_SMALLEST = 48
"""Short side of the smallest scale that is looked at: below, there is little that statistics could be taken of."""


@dataclass(frozen=True, slots=True)
class Layers:
    """Weights by layer, of the style losses and of the content loss."""

    style: Mapping[str, float]
    content: Mapping[str, float]

    @property
    def all(self) -> tuple[str, ...]:
        """Every layer that is needed."""
        return tuple(dict.fromkeys([*self.style, *self.content]))


def chosen_layers(request: Request, kind: type[Encoder], own: tuple[str, ...] = (), *, closed: bool = True) -> Layers:
    """The layers that a request asks for, or that an encoder of that ``kind`` is best used with.

    For an encoder whose layers are ``own`` and not those: all for style, the last for content. Where it is ``closed``,
    it has no others.
    """
    style, content = own, own[-1:]
    if issubclass(kind, (VGG16, VGG19)):
        style, content = (*STYLE_LAYERS, "relu5_1"), ("conv4_2",)
    elif issubclass(kind, Pocket):
        style, content = STYLE_LAYERS, STYLE_LAYERS[-1:]
    if own and not {*style, *content} <= {*own}:
        style, content = own, own[-1:]
    found = Layers(
        _weights_or_default("style_layers", request.style_layers, style),
        _weights_or_default("content_layers", request.content_layers, content),
    )
    if own and closed and (unknown := [name for name in found.all if name not in own]):
        raise RequestError(f"there is no layer {unknown[0]}; the layers are {', '.join(own)}")
    return found


@dataclass(frozen=True)
class ObjectiveBuilder:
    """What to paint: ``working`` is the photograph at the finest level, ``tile`` the side of tiles."""

    request: Request
    targets: Targets
    layers: Layers
    working: Picture
    tile: int | None = None

    def objective(self, size: tuple[int, int]) -> MultiScale:
        """The objective of the level of that size. Raises :class:`RequestError` and :class:`StyleError`."""
        picture = picture_tensor(self.working.resized(size).pixels)
        return MultiScale(
            [(f, self._objective_at_scale(shrink(picture, f), f)) for f in scale_factors(size, self.request.scales)]
        )

    def _objective_at_scale(self, picture: Tensor, factor: int) -> Objective:
        """The objective of one scale, where the photograph looks like ``picture`` and is ``factor`` times smaller."""
        request, encoder = self.request, self.targets.encoder
        size = (picture.shape[3], picture.shape[2])
        tile = self.tile if self.tile is not None and max(size) > self.tile else None
        content_weight = self.content_weight if factor == 1 else 0.0
        own: Statistics = {}
        features: Features = {}
        if content_weight or request.strength < 1:
            own, features = self.targets.content(picture, list(self.layers.style), list(self.layers.content), tile)
        goals = [
            self._interpolate(
                self.targets.style(
                    cast(Style, region.style),
                    self._measured_layers,
                    self._style_scale(size),
                    region.guide,
                    self._squeezed_size(size),
                ),
                own,
            )
            for region in self._regions
        ]
        shares = self._region_weights(size)
        regions = [StyledRegion(self._terms(goal, size), share) for goal, share in zip(goals, shares, strict=True)]
        return Objective(
            encoder,
            regions if request.style_weight else [],
            self._content(features, own, goals, regions) if content_weight else None,
            self._variation(size) if request.tv_weight and factor == 1 else None,
            tile=tile,
        )

    @property
    def content_weight(self) -> float:
        """The weight of content that the boldness leaves."""
        return self.request.content_weight * float(_BOLD ** (1 - 2 * self.request.boldness))

    def _style_scale(self, size: tuple[int, int]) -> float:
        """How large the painting is looked at where the picture is that large.

        Strokes belong to the picture: what is half as large shows them half as large. Beyond
        :data:`STROKE_SIDE` there are no finer ones than the painting's own.
        """
        side = min(max(self.working.size), STROKE_SIDE)
        return self.request.style_scale * min(1.0, max(size) / side)

    def _squeezed_size(self, size: tuple[int, int]) -> tuple[int, int] | None:
        """The size that a painting is squeezed to, if it is."""
        return size if self.request.style_fit == "squeezed" else None

    @property
    def _notebook(self) -> Notebook | None:
        """The notebook whose losses are asked for, if they are."""
        return NOTEBOOKS.get(self.request.loss_scale)

    @cached_property
    def _regions(self) -> tuple[Region, ...]:
        """Every region, last the rest of the picture."""
        request = self.request
        if request.style is None:
            return request.regions
        return (*request.regions, Region(self.working, request.style, "the rest", request.guide))

    @cached_property
    def _measured_layers(self) -> list[str]:
        """Layers that a style is measured at: its own, and where the cosine of content needs to know what to expect."""
        return list(self.layers.all if self.request.content_loss == "cosine" else self.layers.style)

    def _region_weights(self, size: tuple[int, int]) -> list[Tensor | None]:
        if not self.request.regions:
            return [None]
        return list(region_weights(self.request.regions, size, rest=self.request.style is not None))

    def _interpolate(self, goal: Statistics, own: Statistics) -> Statistics:
        """From the photograph's own statistics towards the style's, by the strength."""
        strength = self.request.strength
        return goal if strength == 1 else mean_statistics([(_select_layers(own, goal), 1 - strength), (goal, strength)])

    def _terms(self, goal: Statistics, size: tuple[int, int]) -> dict[str, StyleTerm]:
        request, notebook = self.request, self._notebook
        relative = request.loss_scale == "relative"
        terms: dict[str, StyleTerm] = {}
        for name, weight in parse_weights("style_loss", request.style_loss).items():
            weight *= request.style_weight
            if weight and name == "gram" and notebook is not None:
                weight *= notebook.feature_ratio(self.targets.encoder) ** 4
                pixels = size[0] * size[1]
                terms[name] = SummedGramTerm(goal, self.layers.style, notebook, pixels=pixels, weight=weight)
            elif weight:
                terms[name] = style_term(name)(goal, self.layers.style, relative=relative, weight=weight)
        return terms

    def _variation(self, size: tuple[int, int]) -> TotalVariation:
        request, notebook = self.request, self._notebook
        times = 1.0 if notebook is None else notebook.variation(size, request.tv_power)
        return TotalVariation(power=request.tv_power, weight=times * request.tv_weight)

    def _content(
        self, features: Features, own: Statistics, goals: list[Statistics], regions: list[StyledRegion]
    ) -> ContentTerm:
        request = self.request
        goal: dict[str, LayerStatistics] | None = None
        if request.content_loss == "cosine":
            goal = mean_statistics([(g, region.area) for g, region in zip(goals, regions, strict=True)])
        layers, weight, notebook = self.layers.content, self.content_weight, self._notebook
        if notebook is not None and request.content_loss == "mse":
            layers, weight = (
                notebook.content(layers, features),
                weight * notebook.feature_ratio(self.targets.encoder) ** 2,
            )
        return ContentTerm(
            features,
            layers,
            distance=request.content_loss,
            own=own,
            goal=goal,
            relative=request.loss_scale == "relative",
            weight=weight,
        )


def scale_factors(size: tuple[int, int], count: int | None) -> list[int]:
    """What a picture of ``size`` is divided by where it is looked at: 1, 2, 4 ..., ``count`` of them if it is large
    enough, by default as many as make sense."""
    factors = [1]
    while len(factors) < (count or 16) and min(scale_size(size, 2 * factors[-1])) >= _SMALLEST:
        factors.append(2 * factors[-1])
    return factors


def pixels_at_all_scales(size: tuple[int, int], count: int | None) -> int:
    """How many pixels a picture of ``size`` has at all its scales."""
    sizes = [scale_size(size, factor) for factor in scale_factors(size, count)]
    return sum(width * height for width, height in sizes)


def _select_layers(statistics: Statistics, like: Statistics) -> Statistics:
    return {name: statistics[name] for name in like}


def _weights_or_default(setting: str, text: str | None, default: Sequence[str]) -> dict[str, float]:
    if text is None:
        return dict.fromkeys(default, 1.0)
    return {name: weight for name, weight in parse_weights(setting, text).items() if weight}
