"""Content and style distances between feature maps, one number for each picture of a batch."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from impasto.encoders.encoder import Features

__all__ = [
    "Grams",
    "Moments",
    "as_float32",
    "box_means",
    "cfsd",
    "content_distance",
    "gram_distance",
    "grams",
    "grid_energy",
    "lattice_energy",
    "moments",
    "self_similarity",
    "style_distance",
]

Moments = dict[str, tuple[Tensor, Tensor]]
"""Mean and standard deviation by layer name, each ``(N, C)``."""

Grams = dict[str, Tensor]
"""Gram matrix by layer name, each ``(N, C, C)``."""


def moments(features: Features) -> Moments:
    """Channel means and standard deviations of every layer, each ``(N, C)`` in float32, of features ``(N, C, H, W)``.

    What AdaIN matches (Huang & Belongie 2017).
    """
    result: Moments = {}
    for name, value in features.items():
        mean, square = _Means.apply(_flatten_places(value))  # type: ignore[no-untyped-call]
        std = (square - mean * mean).clamp_min(1e-8).sqrt()
        result[name] = (mean, std)
    return result


class _Means(torch.autograd.Function):
    """Means of the values and of their squares, with the gradient written out: one pass instead of six."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> tuple[Tensor, Tensor]:
        ctx.save_for_backward(x)
        exact = torch.promote_types(x.dtype, torch.float32)
        # The norm reads the features once; their squares would be written and read as well.
        return x.mean(1, dtype=exact), torch.linalg.vector_norm(x, dim=1, dtype=exact).square() / x.shape[1]

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        mean, square = ((g / x.shape[1])[:, None].to(x.dtype) for g in gradients)
        return torch.addcmul(mean, x, 2 * square)


def style_distance(a: Moments, b: Moments) -> Tensor:
    """Squared distance of means and of standard deviations, each relative to ``b``'s own energy, summed over layers.

    The style loss of Huang & Belongie 2017 (AdaIN), made relative so that no layer outweighs
    another. Returns ``(N,)``, from 0 where they are the same. Raises ``KeyError`` where ``a`` lacks a layer of ``b``.

    >>> import torch
    >>> from impasto.losses import moments, style_distance
    >>> plain, twice = {"relu1_1": torch.ones(1, 8, 4, 4)}, {"relu1_1": 2 * torch.ones(1, 8, 4, 4)}
    >>> float(style_distance(moments(plain), moments(plain))), float(style_distance(moments(plain), moments(twice)))
    (0.0, 0.25)
    """
    distances = [
        (value - goal).square().mean(1) / goal.square().mean(1).clamp_min(1e-8)
        for name, target in b.items()
        for value, goal in zip(a[name], target, strict=True)
    ]
    return torch.stack(distances).sum(0)


def grams(features: Features) -> Grams:
    """Gram matrices of every layer (Gatys et al. 2016), divided by the number of places: size does not matter.

    Of features ``(N, C, H, W)``, each is ``(N, C, C)`` in float32.

    >>> import torch
    >>> from impasto.losses import grams
    >>> grams({"relu1_1": torch.ones(1, 2, 16, 16)})["relu1_1"].tolist()
    [[[1.0, 1.0], [1.0, 1.0]]]
    """
    # In the features' own precision: that is how the matrix units like it.
    flat = {name: _flatten_places(value) for name, value in features.items()}
    return {name: as_float32(torch.bmm(value.transpose(1, 2), value)) / value.shape[1] for name, value in flat.items()}


def gram_distance(a: Grams, b: Grams) -> Tensor:
    """Squared Frobenius distance of Gram matrices relative to ``b``'s own, averaged over layers.

    The style loss of Gatys et al. 2016, made relative so that no layer outweighs another. Returns ``(N,)``, from 0
    where they are the same. Raises ``KeyError`` where ``a`` lacks a layer of ``b``.
    """
    distances = [(a[k] - g).square().sum((1, 2)) / g.square().sum((1, 2)).clamp_min(1e-12) for k, g in b.items()]
    return torch.stack(distances).mean(0)


def content_distance(a: Tensor, b: Tensor, weight: Tensor | None = None) -> Tensor:
    """1 - cosine, averaged over places, of features whose channels are normalised first: 0 for the same drawing.

    Channel normalisation takes the style's contrast and colour out of the comparison. Takes
    ``(N, C, H, W)`` twice, returns ``(N,)`` in 0..2. With a ``weight`` ``(N, H, W)`` the places are not averaged but
    summed by their weights, which say what the whole is.
    """
    distances = 1 - F.cosine_similarity(_normalised(a), _normalised(b), dim=1)
    return distances.mean((1, 2)) if weight is None else (distances * weight).sum((1, 2))


def self_similarity(features: Tensor, side: int = 32) -> Tensor:
    """How alike every place is to every other: a map that keeps the layout and forgets colours and strokes.

    Features ``(N, C, H, W)`` are averaged down to ``side`` x ``side`` places; the cosine of each place
    with all of them goes through a softmax, so every row sums to 1. Returns ``(N, side**2, side**2)``.
    The maps of CFSD (Chung, Hyun & Heo, "Style Injection in Diffusion" (StyleID), CVPR 2024), where a
    place is a patch at relu3_1.
    """
    places = F.normalize(_flatten_places(F.adaptive_avg_pool2d(features.float(), side)), dim=2, eps=1e-8)
    return torch.bmm(places, places.transpose(1, 2)).softmax(2)


def cfsd(a: Tensor, b: Tensor) -> Tensor:
    """Content feature structural distance (StyleID, CVPR 2024): how far the layout of ``b`` is from that of ``a``.

    The Kullback-Leibler divergence of the rows of ``b`` from those of ``a``, averaged over rows; both are
    maps ``(N, P, P)`` of :func:`self_similarity`, ``a`` the photograph's. Returns ``(N,)``, 0 for the
    same layout.
    """
    return (a * (a.log() - b.log())).sum(2).mean(1)


def grid_energy(pictures: Tensor) -> Tensor:
    """How much the four places of every 2x2 square differ on average over 8x8 pixels: a checkerboard's energy.

    A slope hardly counts, and texture cancels out; what a sub-pixel layer repeats adds up. Takes
    ``(N, C, H, W)``, returns ``(N,)``.
    """
    n, channels, height, width = pictures.shape
    local = F.avg_pool2d(F.pixel_unshuffle(pictures, 2), 4)
    return local.reshape(n, channels, 4, height // 8, width // 8).var(2, correction=0).mean((1, 2, 3))


def lattice_energy(pictures: Tensor, period: int = 8) -> Tensor:
    """How much of a picture repeats every ``period`` pixels, all over: what a network's own grid leaves in flat areas.

    What is finer than the period is folded onto one square of it, where strokes cancel out and a
    lattice adds up; the energy of that square. Takes ``(N, C, H, W)`` of at least three periods a
    side, returns ``(N,)``.
    """
    n, channels, height, width = pictures.shape
    half = period // 2
    # The mean over one period has no part of the lattice, and nearly all of everything coarser.
    fine = pictures[..., half : 1 - half, half : 1 - half] - box_means(pictures, period)
    rows, columns = height // period - 1, width // period - 1
    cells = fine[..., : rows * period, : columns * period].reshape(n, channels, rows, period, columns, period)
    return cells.mean((2, 4)).var((2, 3), correction=0).mean(1)


def box_means(pictures: Tensor, side: int) -> Tensor:
    """Means of all boxes of ``side`` pixels, ``(N, C, H - side + 1, W - side + 1)``: of columns, then of rows."""
    return F.avg_pool2d(F.avg_pool2d(pictures, (side, 1), 1), (1, side), 1)


def _flatten_places(features: Tensor) -> Tensor:
    """``(N, C, H, W)`` as ``(N, H * W, C)``: no copy where channels come last in memory."""
    return features.permute(0, 2, 3, 1).flatten(1, 2)


def as_float32(x: Tensor) -> Tensor:
    """float32 for all that is narrower: sums over thousands of places need it."""
    return x if x.dtype == torch.float64 else x.float()


def _normalised(features: Tensor) -> Tensor:
    x = as_float32(features)
    std, mean = torch.std_mean(x, dim=(2, 3), keepdim=True)
    return (x - mean) / (std + 1e-5)
