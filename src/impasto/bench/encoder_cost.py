"""What an encoder costs as a loss: passes to measure."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from impasto.encoders.encoder import STYLE_LAYERS
from impasto.encoders.pocket import Pocket
from impasto.encoders.vgg import VGG19
from impasto.encoders.vgg_layout import VGGLayout
from impasto.losses.distances import grams

__all__ = ["encoder_passes"]

_VGG19_WIDTHS = (64, 128, 256, 512, 512)


class _Wide(VGGLayout):
    """VGG19's layout with random weights: speed does not depend on them."""

    convolutions = VGG19.convolutions

    def __init__(self, layers: Iterable[str] = STYLE_LAYERS) -> None:
        super().__init__(layers)
        self._draw(_VGG19_WIDTHS)

    def prepare(self, pictures: Tensor) -> Tensor:
        return pictures


def encoder_passes(side: int = 512) -> dict[str, Callable[[], Tensor]]:
    """For ``"pocket"`` and ``"vgg19"``: forward and backward over one picture in bf16, Gram matrices as the loss."""
    picture = torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(0)).requires_grad_()

    def measured(encoder: VGGLayout) -> Callable[[], Tensor]:
        encoder = encoder.bfloat16().requires_grad_(False)

        def run() -> Tensor:
            loss = torch.stack([g.square().mean() for g in grams(encoder(picture)).values()]).sum()
            (gradient,) = torch.autograd.grad(loss, picture)
            return gradient

        return run

    return {"pocket": measured(Pocket()), "vgg19": measured(_Wide())}
