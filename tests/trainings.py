"""Trainings of one style for tests: what they start from, and what they learn on, all of it small."""

from __future__ import annotations

from pathlib import Path

import torch
from pictures import noise, saved
from PIL import Image

from impasto.models import find
from impasto.models.store import shipped
from impasto.training.architecture.network import Shape, TransferNetwork
from impasto.training.export import export_base

__all__ = ["a_base", "a_painting", "a_photo"]


def a_base(user: Path) -> None:
    """Let there be a model ``base`` in the user's folder, of random weights, where none comes with the package."""
    if any(model.kind == "base" for model in shipped()):
        return
    torch.manual_seed(1)
    # The codes are those of the network that ships.
    shape = Shape(widths=(8, 8, 8), blocks=1, code=int(find("instant").rules["code"]))
    export_base(TransferNetwork(shape), shape, user / "models" / "base@1", name="base", version="1")


def a_photo(seed: int = 0) -> bytes:
    """96x80, soft colours."""
    return saved(Image.fromarray(noise(6, 5, seed=seed)).resize((96, 80), Image.Resampling.BICUBIC), "png")


def a_painting(seed: int = 99) -> bytes:
    """72x64, rough."""
    return saved(Image.fromarray(noise(72, 64, seed=seed)), "png")
