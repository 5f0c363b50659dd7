"""VGG19 (Simonyan & Zisserman 2014), the encoder whose distances the papers report."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from impasto.perceptual.encoder import STYLE_LAYERS, Encoder

__all__ = ["VGG19"]

# The Caffe weights expect BGR, 0..255, with the ImageNet mean taken off.
_CAFFE_MEAN_BGR = (103.939, 116.779, 123.68)


class VGG19(Encoder):
    """VGG19 as published, up to the deepest layer asked for; weights frozen."""

    def __init__(self, weights: Path, layers: Iterable[str] = STYLE_LAYERS) -> None:
        """Read what ``layers`` need from an ``.npz`` of ``conv1_1.weight`` (OIHW), ``conv1_1.bias`` ...

        Raises ``ValueError`` for an unknown layer, and where the file lacks a convolution that one needs.
        """
        super().__init__(layers)
        with np.load(weights) as arrays:
            wanted = {f"conv{name}.{part}" for name in self.names for part in ("weight", "bias")}
            self._fill({k: torch.from_numpy(arrays[k]) for k in arrays.files if k in wanted}, str(weights))
        self.requires_grad_(False)

    def prepare(self, pictures: Tensor) -> Tensor:
        # In the pictures' precision: bf16 would round the mean.
        return pictures.flip(1) * 255 - pictures.new_tensor(_CAFFE_MEAN_BGR).view(1, 3, 1, 1)
