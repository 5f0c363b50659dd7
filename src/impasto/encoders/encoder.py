"""Encoder: pictures to features, for perceptual losses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from torch import Tensor, nn

from impasto.encoders.features import Features

if TYPE_CHECKING:
    from impasto.encoders.modules import ModuleEncoder

__all__ = ["IMAGENET_MEAN", "IMAGENET_STD", "STYLE_LAYERS", "Encoder"]

STYLE_LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1")
"""Where style is looked at unless other layers are asked for, named as in VGG."""

IMAGENET_MEAN = (0.485, 0.456, 0.406)
"""Of RGB in 0..1: what torchvision's networks, and most of timm's, expect taken off."""
IMAGENET_STD = (0.229, 0.224, 0.225)
"""Of RGB in 0..1: what they expect pictures to be divided by then."""


class Encoder(nn.Module):
    """Pictures to features. ``layers`` names what :meth:`forward` gives, from the picture down.

    Pictures are RGB ``(N, 3, H, W)`` in 0..1, features ``{layer: (N, C, h, w)}`` in units of the encoder's own.

    ``tiled`` tells whether ``stride`` and ``reach`` are known, so that a large picture can be looked at
    in tiles with the same result: see :class:`impasto.encoders.vgg_layout.VGGLayout`.
    """

    layers: tuple[str, ...]
    tiled: bool = False

    def forward(self, pictures: Tensor) -> Features:
        """Features of RGB pictures ``(N, 3, H, W)`` in 0..1, as ``{layer: (N, C, h, w)}``."""
        raise NotImplementedError

    @staticmethod
    def from_module(
        module: nn.Module,
        layers: Mapping[str, str] | Sequence[str],
        *,
        mean: Sequence[float] = IMAGENET_MEAN,
        std: Sequence[float] = IMAGENET_STD,
    ) -> ModuleEncoder:
        """Any torch module as an encoder: the outputs of some of its submodules are the features.

        ``layers`` maps names to submodules, ``{"early": "layer1.0", "late": "layer3"}``; a list of
        submodules names them after themselves. Pictures are normalised with ``mean`` and ``std`` first. The
        module itself is frozen and put into evaluation mode, not a copy of it. Raises ``ValueError`` for a
        submodule that is not there; running raises it for one that was not called, or whose output is no
        ``(N, C, h, w)``.

        >>> import torch
        >>> from impasto.encoders import Encoder
        >>> module = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3, padding=1), torch.nn.ReLU(), torch.nn.MaxPool2d(2))
        >>> encoder = Encoder.from_module(module, {"fine": "1", "coarse": "2"})
        >>> {name: tuple(value.shape) for name, value in encoder(torch.rand(1, 3, 32, 48)).items()}
        {'fine': (1, 8, 32, 48), 'coarse': (1, 8, 16, 24)}
        """
        from impasto.encoders.modules import ModuleEncoder

        return ModuleEncoder(module, layers, mean=mean, std=std)
