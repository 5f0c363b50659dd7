"""Terms: the losses of iterative style transfer, each a small module that knows its target and prints what it is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from impasto.encoders.encoder import Features
from impasto.losses.distances import as_float32
from impasto.losses.statistics import LayerStatistics, Statistics
from impasto.plugins import find_plugin

__all__ = ["ContentTerm", "GramTerm", "MomentTerm", "StyleTerm", "TotalVariation", "WassersteinTerm", "style_term"]

LayerWeights = Mapping[str, float]
"""Weights by layer name."""


class StyleTerm(nn.Module, ABC):
    """A distance of statistics from those of a style, summed over layers.

    ``relative`` divides each layer by the energy of its target, so that no layer outweighs another. A subclass says
    which statistics it ``needs``: all, unless it says less.

    >>> import torch
    >>> from impasto.losses import LayerStatistics, StyleTerm, measure
    >>> class Contrast(StyleTerm):
    ...     def distance(self, found, aim):
    ...         return (found.std.log() - aim.std.log()).square().mean()
    >>> painting = measure({"relu1_1": torch.rand(1, 8, 16, 16)})
    >>> float(Contrast(painting, {"relu1_1": 1.0}, weight=2.0)(painting))
    0.0
    """

    needs: frozenset[str] = frozenset(("moments", "products"))

    def __init__(self, target: Statistics, layers: LayerWeights, *, relative: bool = True, weight: float = 1.0) -> None:
        """Raises ``KeyError`` where ``target`` lacks a layer."""
        super().__init__()
        self.target = {name: target[name].detached() for name in layers}
        self.layer_weights, self.relative, self.weight = dict(layers), relative, weight

    def forward(self, statistics: Statistics) -> Tensor:
        """The loss of a picture with these statistics, weight included; a scalar."""
        losses = [
            share * self.distance(statistics[name], self.target[name]) for name, share in self.layer_weights.items()
        ]
        return self.weight * torch.stack(losses).sum()

    @abstractmethod
    def distance(self, found: LayerStatistics, target: LayerStatistics) -> Tensor:
        """The distance at one layer, a scalar."""

    def extra_repr(self) -> str:
        return f"{_weights_text(self.layer_weights)}, relative={self.relative}, weight={self.weight:g}"


class GramTerm(StyleTerm):
    """Distance of Gram matrices (Gatys et al. 2016), divided by places, so that weights mean the same at every size.

    Not relative, it is the mean square of all entries.
    """

    needs = frozenset(("products",))

    def distance(self, found: LayerStatistics, target: LayerStatistics) -> Tensor:
        gram = target.gram
        square = (found.gram - gram).square()
        return square.sum() / gram.square().sum().clamp_min(1e-12) if self.relative else square.mean()


class MomentTerm(StyleTerm):
    """Distance of channel means and standard deviations (Huang & Belongie 2017)."""

    needs = frozenset(("moments",))

    def distance(self, found: LayerStatistics, target: LayerStatistics) -> Tensor:
        return self._square(found.mean, target.mean) + self._square(found.std, target.std)

    def _square(self, found: Tensor, target: Tensor) -> Tensor:
        square = (found - target).square().mean()
        return square / target.square().mean().clamp_min(1e-8) if self.relative else square


class WassersteinTerm(StyleTerm):
    """Squared 2-Wasserstein distance of the Gaussians with the features' means and covariances.

    |m - n|^2 + tr(A + B - 2 (A^1/2 B A^1/2)^1/2) (Olkin & Pukelsheim 1982), as in crowsonkb's
    style-transfer-pytorch.
    """

    def __init__(self, target: Statistics, layers: LayerWeights, *, relative: bool = True, weight: float = 1.0) -> None:
        super().__init__(target, layers, relative=relative, weight=weight)
        # In double: a layer with fewer directions than channels has many eigenvalues near 0, whose roots are not.
        self._roots = {name: _matrix_square_root(self.target[name].covariance.double()) for name in layers}

    def forward(self, statistics: Statistics) -> Tensor:
        losses = []
        for name, share in self.layer_weights.items():
            found, target, root = statistics[name], self.target[name], self._roots[name]
            cross = _trace_of_root(root @ found.covariance.double() @ root)
            apart = self.distance(found, target) - 2 * cross.to(found.mean.dtype)
            energy = target.mean.square().sum() + target.covariance.trace() if self.relative else torch.ones(())
            losses.append(share * apart / energy.clamp_min(1e-12))
        return self.weight * torch.stack(losses).sum()

    def distance(self, found: LayerStatistics, target: LayerStatistics) -> Tensor:
        """What the distance has apart from the matrices' common root."""
        return (found.mean - target.mean).square().sum() + found.std.square().sum() + target.std.square().sum()


_SHIPPED: Mapping[str, type[StyleTerm]] = {"gram": GramTerm, "moments": MomentTerm, "wasserstein": WassersteinTerm}


def style_term(name: str) -> type[StyleTerm]:
    """The class of the style loss of that name, as ``style_loss`` has it: one of ours, or a plugin's.

    >>> from impasto.losses import style_term
    >>> style_term("gram").__name__
    'GramTerm'

    Raises :class:`ModelError` where a plugin of that name fails or is not a subclass of :class:`StyleTerm`, and
    ``ValueError`` where there is none.
    """
    plugin = find_plugin("impasto.losses", name)
    if name in _SHIPPED:
        return _SHIPPED[name]
    if plugin is None:
        raise ValueError(f"there is no style loss {name[:80]!r}; choose of {', '.join(_SHIPPED)}")
    found = plugin.load()
    if not (isinstance(found, type) and issubclass(found, StyleTerm)):
        raise plugin.refused(found, "a subclass of impasto.losses.StyleTerm")
    return found


class ContentTerm(nn.Module):
    """Distance to the photograph's features, averaged over places: mean square (Gatys et al. 2016), or 1 - cosine.

    For the cosine, both are normalised channel by channel first: the photograph's by its own mean and
    standard deviation, the picture's by those that it is to have in the end, the style's. That takes contrast and
    colour out of the comparison, and each place is compared by itself, which tiles need.
    """

    def __init__(
        self,
        target: Features,
        layers: LayerWeights,
        *,
        distance: Literal["mse", "cosine"] = "mse",
        own: Statistics | None = None,
        goal: Statistics | None = None,
        relative: bool = False,
        weight: float = 1.0,
    ) -> None:
        """``own`` and ``goal`` are the statistics to normalise by. Raises ``KeyError`` where ``target`` lacks a
        layer."""
        super().__init__()
        self.layer_weights, self.distance, self.relative, self.weight = dict(layers), distance, relative, weight
        self._goal = goal
        self.target: Features = {}
        self._energy: dict[str, float] = {}
        for name in layers:
            value = target[name].detach()
            if distance == "cosine" and own is not None:
                value = _normalised(value, own[name])
            self.target[name] = value
            energy = float(as_float32(value).square().mean()) if relative and distance == "mse" else 1.0
            self._energy[name] = max(energy, 1e-12)

    def forward(self, features: Features, places: Mapping[str, tuple[slice, slice]] | None = None) -> Tensor:
        """The loss, weight included; a scalar. Of a tile: its share of the whole picture's.

        ``places`` says by layer which rows and columns of the whole the features ``(1, C, h, w)`` are.
        """
        total = torch.zeros(())
        for name, share in self.layer_weights.items():
            target = self.target[name]
            count = target.shape[2] * target.shape[3]
            found, target = features[name], target if places is None else target[(..., *places[name])]
            if self.distance == "cosine":
                if self._goal is not None:
                    found = _normalised(found, self._goal[name])
                loss = (1 - F.cosine_similarity(as_float32(found), as_float32(target), dim=1)).sum() / count
            else:
                loss = (as_float32(found) - as_float32(target)).square().sum() / (
                    count * target.shape[1] * self._energy[name]
                )
            total = total + share * loss
        return self.weight * total

    def extra_repr(self) -> str:
        return (
            f"{_weights_text(self.layer_weights)}, distance={self.distance}, relative={self.relative}, "
            f"weight={self.weight:g}"
        )


class TotalVariation(nn.Module):
    """What neighbouring pixels differ by, squared, right and lower neighbour summed and raised to ``power``, averaged.

    A power of 1 is the usual quadratic form; 1.25 is the Keras example's.
    """

    def __init__(self, *, power: float = 1.0, weight: float = 1.0) -> None:
        super().__init__()
        self.power, self.weight = power, weight

    def forward(self, picture: Tensor) -> Tensor:
        """The loss of a picture ``(1, 3, H, W)``, weight included; a scalar."""
        down = (picture[..., 1:, :-1] - picture[..., :-1, :-1]).square()
        right = (picture[..., :-1, 1:] - picture[..., :-1, :-1]).square()
        both = down + right
        # A power has no slope at 0 that a machine could follow.
        return self.weight * (both.mean() if self.power == 1 else (both + 1e-12).pow(self.power).mean())

    def extra_repr(self) -> str:
        return f"power={self.power:g}, weight={self.weight:g}"


def _normalised(features: Tensor, by: LayerStatistics) -> Tensor:
    # In the features' own precision: the memory of a large picture is mostly these.
    mean, std = (x.detach().to(features.dtype)[:, None, None] for x in (by.mean, by.std + 1e-5))
    return (features - mean) / std


def _matrix_square_root(matrix: Tensor) -> Tensor:
    """The square root of a symmetric matrix without negative eigenvalues."""
    values, vectors = torch.linalg.eigh(matrix)
    root: Tensor = (vectors * values.clamp_min(0).sqrt()) @ vectors.T
    return root


def _trace_of_root(matrix: Tensor) -> Tensor:
    # eigvalsh has a stable gradient where eigh has none: between equal eigenvalues.
    values: Tensor = torch.linalg.eigvalsh((matrix + matrix.T) / 2)
    # What is below is rounding, whose root would not be small.
    return values[values > 1e-13 * matrix.detach().trace()].sqrt().sum()


def _weights_text(weights: LayerWeights) -> str:
    return ", ".join(f"{name} {share:g}" for name, share in weights.items())
