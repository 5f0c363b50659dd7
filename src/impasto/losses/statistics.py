"""Statistics of features: means, mean squares and Gram matrices, that add up over tiles and mix over styles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from impasto.encoders.encoder import Features
from impasto.losses.distances import as_float32
from impasto.picture.raster import Pixels

__all__ = ["RANK", "LayerStatistics", "Statistics", "mean_statistics", "measure", "pack", "unpack"]

_ROWS = 1 << 13


@dataclass(frozen=True, slots=True)
class LayerStatistics:
    """Sums over places of one layer: of the features ``(C,)``, their squares ``(C,)``, their products ``(C, C)``.

    ``places`` is how many there were, or the sum of their weights.
    """

    total: Tensor
    squares: Tensor
    products: Tensor
    places: float

    @property
    def _count(self) -> float:
        return max(self.places, 1e-6)

    def __add__(self, other: LayerStatistics) -> LayerStatistics:
        return LayerStatistics(
            self.total + other.total,
            self.squares + other.squares,
            self.products + other.products,
            self.places + other.places,
        )

    @property
    def mean(self) -> Tensor:
        """``(C,)``."""
        return self.total / self._count

    @property
    def std(self) -> Tensor:
        """Standard deviations ``(C,)``."""
        return (self.squares / self._count - self.mean.square()).clamp_min(1e-8).sqrt()

    @property
    def gram(self) -> Tensor:
        """Gram matrix ``(C, C)`` (Gatys et al. 2016), divided by places: size does not matter."""
        return self.products / self._count

    @property
    def covariance(self) -> Tensor:
        """``(C, C)``."""
        mean = self.mean
        covariance = self.gram - torch.outer(mean, mean)
        # Variances come from sums in float32, products perhaps from bf16.
        return covariance - torch.diag(covariance.diagonal()) + torch.diag(self.std.square())

    def detached(self, *, requires_grad: bool = False) -> LayerStatistics:
        """The same numbers without their history."""
        total, squares, products = (
            x.detach().requires_grad_(requires_grad) for x in (self.total, self.squares, self.products)
        )
        return LayerStatistics(total, squares, products, self.places)

    @classmethod
    def of_moments(cls, mean: Tensor, covariance: Tensor) -> LayerStatistics:
        """What has that mean and covariance, as of one place."""
        squares = covariance.diagonal() + mean.square()
        return cls(mean, squares, covariance + torch.outer(mean, mean), 1.0)


Statistics = Mapping[str, LayerStatistics]
"""By layer name."""


def measure(
    features: Features, weights: Mapping[str, Tensor] | None = None, *, moments: bool = True, products: bool = True
) -> dict[str, LayerStatistics]:
    """Statistics of one picture's features ``(1, C, h, w)``.

    ``weights`` ``(h, w)`` by layer say how much each place counts. What is not asked for, ``moments`` (sums and
    squares) or ``products``, stays 0.

    >>> import torch
    >>> from impasto.losses import measure
    >>> found = measure({"relu1_1": torch.ones(1, 4, 8, 8)})["relu1_1"]
    >>> found.mean.tolist(), found.places
    ([1.0, 1.0, 1.0, 1.0], 64.0)
    """
    result = {}
    for name, value in features.items():
        # Not value[0], whose gradient would be spread out again, in another layout.
        flat = value.permute(0, 2, 3, 1).flatten(0, 2)
        weight = None if weights is None else weights[name].flatten()
        sums: tuple[Tensor, Tensor, Tensor] = _Sums.apply(flat, weight, moments, products)  # type: ignore[no-untyped-call]
        places = float(len(flat)) if weight is None else float(weight.sum())
        result[name] = LayerStatistics(*sums, places)
    return result


def mean_statistics(parts: Sequence[tuple[Statistics, float]]) -> dict[str, LayerStatistics]:
    """The weighted mean of several pictures' statistics: of their means, and of their covariances.

    Mixing the sums instead would count the distance between the styles as a style of its own. Raises
    ``ValueError`` where no weight is above 0.
    """
    whole = sum(weight for _, weight in parts)
    if whole <= 0:
        raise ValueError(f"the weights of {len(parts)} styles sum to {whole:g}; give at least one above 0")
    if len(parts) == 1:
        return dict(parts[0][0])
    result = {}
    for name in parts[0][0]:
        mean = sum((weight / whole * s[name].mean for s, weight in parts), torch.zeros(()))
        covariance = sum((weight / whole * s[name].covariance for s, weight in parts), torch.zeros(()))
        result[name] = LayerStatistics.of_moments(mean, covariance)
    return result


class _Sums(torch.autograd.Function):
    """Sums of values, squares and products, with the gradient written out: few passes over memory."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor | None, moments: bool, products: bool
    ) -> tuple[Tensor, Tensor, Tensor]:
        ctx.save_for_backward(x, weight)
        ctx.set_materialize_grads(False)
        channels, dtype = x.shape[1], as_float32(x[:0]).dtype
        sums = x.new_zeros(channels, dtype=dtype), x.new_zeros(channels, dtype=dtype)
        square = x.new_zeros((channels, channels), dtype=dtype)
        # By strips that stay in the processor's cache.
        for start in range(0, len(x), _ROWS):
            strip = x[start : start + _ROWS]
            share = None if weight is None else weight[start : start + _ROWS, None].to(dtype)
            if moments:
                values = as_float32(strip)
                weighed = values if share is None else values * share
                sums[0].add_(weighed.sum(0))
                sums[1].add_((weighed * values).sum(0))
            if products:
                # In the features' own precision: that is how the matrix units like it.
                left = strip if share is None else strip * share.to(x.dtype)
                square.add_(as_float32(left.T @ strip / len(strip)), alpha=len(strip))
        return *sums, square

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, None, None, None]:
        x, weight = ctx.saved_tensors
        total, squares, products = gradients
        result = None
        if products is not None:
            # The squares are the diagonal: one product of matrices gives both.
            matrix = products + products.T
            matrix = matrix if squares is None else matrix + torch.diag(2 * squares)
            matrix = matrix.to(x.dtype)
            result = x @ matrix if total is None else torch.addmm(total.to(x.dtype), x, matrix)
        elif squares is not None:
            result = x * (2 * squares).to(x.dtype)
            result = result if total is None else result.add_(total.to(x.dtype))
        elif total is not None:
            result = total.to(x.dtype).expand_as(x)
        if result is not None and weight is not None:
            result = result * weight[:, None].to(x.dtype)
        return result, None, None, None


RANK = 24
"""Covariances are kept as their diagonal, exactly, and their ``RANK`` strongest directions."""


def pack(statistics: Statistics) -> Pixels:
    """A float32 vector: per layer the means, the variances, and the directions, each as long as its standard
    deviation."""
    parts: list[Tensor] = []
    for layer in statistics.values():
        covariance = layer.covariance.float()
        values, vectors = torch.linalg.eigh(covariance)
        rank = min(RANK, len(values))
        directions = vectors[:, -rank:] * values[-rank:].clamp_min(0).sqrt()
        parts += [layer.mean.float(), covariance.diagonal(), directions.flatten()]
    vector: Pixels = torch.cat(parts).numpy().astype(np.float32)
    return vector


def unpack(vector: Pixels, widths: Mapping[str, int], *, more: bool = False) -> dict[str, LayerStatistics]:
    """What :func:`pack` packed, of layers with so many channels; with ``more``, others may follow.

    Raises ``ValueError`` for another length.
    """
    result, numbers, start = {}, torch.from_numpy(vector.astype(np.float32)), 0
    sizes = {name: width * (2 + min(RANK, width)) for name, width in widths.items()}
    if len(vector) < (needed := sum(sizes.values())) or (len(vector) > needed and not more):
        raise ValueError(f"the vector has {len(vector)} numbers where {needed} are needed")
    for name, width in widths.items():
        part = numbers[start : start + sizes[name]]
        mean, variance, directions = part[:width], part[width : 2 * width], part[2 * width :].view(width, -1)
        covariance = directions @ directions.T
        covariance = covariance - torch.diag(covariance.diagonal()) + torch.diag(variance.clamp_min(0))
        result[name] = LayerStatistics.of_moments(mean, covariance)
        start += sizes[name]
    return result
