"""Networks for tests: narrow VGGs of random weights, in the formats that others keep theirs in."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

CONVOLUTIONS = {"vgg16": (2, 2, 3, 3, 3), "vgg19": (2, 2, 4, 4, 4)}
WIDTHS = (4, 6, 8, 8, 8)


def narrow_vgg(name: str = "vgg19") -> nn.Sequential:
    """As torchvision builds the ``features`` of its VGG, but of a few channels."""
    random = torch.Generator().manual_seed(1)
    modules: list[nn.Module] = []
    inputs = 3
    for count, width in zip(CONVOLUTIONS[name], WIDTHS, strict=True):
        for _ in range(count):
            layer = nn.Conv2d(inputs, width, 3, padding=1)
            layer.weight.data.normal_(0, (2 / (9 * inputs)) ** 0.5, generator=random)
            layer.bias = nn.Parameter(torch.randn(width, generator=random) * 0.1)
            modules += [layer, nn.ReLU(inplace=True)]
            inputs = width
        modules.append(nn.MaxPool2d(2))
    return nn.Sequential(*modules)


def state(name: str = "vgg19") -> dict[str, Tensor]:
    """The state dict of all of it, a classifier included."""
    features = {f"features.{key}": value for key, value in narrow_vgg(name).state_dict().items()}
    return {**features, "classifier.0.weight": torch.ones(3, 8), "classifier.0.bias": torch.zeros(3)}


def published(file: Path, name: str = "vgg19") -> Path:
    """A ``.pth`` in the older format of torch, which torchvision's own are in."""
    torch.save(state(name), file, _use_new_zipfile_serialization=False)
    return file


def named(name: str = "vgg19") -> dict[str, Tensor]:
    """The convolutions as ``conv1_1.weight`` ..."""
    places = [f"{level}_{i + 1}" for level, n in enumerate(CONVOLUTIONS[name], 1) for i in range(n)]
    # Weight and bias of each in turn, as a state dict has them.
    values = iter(narrow_vgg(name).state_dict().values())
    return {f"conv{place}.{part}": next(values).contiguous() for place in places for part in ("weight", "bias")}
