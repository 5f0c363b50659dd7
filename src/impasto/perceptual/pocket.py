"""``pocket``: VGG19's layout at a quarter of its width, distilled from it; small enough to ship."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from torch import Tensor

from impasto.perceptual.encoder import STYLE_LAYERS, Encoder

__all__ = ["WIDTHS", "Pocket"]

WIDTHS = (16, 32, 64, 128)
"""Channels at each level, a quarter of VGG19's."""


class Pocket(Encoder):
    """The small encoder: strides and layer names are VGG19's, up to ``relu4_1``.

    Its Gram, mean/std and content distances were trained to order pictures as VGG19's do.
    """

    def __init__(self, layers: Iterable[str] = STYLE_LAYERS) -> None:
        """With random weights. Raises ``ValueError`` for an unknown layer, and for one below ``relu4_1``."""
        super().__init__(layers)
        if self.names[-1] > "4_1":
            raise ValueError(f"pocket ends at relu4_1; relu{self.names[-1]} needs VGG19")
        self._draw(WIDTHS)

    @classmethod
    def read(cls, weights: Path, layers: Iterable[str] = STYLE_LAYERS) -> Pocket:
        """From ``.safetensors``, frozen. Raises ``ValueError`` where a convolution is missing."""
        from safetensors.torch import load_file

        encoder = cls(layers)
        encoder._fill(load_file(weights), weights.name)
        return encoder.requires_grad_(False)

    def prepare(self, pictures: Tensor) -> Tensor:
        return pictures * 4 - 2
