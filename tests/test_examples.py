"""The examples run, the presets that they take apart are the notebooks', and docs/iterative.md is true."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data
from torch import Tensor

from impasto import Picture, Stylizer
from impasto.cli.commands.plot import plot
from impasto.cli.commands.stylize import stylize
from impasto.cli.options.grouped_help import EngineOption
from impasto.encoders.encoder import Encoder, Features
from impasto.encoders.vgg import VGG16, VGG19
from impasto.iterative.objective_builder import ObjectiveBuilder, chosen_layers
from impasto.iterative.targets import Targets, picture_tensor
from impasto.plots import Trace

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
DOCUMENT = (ROOT / "docs" / "iterative.md").read_text("utf-8")

ARGUMENTS = {
    "gatys_adam": ("--encoder", "pocket", "--size", "48", "--steps", "5"),
    "gatys_lbfgs_tv": ("--encoder", "pocket", "--steps", "2", "--size", "64"),
    "own_losses": ("--steps", "5", "--size", "64"),
}
ON_THE_WAY = {
    "gatys_adam": [f"step-000{step}.png" for step in range(6)],
    "gatys_lbfgs_tv": ["step-0001.png", "step-0002.png"],
    "own_losses": [],
}


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a photograph, 64 x 48, and a painting."""
    desk = tmp_path_factory.mktemp("desk")
    coffee, astronaut = Image.fromarray(data.coffee()), Image.fromarray(data.astronaut())
    coffee.resize((64, 48)).save(desk / "photo.jpg")
    astronaut.resize((72, 72)).save(desk / "painting.jpg")
    return desk


def run(desk: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    # A home of its own: whatever weights this machine has are not in it.
    environment = {**os.environ, "IMPASTO_HOME": str(desk / "home"), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-W", "error", *arguments]
    return subprocess.run(command, cwd=desk, env=environment, capture_output=True, text=True)


@pytest.mark.parametrize("name", ARGUMENTS)
def test_example_runs(name: str, desk: Path) -> None:
    ran = run(desk, str(EXAMPLES / f"{name}.py"), "photo.jpg", "painting.jpg", "--out", name, *ARGUMENTS[name])
    assert ran.returncode == 0, ran.stderr
    assert ("pocket ends at relu4_1" in ran.stdout) == ("pocket" in ARGUMENTS[name])
    out = desk / name
    for picture in ("result.png", *ON_THE_WAY[name]):
        with Image.open(out / picture) as image:
            assert image.size == (64, 48), picture
            assert image.mode == "RGB"
    with Image.open(out / "loss.png") as chart:
        assert chart.width == 1600
    trace = Trace.read(out / "run.jsonl")
    count = int(ARGUMENTS[name][ARGUMENTS[name].index("--steps") + 1])
    assert [step.step for step in trace.steps] == list(range(1, count + 1))
    assert trace.steps[-1].loss < trace.steps[0].loss
    assert {step.size for step in trace.steps} == {(64, 48)}
    assert [snapshot.path.name for snapshot in trace.snapshots] == ON_THE_WAY[name]
    with Image.open(out / "result.png") as result, Image.open(desk / "photo.jpg") as photo:
        assert np.abs(np.asarray(result, float) - np.asarray(photo, float)).mean() > 1


@pytest.mark.parametrize(("name", "encoder"), [("gatys_adam", "vgg19"), ("gatys_lbfgs_tv", "vgg16")])
def test_example_says_in_one_line_how_to_get_its_weights(name: str, encoder: str, desk: Path) -> None:
    ran = run(desk, str(EXAMPLES / f"{name}.py"), "photo.jpg", "painting.jpg", "--out", "none")
    assert ran.returncode == 1
    assert ran.stdout == ""
    (line,) = ran.stderr.splitlines()
    assert f"impasto models pull {encoder}" in line
    assert not (desk / "none").exists()


def test_every_example_is_in_their_table() -> None:
    scripts = {path.name for path in EXAMPLES.glob("*.py")}
    assert scripts == {f"{name}.py" for name in ARGUMENTS} | {"gradio_demo.py"}
    assert set(re.findall(r"^\| \[(\w+\.py)\]", (EXAMPLES / "README.md").read_text("utf-8"), re.MULTILINE)) == scripts


class Dreamt(Encoder):
    """Features of a notebook's sizes, at random, others for every picture; what the picture shows does not matter."""

    def __init__(self, shapes: dict[str, tuple[int, int]]) -> None:
        """``shapes`` are channels and side by layer."""
        super().__init__()
        self.shapes, self.layers = shapes, tuple(shapes)

    def forward(self, pictures: Tensor) -> Features:
        random = torch.Generator().manual_seed(int(pictures.double().sum() * 1e3))
        found = {}
        for name, (channels, side) in self.shapes.items():
            strengths = torch.rand(1, channels, 1, 1, generator=random)
            found[name] = torch.rand(1, channels, side, side, generator=random) * strengths
        return found


def summed_gram(features: Tensor) -> Tensor:
    """As both notebooks have it: a sum over places."""
    flat = features[0].flatten(1)
    return flat @ flat.T


def drawn(side: int, seed: int) -> Picture:
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side, 3), np.uint8)
    return Picture.from_array(pixels)


def objective_losses(
    stylizer: Stylizer, preset: str, kind: type[Encoder], encoder: Dreamt, side: int, pictures: list[Picture]
) -> dict[str, float]:
    """What the engine's losses are under the preset: of a photograph, a painting and the picture so far."""
    photograph, painting, picture = pictures
    request = stylizer.request(photograph, painting, preset=preset)
    assert request.size == {"gatys-adam": 400, "gatys-lbfgs-tv": 512}[preset]
    layers = chosen_layers(request, kind)
    assert set(layers.all) == set(encoder.layers)
    found = ObjectiveBuilder(request, Targets(encoder, "dreamt"), layers, photograph).objective((side, side))
    return found(picture_tensor(picture.pixels)).losses  # type: ignore[no-any-return]


@pytest.mark.parametrize("side", [400, 176])
def test_gatys_adam_weighs_as_the_notebook_does(side: int, stylizer: Stylizer) -> None:
    widths = {"relu1_1": 64, "relu2_1": 128, "relu3_1": 256, "relu4_1": 512, "relu4_2": 512, "relu5_1": 512}
    encoder = Dreamt({name: (width, side // 2 ** (int(name[4]) - 1)) for name, width in widths.items()})
    pictures = [drawn(side, 1), drawn(side, 2), drawn(side, 3)]
    losses = objective_losses(stylizer, "gatys-adam", VGG19, encoder, side, pictures)

    content, style, target = (encoder(picture_tensor(picture.pixels)) for picture in pictures)
    content_loss = torch.mean((target["relu4_2"] - content["relu4_2"]) ** 2)
    weights = {"relu1_1": 1.0, "relu2_1": 0.75, "relu3_1": 0.2, "relu4_1": 0.2, "relu5_1": 0.2}
    style_loss = torch.zeros(())
    for layer, weight in weights.items():
        _, d, h, w = target[layer].shape
        layer_loss = weight * torch.mean((summed_gram(target[layer]) - summed_gram(style[layer])) ** 2)
        style_loss += layer_loss / (d * h * w)

    assert losses == pytest.approx({"content": float(1 * content_loss), "gram": float(1e9 * style_loss)}, rel=1e-4)


@pytest.mark.parametrize("side", [512, 176])
def test_gatys_lbfgs_tv_weighs_as_the_notebook_does(side: int, stylizer: Stylizer) -> None:
    widths = {"relu1_2": 64, "relu2_2": 128, "relu3_3": 256, "relu4_3": 512, "relu5_3": 512}
    encoder = Dreamt({name: (width, side // 2 ** (int(name[4]) - 1)) for name, width in widths.items()})
    pictures = [drawn(side, 1), drawn(side, 2), drawn(side, 3)]
    losses = objective_losses(stylizer, "gatys-lbfgs-tv", VGG16, encoder, side, pictures)

    # Its network sees 0..255, not divided by ImageNet's standard deviation: so its features are that much larger.
    larger = 255 * 0.226
    content, style, target = (
        {name: value * larger for name, value in encoder(picture_tensor(picture.pixels)).items()}
        for picture in pictures
    )
    content_loss = 0.025 * torch.sum((target["relu2_2"] - content["relu2_2"]) ** 2)
    style_weight, channels, size = 5.0, 3, side * side
    style_loss = torch.zeros(())
    for layer in widths:
        difference = torch.sum((summed_gram(style[layer]) - summed_gram(target[layer])) ** 2)
        style_loss += (style_weight / len(widths)) * difference / (4.0 * channels**2 * size**2)
    x = picture_tensor(pictures[2].pixels) * 255
    a = (x[:, :, : side - 1, : side - 1] - x[:, :, 1:, : side - 1]) ** 2
    b = (x[:, :, : side - 1, : side - 1] - x[:, :, : side - 1, 1:]) ** 2
    variation_loss = 1.0 * torch.sum((a + b) ** 1.25)

    wanted = {"content": float(content_loss), "gram": float(style_loss), "variation": float(variation_loss)}
    assert losses == pytest.approx(wanted, rel=1e-4)


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", DOCUMENT, re.MULTILINE | re.DOTALL)


def test_python_of_the_document_runs(desk: Path) -> None:
    ran = run(desk, "-c", "\n".join(blocks("python")))
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == "False\n"
    with Image.open(desk / "fine.png") as image:
        assert image.size == (64, 48)


def test_options_of_the_document_exist_and_are_all_of_the_engine_s() -> None:
    commands = [line for block in blocks("sh") for line in block.splitlines()]
    assert commands
    assert {tuple(command.split()[:2]) for command in commands} <= {("impasto", "stylize"), ("impasto", "plot")}
    known = {opt for command in (stylize, plot) for param in command.params for opt in param.opts}
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", DOCUMENT))
    assert named - known == set()
    heeded = {param.opts[0] for param in stylize.params if isinstance(param, EngineOption)}
    assert heeded
    assert heeded - named == set()
