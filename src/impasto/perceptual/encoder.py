"""Encoders in VGG19's layout (Simonyan & Zisserman 2014), of any width: features for perceptual losses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from impasto.perceptual.losses import Features

__all__ = ["STYLE_LAYERS", "Encoder", "layer_names"]

STYLE_LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1")

_CONVOLUTIONS_PER_LEVEL = (2, 2, 4, 4, 4)


def layer_names() -> tuple[str, ...]:
    """Every layer, from the picture down: ``relu1_1`` ... ``relu5_4``."""
    return tuple(f"relu{level}_{i + 1}" for level, n in enumerate(_CONVOLUTIONS_PER_LEVEL, 1) for i in range(n))


class Encoder(nn.Module):
    """Convolutions of 3x3 with zero padding, ReLU, max pooling between levels, up to the deepest layer asked for.

    Layers are named as in the papers: ``relu1_1`` ... ``relu5_1``. A subclass says how pictures
    are prepared.
    """

    def __init__(self, layers: Iterable[str] = STYLE_LAYERS) -> None:
        """Raises ``ValueError`` for an unknown layer."""
        super().__init__()
        self.layers = tuple(layers)
        known = layer_names()
        if unknown := sorted(set(self.layers) - set(known)):
            raise ValueError(f"there is no layer {', '.join(unknown)}; the layers are {', '.join(known)}")
        deepest = max(known.index(layer) for layer in self.layers)
        self.names = tuple(name.removeprefix("relu") for name in known[: deepest + 1])

    def prepare(self, pictures: Tensor) -> Tensor:
        """RGB pictures in 0..1 as the first convolution expects them."""
        raise NotImplementedError

    def forward(self, pictures: Tensor) -> Features:
        """Features of RGB pictures ``(N, 3, H, W)`` in 0..1, as ``{layer: (N, C, h, w)}``."""
        x = self.prepare(pictures).to(next(self.parameters()).dtype)
        x = x.contiguous(memory_format=torch.channels_last)
        features: Features = {}
        for name in self.names:
            if name.endswith("_1") and name != "1_1":
                x = F.max_pool2d(x, 2)
            x = F.relu(self.get_submodule(f"conv{name}")(x))
            if f"relu{name}" in self.layers:
                features[f"relu{name}"] = x
        return features

    def _draw(self, widths: Sequence[int]) -> None:
        """Random weights (He et al. 2015), the same every time, with ``widths`` channels at each level."""
        random = torch.Generator().manual_seed(0)
        inputs, weights = 3, {}
        for name in self.names:
            outputs = widths[int(name[0]) - 1]
            deviation = (2 / (9 * inputs)) ** 0.5
            weights[f"conv{name}.weight"] = torch.randn(outputs, inputs, 3, 3, generator=random) * deviation
            weights[f"conv{name}.bias"] = torch.zeros(outputs)
            inputs = outputs
        self._fill(weights, "random weights")

    def _fill(self, weights: Mapping[str, Tensor], source: str) -> None:
        """Take ``conv1_1.weight`` (OIHW), ``conv1_1.bias`` ...; raises ``ValueError`` where one is missing."""
        for name in self.names:
            if f"conv{name}.weight" not in weights or f"conv{name}.bias" not in weights:
                raise ValueError(f"{source} has no conv{name}, which {', '.join(self.layers)} need")
            weight, bias = weights[f"conv{name}.weight"].float(), weights[f"conv{name}.bias"].float()
            outputs, inputs, size, _ = weight.shape
            layer = nn.Conv2d(inputs, outputs, size, padding=size // 2)
            layer.weight.data = weight.contiguous(memory_format=torch.channels_last)
            layer.bias = nn.Parameter(bias)
            self.add_module(f"conv{name}", layer)
