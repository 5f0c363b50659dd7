"""Pruning: a narrow encoder made of a wide one's own channels, in closed form, as the place to start learning from."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from impasto.encoders.vgg import VGG19

__all__ = ["prune"]

_PLACES = 100_000
"""Places that each layer's weights are fitted on."""


@torch.no_grad()
def prune(wide: VGG19, pictures: Tensor, widths: Sequence[int]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Weights (``conv1_1.weight`` ...) of a VGG19 of ``widths``, and which channels of ``wide`` its channels stand for.

    Layer after layer: the channels that the others are best told from (pivoted Cholesky), and the
    weights that give them from the narrow layer below by least squares, as in He, Zhang & Sun, "Channel
    Pruning" (ICCV 2017); below zero, where ReLU hears nothing, any negative value will do. ``pictures``
    ``(N, 3, H, W)`` in 0..1 are fitted on; ``narrow`` inputs are expected as :class:`Pocket` prepares them.
    """
    random = torch.Generator().manual_seed(0)
    full, narrow = wide.prepare(pictures).float(), pictures.float() * 4 - 2
    weights: dict[str, Tensor] = {}
    chosen: dict[str, Tensor] = {}
    for name in wide.names:
        if name.endswith("_1") and name != "1_1":
            full, narrow = F.max_pool2d(full, 2), F.max_pool2d(narrow, 2)
        convolution = wide.get_submodule(f"conv{name}").float()
        before = convolution(full)
        full = F.relu(before)
        places = torch.randperm(before.shape[0] * before.shape[2] * before.shape[3], generator=random)[:_PLACES]
        places = places.to(pictures.device)
        channels = _select_columns(_columns_at(full, places), widths[int(name[0]) - 1])
        weight, bias, scale = _fit(narrow, _columns_at(before, places)[:, channels], places)
        narrow = F.relu(F.conv2d(narrow, weight, bias, padding=1))
        weights[f"conv{name}.weight"], weights[f"conv{name}.bias"] = weight, bias
        chosen[name] = channels
        chosen[f"{name}.scale"] = scale
    return weights, chosen


def _columns_at(x: Tensor, places: Tensor) -> Tensor:
    """``(places, C)`` of ``(N, C, H, W)``."""
    return x.permute(0, 2, 3, 1).reshape(-1, x.shape[1])[places]


def _select_columns(values: Tensor, count: int) -> Tensor:
    """``count`` columns from which the others are best told, in order."""
    rest = (values.double().T @ values.double()) / len(values)
    picked: list[int] = []
    for _ in range(min(count, len(rest))):
        left = rest.diagonal().clone()
        left[picked] = -1
        pivot = int(left.argmax())
        picked.append(pivot)
        rest = rest - torch.outer(rest[:, pivot], rest[pivot]) / rest[pivot, pivot].clamp_min(1e-12)
    return torch.tensor(sorted(picked), device=values.device)


def _fit(below: Tensor, goal: Tensor, places: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Weight and bias of the 3x3 convolution that makes ``goal`` divided by its own energy, and that energy."""
    height, width = below.shape[2:]
    padded = F.pad(below, (1, 1, 1, 1)).permute(0, 2, 3, 1)
    picture, row, column = places // (height * width), places // width % height, places % width
    patches = [padded[picture, row + i, column + j] for i in range(3) for j in range(3)]
    x = torch.cat([*patches, torch.ones_like(patches[0][:, :1])], 1).double()
    scale = F.relu(goal).square().mean().sqrt()
    y = (goal / scale).double()
    square = x.T @ x
    square += torch.eye(len(square), device=x.device) * square.diagonal().mean() * 1e-4
    solution = torch.linalg.solve(square, x.T @ y)
    for _ in range(3):
        guess = x @ solution
        solution = torch.linalg.solve(square, x.T @ torch.where((y < 0) & (guess < 0), guess, y))
    inputs, outputs = below.shape[1], goal.shape[1]
    weight = solution[:-1].reshape(3, 3, inputs, outputs).permute(3, 2, 0, 1).float().contiguous()
    return weight, solution[-1].float(), scale
