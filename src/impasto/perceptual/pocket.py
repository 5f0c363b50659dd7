"""``pocket``: VGG19's layout at a quarter of its width, distilled from it; small enough to ship."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor, nn

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
        random = torch.Generator().manual_seed(0)
        inputs, weights = 3, {}
        for name in self.names:
            outputs = WIDTHS[int(name[0]) - 1]
            deviation = (2 / (9 * inputs)) ** 0.5
            weights[f"conv{name}.weight"] = torch.randn(outputs, inputs, 3, 3, generator=random) * deviation
            weights[f"conv{name}.bias"] = torch.zeros(outputs)
            inputs = outputs
        self._fill(weights, "pocket")

    @classmethod
    def read(cls, weights: Path, layers: Iterable[str] = STYLE_LAYERS) -> Pocket:
        """From ``.safetensors``, frozen. Raises ``ValueError`` where a convolution is missing."""
        from safetensors.torch import load_file

        encoder = cls(layers)
        encoder._fill(load_file(weights), weights.name)
        return encoder.requires_grad_(False)

    def prepare(self, pictures: Tensor) -> Tensor:
        return pictures * 4 - 2

    def convolutions(self) -> dict[str, nn.Module]:
        """Its layers by name, from the picture down."""
        return {name: self.get_submodule(f"conv{name}") for name in self.names}
