"""Encoders made of any module."""

from __future__ import annotations

import copy
import io
import re
from contextlib import redirect_stdout
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from impasto.encoders.encoder import Encoder


class Branches(nn.Module):
    """Submodules of every awkward kind."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.relu = nn.ReLU(inplace=True)
        self.second = nn.Conv2d(4, 5, 3, padding=1, stride=2)
        self.idle = nn.Conv2d(3, 3, 1)
        self.pair = Pair()
        self.flat = nn.Flatten()
        self.classifier = nn.Linear(5 * 4 * 4, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.second(self.relu(self.norm(self.first(x))))
        self.pair(x)
        found: Tensor = self.classifier(self.flat(x))
        return found


class Pair(nn.Module):
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x, x


def test_outputs_of_submodules_are_features() -> None:
    module = Branches()
    module.norm.running_mean = torch.full((4,), 0.3)
    encoder = Encoder.from_module(module, {"early": "first", "late": "second"})
    pictures = torch.rand(2, 3, 8, 8, requires_grad=True)
    features = encoder(pictures)
    assert encoder.layers == ("early", "late")
    assert {k: tuple(v.shape) for k, v in features.items()} == {"early": (2, 4, 8, 8), "late": (2, 5, 4, 4)}
    mean, std = (torch.tensor(x).view(1, 3, 1, 1) for x in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    early = module.first((pictures - mean) / std)
    assert torch.allclose(features["early"], early)
    assert torch.allclose(features["late"], module.second(module.norm(early).relu()))
    features["late"].square().mean().backward()
    assert pictures.grad is not None
    assert pictures.grad.abs().max() > 0


def test_an_in_place_relu_behind_a_submodule_changes_nothing() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(inplace=True), nn.Conv2d(4, 2, 1))
    features = Encoder.from_module(module, ["0", "1", "2"])(torch.rand(1, 3, 8, 8))
    assert features["0"].min() < 0
    assert torch.equal(features["1"], features["0"].relu())


def test_it_is_frozen_and_stays_in_evaluation_mode() -> None:
    module = Branches().train()
    encoder = Encoder.from_module(module, ["second"]).train()
    before = copy.deepcopy(module.norm.running_mean)
    assert not module.norm.training
    assert not any(p.requires_grad for p in encoder.parameters())
    encoder(torch.rand(2, 3, 8, 8))
    assert torch.equal(module.norm.running_mean, before)  # type: ignore[arg-type]
    assert not encoder.tiled


def test_the_module_is_left_once_all_was_heard_and_nothing_stays_on_it() -> None:
    module = Branches()
    encoder = Encoder.from_module(module, ["second"])
    assert encoder(torch.rand(1, 3, 20, 12))["second"].shape == (1, 5, 10, 6), "of a size the classifier cannot take"
    assert not any(m._forward_hooks for m in module.modules())
    picture = torch.rand(1, 3, 8, 8)
    assert torch.equal(copy.deepcopy(encoder)(picture)["second"], encoder(picture)["second"])


def test_it_keeps_the_precision_of_the_module() -> None:
    picture = torch.rand(1, 3, 8, 8, dtype=torch.float64)
    assert Encoder.from_module(Branches(), ["first"]).double()(picture)["first"].dtype == torch.float64
    assert Encoder.from_module(Branches(), ["first"]).bfloat16()(picture.float())["first"].dtype == torch.bfloat16
    plain = Encoder.from_module(nn.Sequential(nn.AvgPool2d(2)), ["0"], mean=(0, 0, 0), std=(1, 1, 1))
    assert torch.allclose(plain(picture)["0"], nn.functional.avg_pool2d(picture, 2))


def test_gradients_are_right() -> None:
    module = nn.Sequential(nn.Conv2d(3, 2, 3, padding=1), nn.Tanh(), nn.Conv2d(2, 2, 3))
    encoder = Encoder.from_module(module, ["1", "2"]).double()
    picture = torch.rand(1, 3, 5, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: tuple(encoder(x).values()), (picture,))


def test_what_cannot_be_is_told() -> None:
    module, picture = Branches(), torch.rand(1, 3, 8, 8)
    with pytest.raises(ValueError, match=r"no submodule 'layer3'; it has first, norm, relu, second"):
        Encoder.from_module(module, {"late": "layer3"})
    with pytest.raises(ValueError, match="no layers are named; choose from the submodules first"):
        Encoder.from_module(module, [])
    with pytest.raises(ValueError, match="layers is the text 'first'; give a list"):
        Encoder.from_module(module, "first")
    with pytest.raises(ValueError, match=r"give three numbers each, std above 0"):
        Encoder.from_module(module, ["first"], std=(1, 0, 1))
    with pytest.raises(ValueError, match="ran without idle; name submodules that its forward"):
        Encoder.from_module(module, ["first", "idle"])(picture)
    with pytest.raises(ValueError, match=r"'flat' gives a tensor \(1, 80\); name one that gives \(N, C, h, w\)"):
        Encoder.from_module(module, ["flat"])(picture)
    with pytest.raises(ValueError, match="'pair' gives a tuple"):
        Encoder.from_module(module, ["pair"])(picture)
    assert not any(m._forward_hooks for m in module.modules())


def test_the_example_of_the_documentation_runs() -> None:
    text = (Path(__file__).parents[1] / "docs" / "encoders.md").read_text("utf-8")
    (code,), (said,) = (
        re.findall(rf"^```{kind}\n(.*?)^```", text, re.MULTILINE | re.DOTALL) for kind in ("python", "text")
    )
    printed = io.StringIO()
    with redirect_stdout(printed):
        exec(code, {})
    assert printed.getvalue() == said
