"""Encoders of torchvision's by name: with a module that has its layout and random weights in its place."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from networks import published
from torch import Tensor, nn

from impasto import Stylizer
from impasto.cli.main import cli
from impasto.encoders.encoder import IMAGENET_MEAN, IMAGENET_STD
from impasto.encoders.open import find_encoder, open_any, open_encoder
from impasto.encoders.torchvision_layers import TORCHVISION, canonical_name
from impasto.errors import MissingExtra, ModelError, RequestError
from impasto.models import find

PHOTO = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
STYLE = np.random.default_rng(1).integers(0, 255, (64, 64, 3), np.uint8)


def step(inputs: int, outputs: int, stride: int = 2) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, stride, 1), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


class Residual(nn.Module):
    """With the submodules of a ResNet, few channels, and a classifier that takes one size."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1, self.relu = nn.Conv2d(3, 4, 7, 2, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        self.layer1, self.layer2, self.layer3, self.layer4 = step(4, 6, 1), step(6, 8), step(8, 10), step(10, 12)
        self.fc = nn.Linear(12 * 7 * 7, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        found: Tensor = self.fc(x.flatten(1))
        return found


class Inception(nn.Module):
    def __init__(self, transform_input: bool = False) -> None:
        super().__init__()
        self.transform_input = transform_input
        self.Conv2d_2b_3x3, self.Conv2d_4a_3x3 = step(3, 4), step(4, 6)
        self.Mixed_5d, self.Mixed_6e, self.Mixed_7c = step(6, 8), step(8, 10), step(10, 12)

    def forward(self, x: Tensor) -> Tensor:
        if self.transform_input:
            x = x * 0.5
        found: Tensor = self.Mixed_7c(self.Mixed_6e(self.Mixed_5d(self.Conv2d_4a_3x3(self.Conv2d_2b_3x3(x)))))
        return found


class Dense(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential()
        self.features.add_module("conv0", nn.Conv2d(3, 4, 3, 2, 1))
        self.features.add_module("relu0", nn.ReLU(inplace=True))
        for number in (1, 2, 3):
            block = nn.Sequential()
            layer = nn.Sequential()
            layer.add_module("norm1", nn.BatchNorm2d(4))
            layer.add_module("conv1", nn.Conv2d(4, 4, 3, 1, 1))
            block.add_module("denselayer1", layer)
            self.features.add_module(f"denseblock{number}", block)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.features(x)
        return found


def drawn(network: nn.Module) -> nn.Module:
    random = torch.Generator().manual_seed(5)
    for weight in network.parameters():
        weight.data = torch.randn(weight.shape, generator=random) * 0.3
    return network.eval()


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMPASTO_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.delitem(sys.modules, "torchvision", raising=False)
    monkeypatch.delitem(sys.modules, "torchvision.models", raising=False)


@pytest.fixture
def torchvision(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """What is used of it. Whoever asks it for weights has them fetched."""

    def builder(kind: Callable[..., nn.Module]) -> Callable[..., nn.Module]:
        def build(*, weights: object = "DEFAULT", init_weights: bool = True, **options: Any) -> nn.Module:
            assert weights is None, "nothing is fetched unasked"
            return kind(**options)

        return build

    package, models = ModuleType("torchvision"), ModuleType("torchvision.models")
    for name in TORCHVISION:
        is_dense, is_google = name.startswith("densenet"), name.startswith(("inception", "google"))
        setattr(models, name, builder(Dense if is_dense else Inception if is_google else Residual))
    package.models = models  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torchvision", package)
    monkeypatch.setitem(sys.modules, "torchvision.models", models)
    return models


def fetched(name: str, network: nn.Module, folder: Path) -> Path:
    """As torchvision keeps what it fetched."""
    file = folder / "torch" / "hub" / "checkpoints" / f"{name}-0a1b2c3d.pth"
    file.parent.mkdir(parents=True, exist_ok=True)
    torch.save(network.state_dict(), file, _use_new_zipfile_serialization=False)
    return file


@pytest.mark.usefixtures("torchvision")
@pytest.mark.parametrize(
    ("name", "asked", "network", "layers"),
    [
        ("resnet50", "resnet50", Residual, ("relu", "layer1", "layer2", "layer3")),
        ("resnet18", "ResNet-18", Residual, ("relu", "layer1", "layer2", "layer3")),
        ("inception_v3", "InceptionV3", Inception, ("Conv2d_2b_3x3", "Conv2d_4a_3x3", "Mixed_5d", "Mixed_6e")),
        ("densenet121", "densenet121", Dense, TORCHVISION["densenet121"].layers),
    ],
)
def test_what_torchvision_has_fetched_is_an_encoder_by_name(
    name: str, asked: str, network: Callable[[], nn.Module], layers: tuple[str, ...], tmp_path: Path
) -> None:
    file = fetched("inception_v3_google" if name == "inception_v3" else name, drawn(network()), tmp_path)
    found = find_encoder(asked)
    assert (found.identity, found.architecture, found.layers) == (file.stem, name, layers)
    encoder = open_any(asked, layers)
    picture = torch.rand(1, 3, 64, 64)
    features = encoder(picture)
    assert tuple(features) == layers
    mean, std = (torch.tensor(numbers).view(1, 3, 1, 1) for numbers in (IMAGENET_MEAN, IMAGENET_STD))
    own = drawn(network())
    if isinstance(own, Inception):
        own.transform_input = True
    expected: list[Tensor] = []
    hook = own.get_submodule(layers[1]).register_forward_hook(lambda *given: expected.append(given[2].clone()))
    with torch.no_grad():
        own((picture - mean) / std) if not isinstance(own, Residual) else own.layer1(
            own.maxpool(own.relu(own.bn1(own.conv1((picture - mean) / std))))
        )
    hook.remove()
    assert torch.allclose(features[layers[1]], expected[0], atol=1e-5)
    assert not any(weight.requires_grad for weight in encoder.parameters())


@pytest.mark.usefixtures("torchvision")
def test_it_paints(tmp_path: Path) -> None:
    fetched("resnet50", drawn(Residual()), tmp_path)
    stylizer = Stylizer("iterative")
    settings: dict[str, Any] = {"encoder": "resnet50", "steps": 2, "levels": 1, "scales": 1, "initial": PHOTO}
    result = stylizer.stylize(PHOTO, STYLE, **settings)
    assert result.model == "resnet50-0a1b2c3d"
    assert not np.array_equal(result.pastiche.pixels, PHOTO)
    # Any submodule is a layer.
    other = stylizer.stylize(PHOTO, STYLE, **settings, style_layers="layer1.0,layer2", content_layers="layer2")
    assert not np.array_equal(other.pastiche.pixels, result.pastiche.pixels)
    for more, said in (
        ({"style_layers": "relu3_1"}, "the encoder resnet50 cannot do this: the module has no submodule 'relu3_1'"),
        ({"pooling": "average"}, "the encoder resnet50 cannot do this: pooling is average"),
        ({"tile": 64}, "tiles and regions need an encoder with known strides"),
    ):
        with pytest.raises(RequestError, match=said):
            stylizer.stylize(PHOTO, STYLE, **settings, **more)


@pytest.mark.usefixtures("torchvision")
def test_weights_are_given_as_a_file(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="the weights of inception_v3 are not installed, and nothing is downloaded"):
        find_encoder("inception_v3")
    network, file = drawn(Inception()), tmp_path / "mine.pth"
    torch.save(network.state_dict(), file)
    said = CliRunner().invoke(cli, ["models", "add", "inception_v3", str(file)])
    assert said.exit_code == 0, said.stderr
    assert find("inception-v3").kind == "encoder"
    for name in ("inception_v3", "inception-v3", "inception-v3@1"):
        assert find_encoder(name).identity == "inception-v3@1"
    features = open_any("inception_v3", ["Mixed_5d"])(torch.rand(1, 3, 64, 64))
    assert features["Mixed_5d"].shape == (1, 8, 8, 8)
    with pytest.raises(ValueError, match="inception-v3@1 does not have VGG's layout, which is needed here"):
        open_encoder("inception_v3")
    torch.save(drawn(Residual()).state_dict(), file)
    said = CliRunner().invoke(cli, ["models", "add", "densenet121", str(file)])
    assert (said.exit_code, "holds no densenet121 of torchvision's (Missing key(s)" in said.stderr) == (1, True)
    file.write_bytes(b"<!DOCTYPE html>")
    said = CliRunner().invoke(cli, ["models", "add", "resnet50", str(file)])
    assert (said.exit_code, "mine.pth is a web page" in said.stderr) == (1, True)


@pytest.mark.usefixtures("torchvision")
def test_names_of_older_files_are_todays(tmp_path: Path) -> None:
    state = {
        key.replace("norm1", "norm.1").replace("conv1", "conv.1"): w for key, w in drawn(Dense()).state_dict().items()
    }
    assert any("denselayer1.norm.1.weight" in key for key in state)
    folder = tmp_path / "torch" / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    torch.save(state, folder / "densenet121-a0b1c2d3.pth")
    assert tuple(open_any("densenet121", ["features.denseblock1"])(torch.rand(1, 3, 32, 32))) == (
        "features.denseblock1",
    )


def test_without_torchvision_it_is_said_how_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchvision", None)
    monkeypatch.setitem(sys.modules, "torchvision.models", None)
    fetched("resnet50", drawn(Residual()), tmp_path)
    with pytest.raises(MissingExtra, match=r"the encoder resnet50 needs .* pip install 'impasto\[encoders\]'"):
        find_encoder("resnet50")
    with pytest.raises(MissingExtra, match=r"pip install 'impasto\[encoders\]'"):
        Stylizer("iterative").stylize(PHOTO, STYLE, encoder="resnet50", steps=1)


def test_an_unknown_encoder_is_told_of_encoders() -> None:
    with pytest.raises(ModelError) as caught:
        find_encoder("resnet5000")
    said = str(caught.value)
    assert said.startswith("there is no encoder 'resnet5000'; the encoders are pocket, vgg16, vgg19, where torchvision")
    assert "resnet50, " in said
    assert "udnie" not in said
    with pytest.raises(ModelError, match="of kind encoder here are: pocket "):
        find("resnet5000", kind="encoder")
    with pytest.raises(ModelError, match="is a model of kind per-style; give one of kind encoder"):
        find_encoder("udnie")


def test_names_are_taken_however_they_are_written(tmp_path: Path) -> None:
    assert [canonical_name(text) for text in ("VGG-19", "ResNet50", "Inception_V3", "Pocket", "other")] == [
        "vgg19",
        "resnet50",
        "inception_v3",
        "pocket",
        None,
    ]
    said = CliRunner().invoke(cli, ["models", "add", "vgg19", str(published(tmp_path / "vgg.pth"))])
    assert said.exit_code == 0, said.stderr
    assert find_encoder("VGG19").identity == "vgg19@1"
