from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from networks import WIDTHS as NARROW
from networks import named
from torch import Tensor

from impasto.encoders.pocket import Pocket
from impasto.encoders.vgg import VGG19
from impasto.training import pruning
from impasto.training.pruning import prune

LAYERS = ("relu1_1", "relu1_2", "relu2_1", "relu2_2", "relu3_1", "relu4_1")


@pytest.fixture
def wide(tmp_path: Path) -> VGG19:
    arrays: dict[str, Any] = {name: value.numpy() for name, value in named().items()}
    np.savez(tmp_path / "vgg.npz", **arrays)
    return VGG19(tmp_path / "vgg.npz", LAYERS)


def missed(wide: VGG19, widths: tuple[int, ...]) -> list[float]:
    """By layer, the share of the energy of the chosen channels that a pruned network misses."""
    random = torch.Generator().manual_seed(3)
    pictures = torch.nn.functional.interpolate(torch.rand(12, 3, 12, 12, generator=random), 48, mode="bicubic")
    weights, chosen = prune(wide, pictures.clamp(0, 1), widths)
    narrow = Pocket(LAYERS)
    narrow._fill(weights, "what was pruned")
    assert narrow.widths == tuple(min(a, b) for a, b in zip(widths, NARROW, strict=False))
    shares = []
    with torch.no_grad():
        goal, found = wide(pictures), narrow(pictures)
    for layer in LAYERS:
        aim: Tensor = goal[layer][:, chosen[layer[4:]]] / chosen[f"{layer[4:]}.scale"]
        shares.append(float((found[layer] - aim).square().sum() / aim.square().sum()))
    return shares


def test_with_every_channel_nothing_is_lost_but_the_borders(wide: VGG19) -> None:
    # The two prepare pictures differently, which zero padding shows.
    assert max(missed(wide, NARROW[:4])) < 0.05


def test_fewer_channels_tell_most_of_the_others(wide: VGG19) -> None:
    some, few = missed(wide, (4, 5, 7, 7)), missed(wide, (3, 3, 3, 3))
    assert sum(some) < sum(few)
    assert max(some) < 0.3


def test_the_channels_chosen_are_those_that_the_others_are_told_from() -> None:
    random = torch.Generator().manual_seed(0)
    own = torch.rand(500, 3, generator=random)
    copies = torch.stack([own[:, 0], own[:, 1], own[:, 0] * 0.5, own[:, 1] * 0.5, own[:, 2] * 0.9], 1)
    assert pruning._select_columns(copies, 3).tolist() == [0, 1, 4]
