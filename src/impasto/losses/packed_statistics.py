"""Packing: statistics as one short vector, such as a style card keeps."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from impasto.losses.statistics import LayerStatistics, Statistics
from impasto.picture.raster import Pixels

__all__ = ["RANK", "pack", "unpack"]

RANK = 24
"""Covariances are kept as their diagonal, exactly, and their ``RANK`` strongest directions."""


def pack(statistics: Statistics) -> Pixels:
    """A float32 vector: per layer the means, the variances, and the directions, each as long as its deviation."""
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
