"""Whether a small encoder puts pictures in the order in which VGG19 puts them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from impasto.engines.painter import planes
from impasto.perceptual.encoder import STYLE_LAYERS, Encoder
from impasto.perceptual.losses import content_distance, gram_distance, grams, moments, style_distance
from impasto.picture.picture import Pixels

__all__ = ["Agreement", "agreement", "rank_correlation"]

Pairs = Sequence[tuple[Pixels, Pixels]]
"""Pictures two by two, each ``(H, W, 3)`` uint8; for content, both of one size."""


@dataclass(frozen=True)
class Agreement:
    """Rank correlations (Spearman), each -1..1, of two encoders' distances over the same pairs."""

    style: float
    gram: float
    content: float


def agreement(one: Encoder, other: Encoder, style: Pairs, content: Pairs) -> Agreement:
    """Compare mean/std and Gram distances over the pairs of ``style``, content distances over those of ``content``."""
    tables = [(_style(e, style), _content(e, content)) for e in (one, other)]
    (ours, contents), (theirs, other_contents) = tables
    return Agreement(
        rank_correlation(ours[:, 0], theirs[:, 0]),
        rank_correlation(ours[:, 1], theirs[:, 1]),
        rank_correlation(contents, other_contents),
    )


def rank_correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Spearman's rank correlation of two lists of numbers without ties."""
    first, second = (np.argsort(np.argsort(values)).astype(np.float64) for values in (a, b))
    return float(np.corrcoef(first, second)[0, 1])


@torch.no_grad()
def _style(encoder: Encoder, pairs: Pairs) -> np.ndarray:
    """``(pairs, 2)``: mean/std and Gram distance of the first to the second."""
    kept: dict[int, tuple[object, object]] = {}

    def seen(picture: Pixels) -> tuple[object, object]:
        if id(picture) not in kept:
            features = encoder(torch.from_numpy(planes(picture)))
            kept[id(picture)] = moments(features), grams(features)
        return kept[id(picture)]

    rows = []
    for a, b in pairs:
        (am, ag), (bm, bg) = seen(a), seen(b)
        rows.append([style_distance(am, bm).item(), gram_distance(ag, bg).item()])  # type: ignore[arg-type]
    return np.array(rows)


@torch.no_grad()
def _content(encoder: Encoder, pairs: Pairs) -> np.ndarray:
    deepest = STYLE_LAYERS[-1]
    both = ((encoder(torch.from_numpy(planes(picture)))[deepest] for picture in pair) for pair in pairs)
    return np.array([content_distance(*features).item() for features in both])
