"""Layers: which of torchvision's networks are encoders by name, and where in them features are taken. No torch yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["TORCHVISION", "Layout", "canonical_name"]


@dataclass(frozen=True, slots=True)
class Layout:
    """``layers`` are submodules, from the picture down, whose outputs are features unless others are asked for;
    ``options`` are what the network is built with."""

    layers: tuple[str, ...]
    options: Mapping[str, Any] = field(default_factory=dict)


_RESIDUAL = Layout(("relu", "layer1", "layer2", "layer3"))
_DENSE = Layout(("features.relu0", "features.denseblock1", "features.denseblock2", "features.denseblock3"))
# Their weights expect -1..1, which they make of ImageNet's normalisation by themselves.
_GOOGLE = {"transform_input": True, "init_weights": False}

TORCHVISION: Mapping[str, Layout] = {
    **dict.fromkeys(("resnet18", "resnet34", "resnet50", "resnet101", "resnet152"), _RESIDUAL),
    **dict.fromkeys(("resnext50_32x4d", "wide_resnet50_2"), _RESIDUAL),
    "inception_v3": Layout(("Conv2d_2b_3x3", "Conv2d_4a_3x3", "Mixed_5d", "Mixed_6e"), _GOOGLE),
    "googlenet": Layout(("conv1", "conv3", "inception3b", "inception4e"), _GOOGLE),
    **dict.fromkeys(("densenet121", "densenet169", "densenet201"), _DENSE),
    "mobilenet_v2": Layout(("features.1", "features.3", "features.6", "features.13")),
    "alexnet": Layout(("features.1", "features.4", "features.7", "features.9")),
}
"""By torchvision's own names."""

_OTHERS = ("pocket", "vgg16", "vgg19")


def canonical_name(text: str) -> str | None:
    """The encoder that a name means, however it is written, ``ResNet-50`` or ``InceptionV3``; None for any other."""
    plain = _normalise_name(text)
    return next((name for name in (*_OTHERS, *TORCHVISION) if _normalise_name(name) == plain), None)


def _normalise_name(text: str) -> str:
    return "".join(letter for letter in text.lower() if letter.isalnum())
