"""Content and style distances between feature maps, one number for each picture of a batch."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = [
    "Features",
    "Grams",
    "Moments",
    "content_distance",
    "gram_distance",
    "grams",
    "grid_energy",
    "moments",
    "style_distance",
]

Features = dict[str, Tensor]
"""Feature maps by layer name, each ``(N, C, H, W)``."""

Moments = dict[str, tuple[Tensor, Tensor]]
"""Mean and standard deviation by layer name, each ``(N, C)``."""

Grams = dict[str, Tensor]
"""Gram matrix by layer name, each ``(N, C, C)``."""


def moments(features: Features) -> Moments:
    """Channel means and standard deviations of every layer, in float32."""
    result: Moments = {}
    for name, value in features.items():
        x = _places(value).float()
        mean = x.mean(1)
        std = ((x * x).mean(1) - mean * mean).clamp_min(1e-8).sqrt()
        result[name] = (mean, std)
    return result


def style_distance(a: Moments, b: Moments) -> Tensor:
    """Squared distance of means and of standard deviations, each relative to ``b``'s own energy, summed over layers.

    The style loss of Huang & Belongie 2017 (AdaIN), made relative so that no layer outweighs
    another. Returns ``(N,)``.
    """
    total = torch.zeros(1)
    for name, target in b.items():
        for value, goal in zip(a[name], target, strict=True):
            total = total.to(value.device) + (value - goal).square().mean(1) / goal.square().mean(1).clamp_min(1e-8)
    return total


def grams(features: Features) -> Grams:
    """Gram matrices of every layer (Gatys et al. 2016), divided by the number of places: size does not matter."""
    # In the features' own precision: that is how the matrix units like it.
    flat = {name: _places(value) for name, value in features.items()}
    return {name: torch.bmm(value.transpose(1, 2), value).float() / value.shape[1] for name, value in flat.items()}


def gram_distance(a: Grams, b: Grams) -> Tensor:
    """Squared Frobenius distance of Gram matrices relative to ``b``'s own, averaged over layers. Returns ``(N,)``."""
    distances = [(a[k] - g).square().sum((1, 2)) / g.square().sum((1, 2)).clamp_min(1e-12) for k, g in b.items()]
    return torch.stack(distances).mean(0)


def content_distance(a: Tensor, b: Tensor) -> Tensor:
    """1 - cosine, averaged over places, of features whose channels are normalised first: 0 for the same drawing.

    Channel normalisation takes the style's contrast and colour out of the comparison. Takes
    ``(N, C, H, W)`` twice, returns ``(N,)``.
    """
    return 1 - F.cosine_similarity(_normalised(a), _normalised(b), dim=1).mean((1, 2))


def grid_energy(pictures: Tensor) -> Tensor:
    """How much the four places of every 2x2 square differ on average over 8x8 pixels: a checkerboard's energy.

    A slope hardly counts, and texture cancels out; what a sub-pixel layer repeats adds up. Takes
    ``(N, C, H, W)``, returns ``(N,)``.
    """
    n, channels, height, width = pictures.shape
    local = F.avg_pool2d(F.pixel_unshuffle(pictures, 2), 4)
    return local.reshape(n, channels, 4, height // 8, width // 8).var(2, correction=0).mean((1, 2, 3))


def _places(features: Tensor) -> Tensor:
    """``(N, C, H, W)`` as ``(N, H * W, C)``: no copy where channels come last in memory."""
    return features.permute(0, 2, 3, 1).flatten(1, 2)


def _normalised(features: Tensor) -> Tensor:
    x = features.float()
    std, mean = torch.std_mean(x, dim=(2, 3), keepdim=True)
    return (x - mean) / (std + 1e-5)
