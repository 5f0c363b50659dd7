"""VGG19 (Simonyan & Zisserman 2014) as a frozen feature encoder for perceptual losses."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["STYLE_LAYERS", "VGG19"]

STYLE_LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1")

_CONVOLUTIONS_PER_LEVEL = (2, 2, 4, 4, 4)
# The Caffe weights expect BGR, 0..255, with the ImageNet mean taken off.
_CAFFE_MEAN_BGR = (103.939, 116.779, 123.68)


class VGG19(nn.Module):
    """VGG19 up to the deepest layer asked for; weights frozen.

    Layers are named as in the papers: ``relu1_1`` ... ``relu5_1``. Zero padding and max pooling,
    as published.
    """

    mean: Tensor

    def __init__(self, weights: Path, layers: Iterable[str] = STYLE_LAYERS) -> None:
        """Read what ``layers`` need from an ``.npz`` of ``conv1_1.weight`` (OIHW), ``conv1_1.bias`` ...

        Raises ``ValueError`` for an unknown layer, and where the file lacks a convolution that one needs.
        """
        super().__init__()
        self.layers = tuple(layers)
        self._plan: list[str] = []
        known = {f"relu{level}_{i + 1}" for level, n in enumerate(_CONVOLUTIONS_PER_LEVEL, 1) for i in range(n)}
        if unknown := sorted(set(self.layers) - known):
            raise ValueError(f"VGG19 has no layer {', '.join(unknown)}; its layers are {', '.join(sorted(known))}")
        with np.load(weights) as arrays:
            missing = set(self.layers)
            for level, count in enumerate(_CONVOLUTIONS_PER_LEVEL, 1):
                for index in range(1, count + 1):
                    if not missing:
                        break
                    name = f"{level}_{index}"
                    if f"conv{name}.weight" not in arrays:
                        raise ValueError(f"{weights} has no conv{name}, which {', '.join(sorted(missing))} needs")
                    self.add_module(
                        f"conv{name}", _convolution(arrays[f"conv{name}.weight"], arrays[f"conv{name}.bias"])
                    )
                    self._plan.append(name)
                    missing.discard(f"relu{name}")
        self.register_buffer("mean", torch.tensor(_CAFFE_MEAN_BGR).view(1, 3, 1, 1))
        self.requires_grad_(False)

    def forward(self, pictures: Tensor) -> dict[str, Tensor]:
        """Features of RGB pictures ``(N, 3, H, W)`` in 0..1, as ``{layer: (N, C, h, w)}``."""
        x = (pictures.flip(1) * 255 - self.mean).to(next(self.parameters()).dtype)
        x = x.contiguous(memory_format=torch.channels_last)
        features: dict[str, Tensor] = {}
        for name in self._plan:
            if name.endswith("_1") and name != "1_1":
                x = F.max_pool2d(x, 2)
            x = F.relu(self.get_submodule(f"conv{name}")(x))
            if f"relu{name}" in self.layers:
                features[f"relu{name}"] = x
        return features


def _convolution(weight: np.ndarray, bias: np.ndarray) -> nn.Conv2d:
    out_channels, in_channels, size, _ = weight.shape
    layer = nn.Conv2d(in_channels, out_channels, size, padding=size // 2)
    layer.weight.data = torch.from_numpy(weight.astype(np.float32)).contiguous(memory_format=torch.channels_last)
    layer.bias = nn.Parameter(torch.from_numpy(bias.astype(np.float32)))
    return layer
