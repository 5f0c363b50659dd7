"""Encoders in VGG19's layout."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps
from safetensors.torch import save_file

from impasto.errors import ImpastoError
from impasto.perceptual.encoder import STYLE_LAYERS, layer_names
from impasto.perceptual.opening import open_encoder
from impasto.perceptual.pocket import WIDTHS, Pocket
from impasto.training.agreement import agreement


def test_layers_are_named_as_in_the_papers() -> None:
    names = layer_names()
    assert len(names) == 16
    assert (names[0], names[4], names[-1]) == ("relu1_1", "relu3_1", "relu5_4")


def test_pocket_has_vgg19s_strides_at_a_quarter_of_its_width() -> None:
    features = Pocket()(torch.rand(2, 3, 64, 96))
    shapes = {k: tuple(v.shape) for k, v in features.items()}
    assert shapes == {
        layer: (2, width, 64 // stride, 96 // stride)
        for layer, width, stride in zip(STYLE_LAYERS, WIDTHS, (1, 2, 4, 8), strict=True)
    }
    assert set(Pocket(("relu2_2",))(torch.rand(1, 3, 8, 8))) == {"relu2_2"}
    with pytest.raises(ValueError, match="pocket ends at relu4_1; relu5_1 needs VGG19"):
        Pocket(("relu5_1",))


def test_pocket_is_read_frozen_and_says_what_is_missing(tmp_path: Path) -> None:
    weights = {k: v.contiguous() for k, v in Pocket().state_dict().items()}
    save_file(weights, tmp_path / "whole.safetensors")
    read = open_encoder(tmp_path / "whole.safetensors")
    picture = torch.rand(1, 3, 16, 16)
    assert torch.equal(read(picture)["relu4_1"], Pocket()(picture)["relu4_1"])
    assert not any(p.requires_grad for p in read.parameters())
    del weights["conv3_2.bias"]
    save_file(weights, tmp_path / "part.safetensors")
    with pytest.raises(ValueError, match=r"part.safetensors has no conv3_2"):
        open_encoder(tmp_path / "part.safetensors")
    assert open_encoder(tmp_path / "part.safetensors", ("relu2_1",)).names[-1] == "2_1"
    with pytest.raises(ValueError, match=r"weights.pth is no encoder"):
        open_encoder(tmp_path / "weights.pth")


def test_the_pocket_that_ships_puts_pictures_in_vgg19s_order(shared: Path) -> None:
    records = [r for r in json.loads((shared / "images" / "index.json").read_text()) if r["split"] == "val"]
    photos, paintings = (
        [small(shared / "images" / r["file"]) for r in records if r["file"].startswith(kind)][:10]
        for kind in ("photos", "paintings")
    )
    random = np.random.default_rng(0)
    # Stand-ins for pastiches: a photograph in a painting's colours, with some of its texture.
    made = []
    for _ in range(40):
        photo, painting = (random.integers(len(x)) for x in (photos, paintings))
        share, colors = random.uniform(0, 0.5), random.uniform(0, 1)
        content, style = photos[photo].astype(np.float64), paintings[painting].astype(np.float64)
        moved = (content - content.mean((0, 1))) / content.std((0, 1)) * style.std((0, 1)) + style.mean((0, 1))
        mixed = (1 - share) * ((1 - colors) * content + colors * moved) + share * style
        made.append((mixed.clip(0, 255).astype(np.uint8), photos[photo]))
    everything = [*photos, *paintings, *(m for m, _ in made)]
    style_pairs = [(everything[i], paintings[j]) for i in range(20, 60) for j in random.integers(0, 10, 2)]
    found = agreement(open_encoder(), open_encoder(shared / "weights" / "vgg19.npz"), style_pairs, made)
    assert found.style > 0.95
    assert found.gram > 0.9
    assert found.content > 0.9


def small(file: Path) -> np.ndarray:
    """A square of 96 pixels from the middle."""
    with Image.open(file) as opened:
        return np.asarray(ImageOps.fit(opened.convert("RGB"), (96, 96)))


def test_the_pocket_that_ships_opens_by_default_and_sees_more_than_noise() -> None:
    try:
        encoder = open_encoder()
    except ImpastoError as error:
        pytest.fail(f"the package ships no pocket: {error}")
    features = encoder(torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0)))
    assert all(value.isfinite().all() and value.std() > 0 for value in features.values())
