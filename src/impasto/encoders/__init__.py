"""Encoders: pictures to features, for perceptual losses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from impasto.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from impasto.encoders.encoder import IMAGENET_MEAN, IMAGENET_STD, STYLE_LAYERS, Encoder, Features, ModuleEncoder
    from impasto.encoders.open import open_any, open_encoder
    from impasto.encoders.pocket import Pocket
    from impasto.encoders.vgg import VGG16, VGG19
    from impasto.encoders.vgg_layout import VGGLayout

__all__ = [
    "IMAGENET_MEAN",
    "IMAGENET_STD",
    "STYLE_LAYERS",
    "VGG16",
    "VGG19",
    "Encoder",
    "Features",
    "ModuleEncoder",
    "Pocket",
    "VGGLayout",
    "open_any",
    "open_encoder",
]

# Loaded when first used: names of encoders are known without torch.
__getattr__ = lazy_exports(
    __name__,
    {
        "IMAGENET_MEAN": "encoder",
        "IMAGENET_STD": "encoder",
        "STYLE_LAYERS": "encoder",
        "VGG16": "vgg",
        "VGG19": "vgg",
        "Encoder": "encoder",
        "Features": "encoder",
        "ModuleEncoder": "encoder",
        "Pocket": "pocket",
        "VGGLayout": "vgg_layout",
        "open_any": "open",
        "open_encoder": "open",
    },
)


def __dir__() -> list[str]:
    return sorted(__all__)
