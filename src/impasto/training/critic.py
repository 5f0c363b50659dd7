"""Critic: what a pastiche is told while its network learns: how far from the style, how far from the drawing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from impasto.perceptual.encoder import STYLE_LAYERS, Encoder
from impasto.perceptual.losses import (
    Grams,
    Moments,
    content_distance,
    gram_distance,
    grams,
    grid_energy,
    lattice_energy,
    moments,
    style_distance,
)

__all__ = ["Critic", "Look", "mean_look", "regularity", "weighed"]

_DEEPEST = STYLE_LAYERS[-1]


@dataclass(frozen=True, slots=True)
class Look:
    """What is compared of a batch of pictures. ``drawing`` are the deepest features."""

    moments: Moments
    grams: Grams
    drawing: Tensor

    def repeat(self, times: int) -> Look:
        """All pictures, then all again: a, b, a, b."""
        return Look(
            {k: (m.repeat(times, 1), s.repeat(times, 1)) for k, (m, s) in self.moments.items()},
            {k: g.repeat(times, 1, 1) for k, g in self.grams.items()},
            self.drawing.repeat(times, 1, 1, 1),
        )

    def repeat_interleave(self, times: int) -> Look:
        """Every picture so many times in a row: a, a, b, b."""
        return Look(
            {k: (m.repeat_interleave(times, 0), s.repeat_interleave(times, 0)) for k, (m, s) in self.moments.items()},
            {k: g.repeat_interleave(times, 0) for k, g in self.grams.items()},
            self.drawing.repeat_interleave(times, 0),
        )


class Critic:
    """Looks at pictures through one encoder."""

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder

    @torch.no_grad()
    def look(self, pictures: Tensor) -> Look:
        """Of pictures ``(N, 3, H, W)`` in 0..1 that are goals, not to be learnt from themselves."""
        features = self.encoder(pictures)
        return Look(moments(features), grams(features), features[_DEEPEST])

    def compare(self, pastiches: Tensor, photos: Look, goal: Look) -> dict[str, Tensor]:
        """``style``, ``gram`` and ``content`` distance, means over the batch. ``goal`` may be one for all.

        Style is a share of the photograph's own distance, as the score has it: no style outweighs another.
        """
        features = self.encoder(pastiches)
        untouched = style_distance(photos.moments, goal.moments)
        # The floor keeps near-equal pairs from ruling.
        style = style_distance(moments(features), goal.moments) / (untouched + 0.3)
        # Mean and deviation see each channel alone; strokes show in how channels go together.
        gram = gram_distance(grams(features), goal.grams).clamp_max(4)
        content = content_distance(features[_DEEPEST], photos.drawing)
        return {"style": style.mean(), "gram": gram.mean(), "content": content.mean()}


def regularity(painted: Tensor) -> dict[str, Tensor]:
    """``grid`` and ``lattice``: what the network's own grid leaves in pictures."""
    return {"grid": grid_energy(painted).mean(), "lattice": lattice_energy(painted).mean()}


def weighed(terms: Mapping[str, Tensor], weights: Mapping[str, float]) -> Tensor:
    """The loss: the sum of terms by their weights, 1 where none is given."""
    total = [weights.get(name, 1.0) * term for name, term in terms.items()]
    return torch.stack(total).sum()


def mean_look(looks: Sequence[Look]) -> Look:
    """Of several pictures of one style, each alone in its batch: what their places all together would give.

    ``drawing`` is the first one's, for pictures of several sizes have none in common.
    """
    first = looks[0]
    means = {k: torch.stack([look.moments[k][0] for look in looks]).mean(0) for k in first.moments}
    squares = {
        k: torch.stack([look.moments[k][1] ** 2 + look.moments[k][0] ** 2 for look in looks]).mean(0)
        for k in first.moments
    }
    return Look(
        {k: (mean, (squares[k] - mean * mean).clamp_min(1e-8).sqrt()) for k, mean in means.items()},
        {k: torch.stack([look.grams[k] for look in looks]).mean(0) for k in first.grams},
        first.drawing,
    )
