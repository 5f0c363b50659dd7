"""An encoder that was never trained: many random filters, from fine to coarse (Ustyuzhaninov et al. 2016)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from impasto.encoders import Encoder

__all__ = ["random_filters"]

_WIDTHS = (3, 5, 9, 17)
_FILTERS = 16


class _Filters(nn.Module):
    """Filters of several widths side by side, and the same again on what they find, at half the size."""

    def __init__(self) -> None:
        super().__init__()
        random = torch.Generator().manual_seed(0)
        self.fine, self.coarse = _bank(3, random), _bank(_FILTERS * len(_WIDTHS), random)
        self.found, self.halved, self.again = nn.ReLU(), nn.AvgPool2d(2), nn.ReLU()

    def forward(self, pictures: Tensor) -> Tensor:
        fine = self.found(torch.cat([convolve(pictures) for convolve in self.fine], 1))
        half = self.halved(fine)
        result: Tensor = self.again(torch.cat([convolve(half) for convolve in self.coarse], 1))
        return result


def random_filters() -> Encoder:
    """The encoder, with the layers ``fine`` and ``coarse``, 64 channels each."""
    return Encoder.from_module(_Filters(), {"fine": "found", "coarse": "again"})


def _bank(inputs: int, random: torch.Generator) -> nn.ModuleList:
    bank = nn.ModuleList()
    for width in _WIDTHS:
        convolve = nn.Conv2d(inputs, _FILTERS, width, padding=width // 2, padding_mode="replicate", bias=False)
        weight = torch.randn(convolve.weight.shape, generator=random)
        convolve.weight.data = weight / weight[0].numel() ** 0.5
        bank.append(convolve)
    return bank
