"""Notebooks: what two well-known notebooks divide their losses by, where this project's are means.

With ``loss_scale`` ``pytorch`` or ``keras``, weights are the notebook's own numbers, and its own losses come out at
any size of the picture. There, Gram matrices are sums over places; here they are means.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from torch import Tensor

from impasto.encoders.encoder import IMAGENET_STD, Encoder, Features
from impasto.losses.statistics import LayerStatistics, Statistics
from impasto.losses.terms import GramTerm, LayerWeights

__all__ = ["NOTEBOOKS", "Notebook", "SummedGramTerm"]

_DEVIATION = sum(IMAGENET_STD) / 3
_WHITE = 255
_COLORS = 3


@dataclass(frozen=True, slots=True)
class Notebook:
    """One notebook's way. ``convention`` is what its network sees: ``torchvision``'s pictures or ``caffe``'s.

    An encoder of the other convention has features about 57.6 times smaller or larger. Losses are of their squares
    and fourth powers, so weights are multiplied accordingly.
    """

    convention: Literal["caffe", "torchvision"]
    summed: bool = field(kw_only=True)
    """Whether content and total variation are sums, where the other's are means."""

    def feature_ratio(self, encoder: Encoder) -> float:
        """How much larger the features of the notebook's network are than those of ``encoder``."""
        has = _WHITE * _DEVIATION if getattr(encoder, "convention", "") == "caffe" else 1.0
        wants = _WHITE * _DEVIATION if self.convention == "caffe" else 1.0
        return wants / has

    def style(self, channels: int, places: float, pixels: int) -> float:
        """What a layer's mean square of Gram matrices, themselves means, is multiplied by.

        The picture that is looked at has so many ``pixels``, the layer so many ``places``.
        """
        if self.summed:
            # The sum of squares of sums, by 4 * colours^2 * pixels^2.
            return (channels * places / (2 * _COLORS * pixels)) ** 2
        # The mean square of sums, by channels * places.
        return places / channels

    def content(self, layers: LayerWeights, features: Features) -> dict[str, float]:
        """The weights of layers that compare means, where the photograph has such ``features``."""
        if not self.summed:
            return dict(layers)
        return {name: weight * features[name][0].numel() for name, weight in layers.items()}

    def variation(self, size: tuple[int, int], power: float) -> float:
        """What total variation, the mean of a picture of that ``size`` in 0..1, is multiplied by."""
        width, height = size
        return _WHITE ** (2 * power) * _COLORS * (width - 1) * (height - 1) if self.summed else 1.0


NOTEBOOKS: Mapping[str, Notebook] = MappingProxyType(
    {"pytorch": Notebook("torchvision", summed=False), "keras": Notebook("caffe", summed=True)}
)
"""By the value of ``loss_scale``."""


class SummedGramTerm(GramTerm):
    """Distance of Gram matrices that are sums over places, as a notebook has it.

    The target counts as if it had been measured at as many places as the picture has.
    """

    def __init__(
        self, target: Statistics, layers: LayerWeights, notebook: Notebook, *, pixels: int, weight: float = 1.0
    ) -> None:
        """``pixels`` are those of the picture that is looked at."""
        super().__init__(target, layers, relative=False, weight=weight)
        self._notebook, self._pixels = notebook, pixels

    def distance(self, found: LayerStatistics, target: LayerStatistics) -> Tensor:
        return super().distance(found, target) * self._notebook.style(len(found.total), found.places, self._pixels)
