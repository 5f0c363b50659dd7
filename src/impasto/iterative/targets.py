"""Targets: what the losses compare a picture with, measured on photographs, paintings and style cards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from impasto.encoders.encoder import STYLE_LAYERS, Encoder, Features
from impasto.encoders.vgg_layout import VGGLayout
from impasto.errors import StyleError
from impasto.losses.statistics import LayerStatistics, mean_statistics, measure, pack, unpack
from impasto.picture.picture import Picture
from impasto.picture.raster import Pixels
from impasto.picture.transparency import fill_transparent
from impasto.styles import Style, StyleCard

__all__ = ["STYLE_SIDE", "Targets", "card_code", "mask_tensor", "picture_tensor"]

STYLE_SIDE = 512
"""Short side that a style's picture is looked at with, in pixels, where the style scale is 1."""

_LEAST, _MOST = 32, 4096
_TILE = 1024
"""Side of the tiles that a style's picture is looked at in."""


@dataclass(frozen=True)
class Targets:
    """Measures with one encoder. ``identity`` is its model's name and version, as style cards know it."""

    encoder: Encoder
    identity: str
    _found: dict[object, dict[str, LayerStatistics]] = field(default_factory=dict, repr=False, compare=False)

    def content(
        self,
        picture: Tensor,
        style_layers: Sequence[str],
        content_layers: Sequence[str],
        tile: int | None,
        guide: Tensor | None = None,
    ) -> tuple[dict[str, LayerStatistics], Features]:
        """Statistics at every layer, and features at the content layers, of a picture ``(1, 3, H, W)``.

        ``guide`` ``(H, W)`` in 0..1 says how much each pixel counts.
        """
        statistics: dict[str, LayerStatistics] = {}
        whole: Features = {}
        layers = list(dict.fromkeys([*style_layers, *content_layers]))
        encoder = self.encoder
        if not isinstance(encoder, VGGLayout) or tile is None:
            with torch.no_grad():
                features = encoder(picture)
            features = {k: features[k] for k in layers}
            weights = None if guide is None else {k: _pool_guide(guide, v.shape[2:]) for k, v in features.items()}
            return measure(features, weights), {k: features[k] for k in content_layers}
        height, width = picture.shape[2:]
        steps = {name: encoder.stride(name) for name in layers}
        counts = {k: None if guide is None else _pool_guide(guide, (height // s, width // s)) for k, s in steps.items()}
        for window in encoder.windows(height, width, layers, tile):
            with torch.no_grad():
                features = encoder(picture[(..., *window.outer)])
            for name in layers:
                step, count = steps[name], counts[name]
                inner, place = encoder.cut(name, features[name], window)
                places = None if count is None else {name: count[place]}
                (found,) = measure({name: inner}, places).values()
                statistics[name] = statistics[name] + found if name in statistics else found
                if name in content_layers:
                    if name not in whole:
                        whole[name] = inner.new_empty(1, inner.shape[1], height // step, width // step)
                    whole[name][(..., *place)] = inner
        return statistics, whole

    def style(
        self,
        style: Style,
        layers: Sequence[str],
        scale: float,
        guide: Picture | None = None,
        squeeze: tuple[int, int] | None = None,
    ) -> dict[str, LayerStatistics]:
        """Statistics of a style whose strokes are ``scale`` times their usual size; of several, their weighted mean.

        ``guide`` is white where a picture is to be learnt from; ``squeeze`` is the size that pictures are looked at
        with instead, whatever their proportions. Raises :class:`StyleError` for a card that was
        made without this encoder, and for a guide that leaves nothing.
        """
        # Levels look at the same scales again and again. The keys hold what they name, so no other takes its place.
        key = (style, tuple(layers), scale, guide, squeeze)
        if key not in self._found:
            self._found[key] = self._style(style, layers, scale, guide, squeeze)
        return self._found[key]

    def _style(
        self,
        style: Style,
        layers: Sequence[str],
        scale: float,
        guide: Picture | None,
        squeeze: tuple[int, int] | None,
    ) -> dict[str, LayerStatistics]:
        parts = []
        for part, weight in style.parts:
            if isinstance(part, StyleCard):
                if guide is not None:
                    raise StyleError(
                        f"a guide shows a part of a picture, but style {part.name} is a card; give its picture"
                    )
                parts.append((self._card(part, layers, scale), weight))
            else:
                parts.append((self._picture(part.picture, layers, scale, guide, squeeze), weight))
        return mean_statistics(parts)

    def _picture(
        self,
        picture: Picture,
        layers: Sequence[str],
        scale: float,
        guide: Picture | None = None,
        squeeze: tuple[int, int] | None = None,
    ) -> dict[str, LayerStatistics]:
        picture = fill_transparent(picture).as_type(np.dtype(np.uint8))
        factor = min(max(STYLE_SIDE * scale, _LEAST) / min(picture.size), _MOST / max(picture.size))
        width, height = (max(_LEAST, round(side * factor)) for side in picture.size)
        size = (width, height) if squeeze is None else squeeze
        where = None if guide is None else mask_tensor(guide, size)
        found, _ = self.content(picture_tensor(picture.resized(size).pixels), layers, [], _TILE, where)
        if min(statistics.places for statistics in found.values()) < 1:
            raise StyleError("the guide leaves almost nothing of the style's picture; make more of it white")
        return found

    def _card(self, card: StyleCard, layers: Sequence[str], scale: float) -> dict[str, LayerStatistics]:
        if self.identity not in card.codes:
            raise StyleError(
                f"style {card.name} is a card without what {self.identity} needs of it; give its picture, or add it "
                "again from the picture where torch is installed"
            )
        if missing := [name for name in layers if name not in STYLE_LAYERS]:
            raise StyleError(
                f"style {card.name} is a card, which has no {', '.join(missing)}; choose from "
                f"{', '.join(STYLE_LAYERS)}, or give its picture"
            )
        if isinstance(self.encoder, VGGLayout) and self.encoder.pooling != "max":
            raise StyleError(
                f"style {card.name} is a card, made with max pooling, but pooling is {self.encoder.pooling}; "
                "give its picture, or leave pooling out"
            )
        try:
            widths = _widths(self.encoder)
            found = unpack(card.code(self.identity, scale), widths, more=len(widths) < len(STYLE_LAYERS))
        except ValueError as error:
            raise StyleError(f"style {card.name} does not fit {self.identity}: {error}; add it again") from error
        return {name: found[name] for name in layers}


def card_code(encoder: Encoder, pictures: Sequence[Picture], scale: float) -> Pixels:
    """What a style card keeps, for this encoder, of pictures that show one style."""
    targets, widths = Targets(encoder, ""), _widths(encoder)
    measured = [(targets._picture(picture, list(widths), scale), 1.0) for picture in pictures]
    return pack(mean_statistics(measured))


def picture_tensor(pixels: Pixels) -> Tensor:
    """Whole numbers ``(H, W, 3)`` as ``(1, 3, H, W)`` float32 in 0..1."""
    planes = np.ascontiguousarray(pixels.transpose(2, 0, 1), np.float32)[None]
    return torch.from_numpy(planes / np.float32(np.iinfo(pixels.dtype).max))


def mask_tensor(mask: Picture, size: tuple[int, int]) -> Tensor:
    """How white a mask is, ``(H, W)`` in 0..1, scaled to ``size``; what is transparent counts as black.

    Without overshoot: masks that sum to 1 still do so when they are scaled.
    """
    white = mask.pixels.mean(2, dtype=np.float32) / mask.peak
    if mask.alpha is not None:
        white = white * (mask.alpha.astype(np.float32) / mask.peak)
    whole = torch.from_numpy(white)[None, None]
    return F.interpolate(whole, size[::-1], mode="bilinear", antialias=True)[0, 0].clamp(0, 1)


def _pool_guide(guide: Tensor, size: Sequence[int]) -> Tensor:
    """How much each place of a layer counts."""
    return F.interpolate(guide[None, None], tuple(size), mode="area")[0, 0]


def _widths(encoder: Encoder) -> Mapping[str, int]:
    """Channels of each layer that a card keeps, as far down as this encoder goes."""
    names = [name for name in STYLE_LAYERS if isinstance(encoder, VGGLayout) and name[4:] in encoder.names]
    return {name: encoder.get_submodule(f"conv{name[4:]}").out_channels for name in names}  # type: ignore[misc]
