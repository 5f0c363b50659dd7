"""The presets of the two well-known notebooks against ports of these in plain torch and SciPy, step by step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from painting import VGG_LAYOUTS, drained, photograph, vgg_file, vgg_weights
from PIL import Image
from safetensors.torch import save_file
from scipy.optimize import fmin_l_bfgs_b
from torch import Tensor, nn

from impasto import Picture, Stylizer
from impasto.encoders.open import open_encoder
from impasto.iterative import engine, objective_builder, targets
from impasto.iterative.pyramid import working_size
from impasto.picture.scaling import fit_side
from impasto.request import PRESETS

VGG19, VGG16 = VGG_LAYOUTS["vgg19"], VGG_LAYOUTS["vgg16"]
MEAN, DEVIATION = (torch.tensor(x).view(1, 3, 1, 1) for x in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
BGR = torch.tensor((103.939, 116.779, 123.68)).view(1, 3, 1, 1)
SIZES = [(64, 48), (45, 61)]


def modules(convolutions: Sequence[int]) -> nn.Sequential:
    """As torchvision has them, every ReLU in place."""
    weights, layers = vgg_weights(convolutions), list[nn.Module]()
    for level, count in enumerate(convolutions, 1):
        for number in range(1, count + 1):
            weight = weights[f"conv{level}_{number}.weight"]
            layer = nn.Conv2d(weight.shape[1], len(weight), 3, padding=1)
            layer.weight.data, layer.bias.data = weight, weights[f"conv{level}_{number}.bias"]  # type: ignore[union-attr]
            layers += [layer, nn.ReLU(inplace=True)]
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers).requires_grad_(False)


def tapped(network: nn.Sequential, x: Tensor, places: Mapping[int, str]) -> dict[str, Tensor]:
    found = {}
    for place, layer in enumerate(network):
        x = layer(x)
        if place in places:
            found[places[place]] = x
    return found


def _tensor(pixels: Any) -> Tensor:
    return torch.tensor(pixels).permute(2, 0, 1)[None] / 255


def tensor(picture: Picture) -> Tensor:
    return _tensor(picture.pixels)


def squeezed(painting: Picture, size: tuple[int, int]) -> Picture:
    """As large as the photograph, whatever its proportions."""
    image = Image.fromarray(painting.pixels).resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
    return Picture.from_array(np.asarray(image))


def told(
    preset: str, pictures: tuple[Picture, Picture], stylizer: Stylizer | None = None, **settings: Any
) -> list[float]:
    """The total losses of a run, as they are told."""
    stylizer = stylizer or Stylizer()
    request = stylizer.request(*pictures, preset=preset, **settings)
    assert working_size(request) == pictures[0].size
    reports, _ = drained(stylizer.run(request))
    return [report.loss for report in reports if report.loss is not None]


def pytorch_notebook(content: Tensor, style: Tensor, steps: int, beta: float = 1e9) -> list[float]:
    network = modules(VGG19)
    places = {0: "conv1_1", 5: "conv2_1", 10: "conv3_1", 19: "conv4_1", 21: "conv4_2", 28: "conv5_1"}
    weights = {"conv1_1": 1.0, "conv2_1": 0.75, "conv3_1": 0.2, "conv4_1": 0.2, "conv5_1": 0.2}

    def gram(features: Tensor) -> Tensor:
        flat = features[0].reshape(features.shape[1], -1)
        return flat @ flat.T

    content, style = ((x - MEAN) / DEVIATION for x in (content, style))
    wanted = tapped(network, content, places)["conv4_2"]
    grams = {name: gram(value) for name, value in tapped(network, style, places).items()}
    target = content.clone().requires_grad_()
    adam, totals = torch.optim.Adam([target], lr=0.003), []
    for _ in range(steps):
        found = tapped(network, target, places)
        style_loss = torch.zeros(())
        for name, weight in weights.items():
            layer_loss = weight * (gram(found[name]) - grams[name]).square().mean()
            style_loss = style_loss + layer_loss / found[name].numel()
        total = (found["conv4_2"] - wanted).square().mean() + beta * style_loss
        adam.zero_grad()
        total.backward()  # type: ignore[no-untyped-call]
        adam.step()
        totals.append(total.item())
    return totals


def keras_notebook(pictures: Sequence[Tensor], steps: int) -> list[float]:
    """Of photograph, painting and start, in the precision of these."""
    content, style, start = pictures
    kind = content.dtype
    network = modules(VGG16).to(kind)
    places = {3: "block1_conv2", 8: "block2_conv2", 15: "block3_conv3", 22: "block4_conv3", 29: "block5_conv3"}
    height, width = content.shape[2:]

    def seen(x: Tensor) -> Tensor:
        return x.flip(1) * 255 - BGR

    def gram(features: Tensor) -> Tensor:
        flat = features[0].flatten(1)
        return flat @ flat.T

    wanted = tapped(network, seen(content), places)["block2_conv2"]
    grams = {name: gram(value) for name, value in tapped(network, seen(style), places).items()}

    def total(flat: Any) -> tuple[float, Any]:
        x = torch.tensor(flat, dtype=kind).view(1, height, width, 3).requires_grad_()
        found = tapped(network, x.permute(0, 3, 1, 2), places)
        loss = 0.025 * (found["block2_conv2"] - wanted).square().sum()
        for name, value in found.items():
            loss = loss + 5.0 / 5 * (grams[name] - gram(value)).square().sum() / (4 * 3**2 * (height * width) ** 2)
        down = (x[:, :-1, :-1] - x[:, 1:, :-1]).square()
        right = (x[:, :-1, :-1] - x[:, :-1, 1:]).square()
        loss = loss + (down + right).pow(1.25).sum()
        (gradient,) = torch.autograd.grad(loss, x)
        return loss.item(), gradient.flatten().double().numpy()

    x, totals = seen(start).permute(0, 2, 3, 1).flatten().double().numpy(), []
    for _ in range(steps):
        x, loss, _ = fmin_l_bfgs_b(total, x, maxfun=20)
        totals.append(float(loss))
    return totals


@pytest.mark.parametrize("size", SIZES)
def test_gatys_adam_is_the_pytorch_notebook_step_by_step(size: tuple[int, int], tmp_path: Path) -> None:
    photo, painting = photograph(*size, seed=1), photograph(90, 60, seed=2)
    encoder = vgg_file(tmp_path, "vgg19", "torchvision")
    settings: dict[str, Any] = {"encoder": encoder, "size": min(size), "steps": 12}
    found = told("gatys-adam", (photo, painting), **settings)
    expected = pytorch_notebook(tensor(photo), tensor(squeezed(painting, size)), 12)
    assert found == pytest.approx(expected, rel=1e-3)
    assert expected[-1] < 0.9 * expected[0]
    lighter = told("gatys-adam", (photo, painting), **settings | {"steps": 2, "style_weight": 1e3})
    assert lighter == pytest.approx(
        pytorch_notebook(tensor(photo), tensor(squeezed(painting, size)), 2, beta=1e3), rel=1e-3
    )


@pytest.mark.parametrize("size", SIZES)
def test_gatys_lbfgs_tv_is_the_keras_notebook_step_by_step(
    size: tuple[int, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo, painting = photograph(*size, seed=1), photograph(90, 60, seed=2)
    noise = Picture.from_array(np.random.default_rng(3).integers(0, 256, (size[1], size[0], 3), np.uint8))
    file = vgg_file(tmp_path, "vgg16", "caffe")
    settings: dict[str, Any] = {"encoder": file, "size": max(size), "steps": 4, "initial": noise}
    pictures = [tensor(photo), tensor(squeezed(painting, size)), tensor(noise)]
    # In float32 a line search goes where rounding leads it: the notebook itself, begun a millionth of white
    # elsewhere, has losses 0.5 % apart.
    assert told("gatys-lbfgs-tv", (photo, painting), **settings) == pytest.approx(keras_notebook(pictures, 4), rel=0.01)
    # In float64 nothing does.
    layers = ["relu1_2", "relu2_2", "relu3_3", "relu4_3", "relu5_3"]
    stylizer = Stylizer("iterative", encoder=open_encoder(file, layers).double())
    for room in (engine, objective_builder, targets):
        monkeypatch.setattr(room, "picture_tensor", lambda pixels: _tensor(pixels).double())
    found = told("gatys-lbfgs-tv", (photo, painting), stylizer, **settings)
    expected = keras_notebook([picture.double() for picture in pictures], 4)
    assert found == pytest.approx(expected, rel=1e-3)
    assert expected[-1] < 0.9 * expected[0]


@pytest.mark.parametrize(
    ("size", "asked", "expected"),
    [
        ((1200, 800), 400, (600, 400)),
        ((800, 1200), 400, (400, 600)),
        ((501, 500), 400, (400, 400)),
        ((640, 427), 400, (599, 400)),
        ((300, 200), 400, (450, 300)),  # at most its longest side, which is then the shortest
        ((400, 400), 400, (400, 400)),
    ],
)
def test_the_shortest_side_is_scaled_as_in_the_pytorch_notebook(
    size: tuple[int, int], asked: int, expected: tuple[int, int]
) -> None:
    assert fit_side(size, asked, "shortest") == expected
    request = Stylizer().request(Picture.from_array(np.zeros((*size[::-1], 3), np.uint8)), "udnie", preset="gatys-adam")
    assert (request.size, working_size(request)) == (400, expected)


def test_the_presets_hold_the_notebooks_own_numbers() -> None:
    adam, lbfgs = PRESETS["gatys-adam"], PRESETS["gatys-lbfgs-tv"]
    assert (adam["content_weight"], adam["style_weight"], adam["steps"]) == (1, 1e9, 2000)
    assert adam["style_layers"] == "relu1_1,relu2_1:0.75,relu3_1:0.2,relu4_1:0.2,relu5_1:0.2"
    assert (lbfgs["content_weight"], lbfgs["style_weight"], lbfgs["tv_weight"], lbfgs["tv_power"]) == (
        0.025,
        1,
        1,
        1.25,
    )


@pytest.mark.parametrize("preset", ["gatys-adam", "gatys-lbfgs-tv"])
def test_weights_of_the_other_convention_are_brought_to_the_notebook_s_scale(preset: str, tmp_path: Path) -> None:
    """One network in both conventions: pictures reach its first layer alike, but for a factor."""
    convolutions = VGG19 if preset == "gatys-adam" else VGG16
    photo, painting = photograph(64, 64, seed=1), photograph(64, 64, seed=2)
    scale = 255 * 0.226
    weights = {name: value for name, value in vgg_weights(convolutions).items() if name.endswith("weight")}
    zeros = {f"{name[:7]}.bias": torch.zeros(len(value)) for name, value in weights.items()}
    # What BGR in 0..255 less Caffe's mean is, in ImageNet's standard deviations: nearly the other's mean, too.
    flipped = {**weights, "conv1_1.weight": weights["conv1_1.weight"].flip(1) * (scale / (255 * DEVIATION))}
    losses = []
    architecture = "vgg19" if preset == "gatys-adam" else "vgg16"
    for convention, those in (("torchvision", weights), ("caffe", flipped)):
        file = tmp_path / f"{convention}.safetensors"
        contents = {name: value.contiguous() for name, value in {**those, **zeros}.items()}
        save_file(contents, file, {"architecture": architecture, "convention": convention})
        settings: dict[str, Any] = {"encoder": str(file), "size": 64, "steps": 1, "initial": photograph(64, 64, seed=3)}
        losses += told(preset, (photo, painting), **settings)
    assert losses[0] == pytest.approx(losses[1], rel=0.05)


def test_losses_of_a_notebook_do_not_depend_on_tiles(tmp_path: Path) -> None:
    pictures = photograph(200, 150, seed=1), photograph(90, 60, seed=2)
    settings: dict[str, Any] = {"encoder": vgg_file(tmp_path, "vgg19", "torchvision"), "size": 150, "steps": 2}
    whole = told("gatys-adam", pictures, **settings)
    tiled = told("gatys-adam", pictures, tile=64, **settings)
    assert tiled == pytest.approx(whole, rel=1e-4)


def test_a_guide_follows_a_painting_that_is_squeezed(tmp_path: Path) -> None:
    """Half of the painting is looked at, and counts as if it were all."""
    photo = photograph(64, 48, seed=1)
    left = photograph(45, 60, seed=2)
    painting = Picture.from_array(np.hstack([left.pixels, np.zeros_like(left.pixels)]))
    guide = Picture.from_array(np.hstack([np.full((60, 45), True), np.full((60, 45), False)]))
    settings: dict[str, Any] = {"encoder": vgg_file(tmp_path, "vgg19", "torchvision"), "size": 48, "steps": 1}
    guided = told("gatys-adam", (photo, painting), guide=guide, **settings)
    assert np.isfinite(guided).all()
    assert guided != pytest.approx(told("gatys-adam", (photo, painting), **settings), rel=0.01)
