"""StyleCriterion: the losses of training: how far a pastiche is from the style, and from the drawing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from impasto.encoders.encoder import STYLE_LAYERS, Encoder
from impasto.encoders.open import find_encoder, open_encoder
from impasto.encoders.vgg_layout import VGGLayout
from impasto.encoders.weights_file import style_layers
from impasto.losses.distances import (
    Grams,
    Moments,
    box_means,
    content_distance,
    gram_distance,
    grams,
    grid_energy,
    lattice_energy,
    moments,
    style_distance,
)
from impasto.training.trainer import training_dtype

__all__ = [
    "SCALES",
    "PictureFeatures",
    "StyleCriterion",
    "grid_losses",
    "mean_features",
    "repetition_loss",
    "shift_loss",
    "weighted_sum",
]

SCALES = (1, 2, 4)
"""By how much pictures are shrunk before their styles are compared: a stroke is longer than a 3x3 filter sees."""

_DEEPEST = STYLE_LAYERS[-1]
_CELL = 8
"""Pixels to a side of a place in the deepest features."""
_BLOCK = 32
"""Pixels to a side of the blocks whose light is compared."""
_BARE = 0.02
"""Mean contrast below which a photograph counts as one with little drawing: it then says less of it."""
_TOLERANCE = 20 / 255
"""By how much the light of a block may move before it counts."""
_PERIODS = (8, 16)
_PANE = 64
"""Pixels to a side of the panes in which repeats are counted."""
_LAGS = tuple((down, right) for down in (-16, -8, 0, 8, 16) for right in (0, 8, 16) if right or down > 0)
_REACH = 16
"""How far on repeats are looked for: to every second place of the network's coarsest grid."""
_FAINT, _FLAT = 2 / 255, 0.03
"""Grain below which repeats hardly count, and contrast up to which a photograph is flat."""
_SHIFT, _CUT = (3, 5), 16
"""Pixels down and to the right, in no step with any grid of a network, and what is cut off for it."""


@dataclass(frozen=True, slots=True)
class PictureFeatures:
    """What is compared of a batch of pictures; ``moments`` and ``grams`` at every scale, the finest first.

    ``drawing`` are the deepest features at full size, ``contrast`` ``(N, H / 8, W / 8)`` says where there is
    something to be drawn, ``light`` ``(N, H / 32, W / 32)`` is the mean grey of blocks.
    """

    moments: tuple[Moments, ...]
    grams: tuple[Grams, ...]
    drawing: Tensor
    contrast: Tensor
    light: Tensor

    def repeat(self, times: int) -> PictureFeatures:
        """All pictures, then all again: a, b, a, b."""
        return PictureFeatures(
            tuple({k: (m.repeat(times, 1), s.repeat(times, 1)) for k, (m, s) in x.items()} for x in self.moments),
            tuple({k: g.repeat(times, 1, 1) for k, g in x.items()} for x in self.grams),
            self.drawing.repeat(times, 1, 1, 1),
            self.contrast.repeat(times, 1, 1),
            self.light.repeat(times, 1, 1),
        )

    def repeat_interleave(self, times: int) -> PictureFeatures:
        """Every picture so many times in a row: a, a, b, b."""

        def again(x: Tensor) -> Tensor:
            return x.repeat_interleave(times, 0)

        return PictureFeatures(
            tuple({k: (again(m), again(s)) for k, (m, s) in x.items()} for x in self.moments),
            tuple({k: again(g) for k, g in x.items()} for x in self.grams),
            again(self.drawing),
            again(self.contrast),
            again(self.light),
        )


class StyleCriterion:
    """Looks at pictures through one encoder, at several scales."""

    def __init__(self, encoder: Encoder, scales: Sequence[int] = SCALES) -> None:
        self.encoder, self.scales = encoder, tuple(scales)

    @classmethod
    def through(cls, weights: Path | str | None, where: torch.device) -> StyleCriterion:
        """Through the encoder of these weights, by default pocket, on that device; to relu5_1 where it reaches that.

        Raises what :func:`open_encoder` does.
        """
        found = find_encoder("pocket" if weights is None else weights)
        layers = style_layers(found.file) if issubclass(found.kind, VGGLayout) else STYLE_LAYERS
        return cls(open_encoder(weights, layers, padding="replicate").to(where, training_dtype(where)))

    @torch.no_grad()
    def features(self, pictures: Tensor) -> PictureFeatures:
        """Of pictures ``(N, 3, H, W)`` in 0..1 that are goals, not to be learnt from themselves."""
        return self._features(pictures)

    def compare(self, pastiches: Tensor, photos: PictureFeatures, goal: PictureFeatures) -> dict[str, Tensor]:
        """``style``, ``gram``, ``content`` and ``light`` distance, means over the batch. ``goal`` may be one for all.

        Style is a share of the photograph's own distance, as the score has it, averaged over scales: no style and no
        scale outweighs another. Content and light count where the photograph has a drawing: an empty sky may be
        given strokes and become night, a face may not.
        """
        look = self._features(pastiches)
        styles, patterns = [], []
        for mine, own, aim in zip(look.moments, photos.moments, goal.moments, strict=True):
            # The floor keeps near-equal pairs from ruling.
            styles.append((style_distance(mine, aim) / (style_distance(own, aim) + 0.3)).mean())
        # Mean and standard deviation see each channel alone; strokes show in how channels go together.
        for mine_too, aim_too in zip(look.grams, goal.grams, strict=True):
            patterns.append(gram_distance(mine_too, aim_too).clamp_max(4).mean())
        content = content_distance(look.drawing, photos.drawing, _shares(photos.contrast))
        blocks = _cells(photos.contrast, min(_BLOCK // _CELL, *photos.contrast.shape[-2:]))
        moved = F.relu((look.light - photos.light).abs() - _TOLERANCE).square()
        light = (moved * _shares(F.max_pool2d(blocks, 3, 1, 1))).sum((1, 2))
        return {
            "style": torch.stack(styles).mean(),
            "gram": torch.stack(patterns).mean(),
            "content": content.mean(),
            "light": light.mean(),
        }

    def _features(self, pictures: Tensor) -> PictureFeatures:
        features = [self.encoder(F.avg_pool2d(pictures, k) if k > 1 else pictures) for k in self.scales]
        grey = pictures.mean(1)
        return PictureFeatures(
            tuple(moments(f) for f in features),
            tuple(grams(f) for f in features),
            features[0][_DEEPEST],
            _contrast(grey.detach()),
            _cells(grey, min(_BLOCK, *grey.shape[-2:])),
        )


def repetition_loss(painted: Tensor, contrast: Tensor) -> Tensor:
    """How much of the grain of what is painted comes again 8 or 16 pixels on, where the photograph is flat, 0..1.

    The highest autocorrelation at such lags, pane by pane: a stamp need not be in step all over a picture, as it
    must be for :func:`lattice_energy`, nor bold. Takes pastiches ``(N, 3, H, W)`` and a look's ``contrast``
    ``(N, H / 8, W / 8)``; 0 where a side is below 104 pixels.
    """
    rows, columns = ((side - _CELL - 2 * _REACH) // _PANE for side in painted.shape[-2:])
    if rows < 1 or columns < 1:
        return painted.new_zeros(())
    grey, half = painted.mean(1, keepdim=True), _CELL // 2
    fine = grey[..., half : 1 - half, half : 1 - half] - box_means(grey, _CELL)
    height, width = rows * _PANE, columns * _PANE

    def pane(down: int, right: int) -> Tensor:
        return fine[..., _REACH + down : _REACH + down + height, _REACH + right : _REACH + right + width]

    here = pane(0, 0)
    energy = _cells(here.square(), _PANE) + _FAINT**2
    again = torch.stack([_cells(here * pane(*lag), _PANE) for lag in _LAGS]).amax(0) / energy
    cells = _PANE // _CELL
    flat = F.relu(1 - _cells(contrast, cells)[:, :rows, :columns] / _FLAT)
    return (F.relu(again[:, 0]) * flat).mean()


def grid_losses(painted: Tensor) -> dict[str, Tensor]:
    """``grid`` and ``lattice``: what the network's own grid leaves in pictures."""
    periods = [p for p in _PERIODS if min(painted.shape[-2:]) >= 3 * p]
    lattice = torch.stack([lattice_energy(painted, p).mean() for p in periods]).sum()
    return {"grid": grid_energy(painted).mean(), "lattice": lattice}


def shift_loss(paint: Callable[[Tensor], Tensor], pictures: Tensor, painted: Tensor) -> Tensor:
    """How much else ``paint`` makes of pictures moved by a few pixels: squared difference to ``painted``, moved too.

    A stroke that hangs on the network's grid jumps from frame to frame of a film. Pictures ``(N, 3, H, W)``, of sides
    that ``paint`` still takes when 16 pixels are cut off.
    """
    (down, right), (height, width) = _SHIFT, (side - _CUT for side in pictures.shape[-2:])
    window = (..., slice(down, down + height), slice(right, right + width))
    moved = pictures[window].contiguous(memory_format=torch.channels_last)
    return (paint(moved) - painted[window]).square().mean()


def weighted_sum(terms: Mapping[str, Tensor], weights: Mapping[str, float | Tensor]) -> Tensor:
    """The loss: the sum of terms by their weights, 1 where none is given."""
    total = [weights.get(name, 1.0) * term for name, term in terms.items()]
    return torch.stack(total).sum()


def mean_features(looks: Sequence[PictureFeatures]) -> PictureFeatures:
    """Of several pictures of one style, each alone in its batch: what their places all together would give.

    All but moments and Gram matrices are the first one's, for pictures of several sizes have none in common.
    """
    first = looks[0]
    return PictureFeatures(
        tuple(_pooled([look.moments[i] for look in looks]) for i in range(len(first.moments))),
        tuple({k: torch.stack([x.grams[i][k] for x in looks]).mean(0) for k in g} for i, g in enumerate(first.grams)),
        first.drawing,
        first.contrast,
        first.light,
    )


def _pooled(several: Sequence[Moments]) -> Moments:
    means = {k: torch.stack([m[k][0] for m in several]).mean(0) for k in several[0]}
    squares = {k: torch.stack([m[k][1] ** 2 + m[k][0] ** 2 for m in several]).mean(0) for k in several[0]}
    return {k: (mean, (squares[k] - mean * mean).clamp_min(1e-8).sqrt()) for k, mean in means.items()}


def _contrast(grey: Tensor) -> Tensor:
    """Standard deviation within every cell, or one beside it: a place of the features sees further than its own."""
    mean = _cells(grey, _CELL)
    spread = (_cells(grey.square(), _CELL) - mean.square()).clamp_min(0).sqrt()
    return F.max_pool2d(spread, 3, 1, 1) + 0.5 / 255


def _cells(x: Tensor, side: int) -> Tensor:
    """Means of squares of ``side`` places beside each other, as pooling gives; many threads take part in each."""
    rows, columns = (length // side for length in x.shape[-2:])
    kept = x[..., : rows * side, : columns * side]
    return kept.reshape(*x.shape[:-2], rows, side, columns, side).mean((-3, -1))


def _shares(contrast: Tensor) -> Tensor:
    """Weights of places, summing to 1 where there is a drawing, to less where there is hardly any."""
    return contrast / (contrast.mean((1, 2), keepdim=True).clamp_min(_BARE) * contrast[0].numel())
