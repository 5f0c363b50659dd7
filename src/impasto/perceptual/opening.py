"""Open an encoder from its file."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from impasto.models import find
from impasto.perceptual.encoder import STYLE_LAYERS, Encoder
from impasto.perceptual.pocket import Pocket
from impasto.perceptual.vgg import VGG19

__all__ = ["open_encoder"]


def open_encoder(weights: Path | None = None, layers: Iterable[str] = STYLE_LAYERS) -> Encoder:
    """VGG19 from ``.npz``, a pocket from ``.safetensors``, by default the one that ships; frozen.

    Raises ``ValueError`` for any other file, and where a convolution is missing.
    """
    if weights is None:
        weights = find("pocket", kind="encoder").file("encoder")
    match weights.suffix.lower():
        case ".npz":
            return VGG19(weights, layers)
        case ".safetensors":
            return Pocket.read(weights, layers)
    raise ValueError(f"{weights} is no encoder; give VGG19 as .npz or pocket as .safetensors")
