"""``pocket``: VGG19's layout at a fraction of its width, distilled from it; small enough to ship."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Self

from torch import Tensor

from impasto.encoders.encoder import STYLE_LAYERS
from impasto.encoders.vgg import VGG19
from impasto.encoders.vgg_layout import Padding, Pooling, VGGLayout
from impasto.encoders.weights_file import Weights

__all__ = ["WIDTHS", "Pocket"]

WIDTHS = (16, 64, 128, 256)
"""Channels at each level of a new one: a fifth of VGG19's operations. A file has its own."""


class Pocket(VGGLayout):
    """The small encoder: strides and layer names are VGG19's, as deep as its file goes.

    Its channels were chosen among VGG19's, and trained so that its distances pull a picture where VGG19's do.
    """

    convolutions = VGG19.convolutions

    def __init__(
        self,
        layers: Iterable[str] = STYLE_LAYERS,
        *,
        weights: Path | None = None,
        pooling: Pooling = "max",
        padding: Padding = "zeros",
    ) -> None:
        """With random weights, or frozen with those of a ``.safetensors``, whatever its widths.

        Raises ``ValueError`` for an unknown layer, where the file lacks a convolution that one needs, and for
        random weights below ``relu4_1``.
        """
        super().__init__(layers, pooling=pooling, padding=padding)
        if weights is not None:
            wanted = (f"conv{name}.{part}" for name in self.names for part in ("weight", "bias"))
            self._fill(Weights(weights).read(wanted), weights.name)
            self.requires_grad_(False)
            return
        if self.names[-1] > "4_1":
            raise ValueError(f"pocket ends at relu4_1; relu{self.names[-1]} needs VGG19")
        self._draw(WIDTHS)

    @classmethod
    def read(
        cls,
        weights: Path,
        layers: Iterable[str] = STYLE_LAYERS,
        *,
        pooling: Pooling = "max",
        padding: Padding = "zeros",
    ) -> Self:
        """From ``.safetensors``, frozen. Raises as the constructor."""
        return cls(layers, weights=weights, pooling=pooling, padding=padding)

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels at each level."""
        last = {name[0]: self.get_parameter(f"conv{name}.weight") for name in self.names}
        return tuple(len(weight) for weight in last.values())

    def prepare(self, pictures: Tensor) -> Tensor:
        return pictures * 4 - 2
