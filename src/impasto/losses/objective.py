"""Objective: the loss of a picture and its gradient, whole or in tiles."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from impasto.encoders.encoder import Encoder, Features
from impasto.encoders.tile_layout import Window, windows
from impasto.encoders.vgg_layout import VGGLayout
from impasto.errors import RequestError
from impasto.losses.statistics import LayerStatistics, measure
from impasto.losses.terms import ContentTerm, StyleTerm, TotalVariation

__all__ = ["Evaluation", "Objective", "StyledRegion"]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What was found of a picture: the loss, its terms by name (they sum to it), and the gradient ``(1, 3, H, W)``."""

    loss: float
    losses: dict[str, float]
    gradient: Tensor


class StyledRegion(nn.Module):
    """Style losses by name, and where they apply: ``mask`` ``(H, W)`` in 0..1, or everywhere."""

    def __init__(self, terms: Mapping[str, StyleTerm], mask: Tensor | None = None) -> None:
        super().__init__()
        self.terms: Mapping[str, StyleTerm] = nn.ModuleDict(terms)  # type: ignore[assignment]
        self.mask = mask
        # A region counts by its area: so style and content are in the same balance all over the picture.
        self.area = 1.0 if mask is None else float(mask.mean())

    def losses(self, statistics: Mapping[str, LayerStatistics]) -> dict[str, Tensor]:
        """Each term of the region's statistics."""
        return {name: self.area * term(statistics) for name, term in self.terms.items()}


class Objective(nn.Module):
    """Sums style losses over regions, a content loss, and total variation.

    The picture is float32, the gradient too, whatever the encoder computes in. With ``tile``, statistics are
    summed over tiles first, without a gradient; then each tile is encoded again and sent the gradient of
    those sums. Tiles see all that their features depend on, so the result is that of the whole picture but for
    rounding, for the memory of one tile and a third more time.

    >>> import torch
    >>> from impasto.encoders import open_encoder
    >>> from impasto.losses import GramTerm, Objective, StyledRegion, TotalVariation, measure
    >>> encoder, layers = open_encoder(layers=("relu1_1", "relu2_1")), {"relu1_1": 1.0, "relu2_1": 0.5}
    >>> painting = measure(encoder(torch.rand(1, 3, 64, 64)))
    >>> region = StyledRegion({"gram": GramTerm(painting, layers)})
    >>> found = Objective(encoder, [region], variation=TotalVariation(weight=0.1))(torch.zeros(1, 3, 48, 64))
    >>> sorted(found.losses), tuple(found.gradient.shape)
    (['gram', 'variation'], (1, 3, 48, 64))
    """

    def __init__(
        self,
        encoder: Encoder,
        regions: Sequence[StyledRegion],
        content: ContentTerm | None = None,
        variation: TotalVariation | None = None,
        *,
        tile: int | None = None,
    ) -> None:
        """Raises :class:`RequestError` where tiles or regions are asked of an encoder whose strides are not known."""
        super().__init__()
        self.encoder, self.content, self.variation = encoder, content, variation
        self.regions: Sequence[StyledRegion] = nn.ModuleList(regions)  # type: ignore[assignment]
        self.tile = tile
        if self._layout is None and (tile is not None or any(region.mask is not None for region in regions)):
            raise RequestError("tiles and regions need an encoder with known strides, such as vgg19 or pocket")
        self._style_layers = list(dict.fromkeys(k for r in regions for t in r.terms.values() for k in t.layer_weights))
        self._needs = frozenset(need for r in regions for t in r.terms.values() for need in t.needs)
        self._places: dict[tuple[int, int], list[dict[str, Tensor] | None]] = {}

    @property
    def _layout(self) -> VGGLayout | None:
        return self.encoder if isinstance(self.encoder, VGGLayout) else None

    def forward(self, picture: Tensor) -> Evaluation:
        """Loss and gradient of a picture ``(1, 3, H, W)`` in 0..1."""
        gradient = torch.zeros_like(picture)
        losses: dict[str, float] = {}
        if self._style_layers or self.content is not None:
            plan = list(self._windows(picture))
            if len(plan) == 1:
                self._whole(picture, gradient, losses)
            else:
                self._tiled(picture, plan, gradient, losses)
        if self.variation is not None:
            variable = picture.detach().requires_grad_()
            loss = self.variation(variable)
            gradient += torch.autograd.grad(loss, variable)[0]
            losses["variation"] = float(loss.detach())
        return Evaluation(sum(losses.values()), losses, gradient)

    def _whole(self, picture: Tensor, gradient: Tensor, losses: dict[str, float]) -> None:
        variable = picture.detach().requires_grad_()
        features = self.encoder(variable)
        terms = self._style(
            [self._measure(self._statistics_to_measure(features), where) for where in self._weights(picture)]
        )
        if self.content is not None:
            terms["content"] = self.content(features)
        _accumulate_gradient(torch.stack(list(terms.values())).sum(), variable, gradient)
        losses |= {name: float(term.detach()) for name, term in terms.items()}

    def _tiled(self, picture: Tensor, plan: list[Window], gradient: Tensor, losses: dict[str, float]) -> None:
        sums: list[dict[str, LayerStatistics]] = []
        with torch.no_grad():
            for window in plan:
                features = self.encoder(picture[(..., *window.outer)])
                found = self._tile_statistics(picture, window, features)
                sums = [_add_statistics(a, b) for a, b in zip(sums, found, strict=True)] if sums else found
        leaves = [{k: s.detached(requires_grad=True) for k, s in region.items()} for region in sums]
        terms = self._style(leaves)
        if terms:
            torch.stack(list(terms.values())).sum().backward()  # type: ignore[no-untyped-call]
        losses |= {name: float(term.detach()) for name, term in terms.items()}
        for window in plan:
            variable = picture[(..., *window.outer)].detach().requires_grad_()
            features = self.encoder(variable)
            found = self._tile_statistics(picture, window, features)
            parts = [
                x for s, leaf in zip(found, leaves, strict=True) for k in s for x in _surrogate_losses(s[k], leaf[k])
            ]
            if self.content is not None:
                inner, places = self._cut(window, {k: features[k] for k in self.content.layer_weights})
                content = self.content(inner, places)
                losses["content"] = losses.get("content", 0.0) + float(content.detach())
                parts.append(content)
            _accumulate_gradient(torch.stack(parts).sum(), variable, gradient[(..., *window.outer)])

    def _style(self, statistics: Sequence[Mapping[str, LayerStatistics]]) -> dict[str, Tensor]:
        terms: dict[str, Tensor] = {}
        for region, found in zip(self.regions, statistics, strict=True):
            for name, loss in region.losses(found).items():
                terms[name] = terms[name] + loss if name in terms else loss
        return terms

    def _statistics_to_measure(self, features: Features) -> Features:
        return {name: features[name] for name in self._style_layers}

    def _tile_statistics(self, picture: Tensor, window: Window, features: Features) -> list[dict[str, LayerStatistics]]:
        inner, places = self._cut(window, self._statistics_to_measure(features))
        return [
            self._measure(inner, None if weights is None else {k: weights[k][places[k]] for k in inner})
            for weights in self._weights(picture)
        ]

    def _measure(self, features: Features, weights: Mapping[str, Tensor] | None) -> dict[str, LayerStatistics]:
        return measure(features, weights, moments="moments" in self._needs, products="products" in self._needs)

    def _cut(self, window: Window, features: Features) -> tuple[Features, dict[str, tuple[slice, slice]]]:
        """The features that count, and where in the whole they are."""
        assert self._layout is not None
        inner, places = {}, {}
        for name, value in features.items():
            inner[name], places[name] = self._layout.cut(name, value, window)
        return inner, places

    def _weights(self, picture: Tensor) -> list[dict[str, Tensor] | None]:
        """By region, how much each place of each layer counts."""
        size = (picture.shape[2], picture.shape[3])
        if size not in self._places:
            self._places = {size: [self._pooled(region.mask, size) for region in self.regions]}
        return self._places[size]

    def _pooled(self, where: Tensor | None, size: tuple[int, int]) -> dict[str, Tensor] | None:
        if where is None:
            return None
        assert self._layout is not None
        if tuple(where.shape) != size:
            raise ValueError(f"a region is {tuple(where.shape)} where the picture is {size}; scale it first")
        return {
            name: where if (stride := self._layout.stride(name)) == 1 else F.avg_pool2d(where[None, None], stride)[0, 0]
            for name in self._style_layers
        }

    def _windows(self, picture: Tensor) -> Iterator[Window]:
        height, width = picture.shape[2:]
        if self._layout is None:
            return windows(height, width, side=None, margin=0, stride=1)
        layers = [*self._style_layers, *(self.content.layer_weights if self.content is not None else ())]
        return self._layout.windows(height, width, layers, self.tile)


def _accumulate_gradient(loss: Tensor, variable: Tensor, gradient: Tensor) -> None:
    if loss.requires_grad:
        gradient += torch.autograd.grad(loss, variable)[0]


def _add_statistics(a: dict[str, LayerStatistics], b: dict[str, LayerStatistics]) -> dict[str, LayerStatistics]:
    return {name: a[name] + b[name] for name in a}


def _surrogate_losses(found: LayerStatistics, leaf: LayerStatistics) -> list[Tensor]:
    """Sums whose gradient by the features of a tile is that of the whole picture's statistics."""
    pairs = [(found.total, leaf.total), (found.squares, leaf.squares), (found.products, leaf.products)]
    return [(x * sums.grad).sum() for x, sums in pairs if sums.grad is not None]
