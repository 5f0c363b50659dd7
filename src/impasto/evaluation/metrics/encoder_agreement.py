"""Whether a small encoder puts pictures in the order in which VGG19 puts them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from impasto.encoders.encoder import STYLE_LAYERS, Encoder
from impasto.instant.painter import to_network_input
from impasto.losses.distances import Grams, Moments, content_distance, gram_distance, grams, moments, style_distance
from impasto.picture.raster import Pixels

__all__ = ["Agreement", "agreement", "rank_correlation"]

Pairs = Sequence[tuple[Pixels, Pixels]]
"""Pictures two by two, each ``(H, W, 3)`` uint8; for content, both of one size."""


@dataclass(frozen=True)
class Agreement:
    """Rank correlations (Spearman), each -1..1, of two encoders' distances over the same pairs."""

    style: float
    gram: float
    content: float


@dataclass(frozen=True, slots=True)
class _PictureFeatures:
    moments: Moments
    grams: Grams
    content: Tensor


def agreement(one: Encoder, other: Encoder, style: Pairs, content: Pairs) -> Agreement:
    """Compare mean/std and Gram distances over the pairs of ``style``, content distances over those of ``content``."""
    ours, theirs = (_distances(encoder, style, content) for encoder in (one, other))
    return Agreement(*(rank_correlation(a, b) for a, b in zip(ours, theirs, strict=True)))


def rank_correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Spearman's rank correlation of two lists of numbers without ties."""
    first, second = (np.argsort(np.argsort(values)).astype(np.float64) for values in (a, b))
    return float(np.corrcoef(first, second)[0, 1])


@torch.no_grad()
def _distances(encoder: Encoder, style: Pairs, content: Pairs) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Style and Gram distances over the pairs of ``style``, content distances over those of ``content``."""
    looks: dict[int, _PictureFeatures] = {}

    def look(picture: Pixels) -> _PictureFeatures:
        # A picture is in many pairs, and looked at once.
        if id(picture) not in looks:
            features = encoder(torch.from_numpy(to_network_input(picture)))
            looks[id(picture)] = _PictureFeatures(moments(features), grams(features), features[STYLE_LAYERS[-1]])
        return looks[id(picture)]

    styles = [(look(a), look(b)) for a, b in style]
    contents = [(look(a), look(b)) for a, b in content]
    return (
        np.array([style_distance(a.moments, b.moments).item() for a, b in styles]),
        np.array([gram_distance(a.grams, b.grams).item() for a, b in styles]),
        np.array([content_distance(a.content, b.content).item() for a, b in contents]),
    )
