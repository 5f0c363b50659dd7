from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from impasto.encoders.encoder import STYLE_LAYERS
from impasto.encoders.vgg import VGG19
from impasto.losses.distances import (
    content_distance,
    gram_distance,
    grams,
    grid_energy,
    lattice_energy,
    moments,
    style_distance,
)


def features(seed: int, batch: int = 2) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {"a": torch.rand(batch, 5, 9, 7, generator=generator), "b": torch.rand(batch, 8, 4, 4, generator=generator)}


def test_a_picture_is_no_distance_from_itself_and_some_from_others() -> None:
    one, two = features(0), features(1)
    for distance in (
        style_distance(moments(one), moments(one)),
        gram_distance(grams(one), grams(one)),
        content_distance(one["a"], one["a"]),
    ):
        assert distance.shape == (2,)
        assert distance.abs().max() < 1e-5
    assert style_distance(moments(one), moments(two)).min() > 1e-3
    assert gram_distance(grams(one), grams(two)).min() > 1e-3
    assert content_distance(one["a"], two["a"]).min() > 0.1


def test_style_does_not_see_places_and_content_does_not_see_contrast() -> None:
    one = features(0)
    shuffled = {k: v.flatten(2)[:, :, torch.randperm(v[0, 0].numel())].view_as(v) for k, v in one.items()}
    assert style_distance(moments(one), moments(shuffled)).max() < 1e-6
    assert gram_distance(grams(one), grams(shuffled)).max() < 1e-6
    scaled = one["a"] * torch.rand(1, 5, 1, 1) * 3 + torch.rand(1, 5, 1, 1)
    assert content_distance(one["a"], scaled).max() < 1e-3


def test_moments_and_grams_are_what_their_names_say() -> None:
    one = features(4)
    mean, std = moments(one)["a"]
    assert torch.allclose(mean, one["a"].mean((2, 3)))
    assert torch.allclose(std, one["a"].flatten(2).std(2, correction=0), atol=1e-5)
    expected = torch.einsum("nchw,ndhw->ncd", one["b"], one["b"]) / 16
    assert torch.allclose(grams(one)["b"], expected, atol=1e-5)


def test_distances_have_right_gradients() -> None:
    one = {k: v.double() for k, v in features(0, 1).items()}
    two = {k: v.double() for k, v in features(1, 1).items()}
    # The distances work in float32 where it counts, so the check is a coarse one.
    losses: list[Callable[[torch.Tensor], torch.Tensor]] = [
        lambda x: style_distance(moments({"a": x}), moments({"a": two["a"]})).sum(),
        lambda x: gram_distance(grams({"a": x}), grams({"a": two["a"]})).sum(),
        lambda x: content_distance(x, two["a"]).sum(),
    ]
    for loss in losses:
        x = one["a"].clone().requires_grad_()
        (gradient,) = torch.autograd.grad(loss(x), x)
        direction = torch.randn(x.shape, generator=torch.Generator().manual_seed(2), dtype=torch.double)
        with torch.no_grad():
            slope = (loss(x + 1e-2 * direction) - loss(x - 1e-2 * direction)) / 2e-2
        assert slope == pytest.approx((gradient * direction).sum().item(), rel=0.05, abs=1e-3)


def test_grid_energy_sees_a_checkerboard_and_neither_slopes_nor_texture() -> None:
    flat = torch.full((1, 3, 64, 64), 0.5)
    slope = torch.linspace(0, 1, 64).expand(1, 3, 64, 64)
    board = flat.clone()
    board[..., ::2, 1::2] += 0.1
    noise = flat + 0.1 * torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    assert grid_energy(flat).item() == 0
    assert grid_energy(board).item() > 20 * grid_energy(slope).item()
    # The noise has four times the energy of the board.
    assert grid_energy(board).item() > 3 * grid_energy(noise).item()


def test_lattice_energy_sees_what_repeats_every_eight_pixels_and_neither_slopes_nor_texture() -> None:
    random = torch.Generator().manual_seed(0)
    slope = torch.linspace(0, 1, 128).expand(1, 3, 128, 128)
    noise = 0.5 + 0.1 * torch.randn(1, 3, 128, 128, generator=random)
    stripes = 0.5 + 0.1 * torch.sin(torch.arange(128) * 2 * torch.pi / 8).expand(1, 3, 128, 128)
    tiles = 0.5 + 0.1 * torch.randn(1, 3, 8, 8, generator=random).repeat(1, 1, 16, 16)
    coarse = 0.5 + 0.1 * torch.sin(torch.arange(128) * 2 * torch.pi / 64).expand(1, 3, 128, 128)
    assert lattice_energy(slope).item() < 1e-9
    assert lattice_energy(stripes).item() == pytest.approx(0.1**2 / 2, rel=0.01)
    assert lattice_energy(tiles).item() == pytest.approx(0.1**2, rel=0.2)
    for other in (noise, coarse):
        assert lattice_energy(other).item() < 0.02 * lattice_energy(stripes).item()
    batch = torch.cat([stripes, noise])
    assert lattice_energy(batch).shape == (2,)


def test_vgg_names_its_layers_and_says_what_is_missing(tmp_path: Path) -> None:
    file = tiny_vgg(tmp_path)
    found = VGG19(file, ("relu1_2", "relu2_1"))(torch.rand(1, 3, 32, 48))
    assert {k: tuple(v.shape) for k, v in found.items()} == {"relu1_2": (1, 4, 32, 48), "relu2_1": (1, 6, 16, 24)}
    with pytest.raises(ValueError, match="has no conv2_2"):
        VGG19(file, ("relu3_1",))
    with pytest.raises(ValueError, match="no layer"):
        VGG19(file, ("relu1_9", "relu1_1"))


def test_distances_are_those_of_the_quality_script(shared: Path) -> None:
    location = importlib.util.spec_from_file_location("quality", shared / "tools" / "quality.py")
    assert location is not None
    assert location.loader is not None
    quality = importlib.util.module_from_spec(location)
    sys.modules["quality"] = quality
    location.loader.exec_module(quality)
    random = np.random.default_rng(0)
    a, b = (torch.from_numpy(random.random((1, 3, 64, 64), np.float32)) for _ in range(2))
    b[:, 1] *= 0.3
    vgg = VGG19(shared / "weights" / "vgg19.npz")
    weights = quality.weights()
    with torch.no_grad():
        ours = [vgg(x) for x in (a, b)]
        theirs = [quality.features(x * 255, weights) for x in (a, b)]
    style = style_distance(moments(ours[0]), moments(ours[1])).item()
    assert style == pytest.approx(quality.style_dist(*map(quality.stats, theirs)), rel=2e-2)
    content = content_distance(ours[0][STYLE_LAYERS[-1]], ours[1][STYLE_LAYERS[-1]]).item()
    assert content == pytest.approx(quality.cosine_content(theirs[0], theirs[1]), rel=2e-2)


def tiny_vgg(folder: Path) -> Path:
    """VGG19 with 4 and 6 channels up to relu2_1, of random weights."""
    random = np.random.default_rng(0)
    arrays: dict[str, Any] = {}
    for name, inputs, outputs in (("1_1", 3, 4), ("1_2", 4, 4), ("2_1", 4, 6)):
        arrays[f"conv{name}.weight"] = random.normal(0, 0.2, (outputs, inputs, 3, 3)).astype(np.float32)
        arrays[f"conv{name}.bias"] = np.zeros(outputs, np.float32)
    np.savez(folder / "tiny.npz", **arrays)
    return folder / "tiny.npz"
