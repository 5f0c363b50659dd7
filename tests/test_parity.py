"""Networks that were added paint as in the runtime they were made for: real photographs, as stored, as served."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from skimage import data
from test_johnson_layers import opencv
from torch import nn
from torch7_files import Nets, checkpoint, t7
from transformer_nets import Blocks, Example

from impasto.inference.graph import Precision, onnx_runtime
from impasto.instant.network import open_network
from impasto.models import Model, Store
from impasto.models.install import add
from impasto.picture import Picture

Array = np.ndarray[Any, np.dtype[Any]]
PHOTOS = {"astronaut": data.astronaut, "coffee": data.coffee, "rocket": data.rocket}
PRECISIONS: tuple[Precision, Precision] = ("f32", "auto")
EXACT, RANDOM = 0.25, 1.5
"""Of 255, for random weights, which carry the rounding of bf16 further than trained ones do."""


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "models")


def photo(name: str, height: int = 256, width: int = 320) -> Array:
    return np.asarray(PHOTOS[name]())[:height, :width]


def differences(model: Model, pixels: Array, theirs: Array) -> tuple[float, float]:
    """Mean absolute, of 255, of what is shown: in f32, and as the machine chooses."""
    content = np.ascontiguousarray(pixels.transpose(2, 0, 1)[None], np.float32) / np.float32(255)
    exact, quick = (open_network(model, precision).forward(content, None)[0].clip(0, 1) for precision in PRECISIONS)
    assert exact.std() > 0.05, "it is a picture"
    first, second = (255 * float(np.abs(ours - theirs.clip(0, 1)).mean()) for ours in (exact, quick))
    return first, second


@pytest.mark.parametrize("name", PHOTOS)
@pytest.mark.parametrize(
    "options", [{}, {"padding": "zero", "norm": "batch"}, {"padding": "reflect-start"}], ids=lambda o: str(o or "plain")
)
def test_torch7(options: Any, name: str, store: Store, tmp_path: Path) -> None:
    file = tmp_path / "network.t7"
    file.write_bytes(t7(checkpoint(Nets(**options).build())))
    model = add(file, store=store)
    assert model.rules["form"] == "layers"
    exact, quick = differences(model, photo(name), opencv(file, photo(name)))
    assert exact < EXACT
    assert quick < RANDOM


def state(network: nn.Module) -> bytes:
    stream = io.BytesIO()
    torch.save(network.state_dict(), stream)
    return stream.getvalue()


@pytest.mark.parametrize("name", PHOTOS)
@pytest.mark.parametrize("make", [lambda: Example(8, 5), lambda: Blocks(8, 5)], ids=["example", "blocks"])
def test_pytorch(make: Callable[[], nn.Module], name: str, store: Store, tmp_path: Path) -> None:
    network = make()
    file = tmp_path / "style.pth"
    file.write_bytes(state(network))
    content = torch.from_numpy(photo(name).transpose(2, 0, 1).astype(np.float32))
    bgr = isinstance(network, Blocks)
    with torch.inference_mode():
        theirs = network((content.flip(0) if bgr else content)[None])[0]
    theirs = (theirs.flip(0) if bgr else theirs) / 255
    exact, quick = differences(add(file, store=store), photo(name), theirs.numpy())
    assert exact < EXACT
    assert quick < RANDOM


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::torch.jit.TracerWarning", "ignore::UserWarning")
@pytest.mark.parametrize("free", [True, False])
def test_exported_for_any_size_or_for_one(free: bool, store: Store, tmp_path: Path) -> None:
    """As the ONNX model zoo's are exported, for pictures of one size."""
    network, file = Example(8, 2).eval(), tmp_path / "example.onnx"
    sides = {2: "height", 3: "width"}
    torch.onnx.export(
        network,
        (torch.rand(1, 3, 64, 64) * 255,),
        str(file),
        opset_version=11,
        dynamo=False,
        input_names=["taken"],
        output_names=["given"],
        dynamic_axes={"taken": sides, "given": sides} if free else None,
    )
    model = add(file, order="RGB", store=store)
    assert model.architecture["made_for"] == [[1, 3, -1, -1] if free else [1, 3, 64, 64]]
    with torch.inference_mode():
        theirs = network(torch.from_numpy(photo("coffee").transpose(2, 0, 1).astype(np.float32))[None])[0].numpy() / 255
    exact, quick = differences(model, photo("coffee"), theirs)
    assert exact < 0.01
    assert quick < RANDOM


@pytest.mark.parametrize("name", ["candy", "la_muse", "mosaic", "udnie"])
def test_public_onnx_networks(name: str, store: Store, shared: Path) -> None:
    file = shared / "peers" / "fast_neural_style" / f"{name}.onnx"
    if not file.is_file():
        pytest.skip("there are no public networks beside the project")
    model = add(file, name="public", store=store)
    assert model.rules["preprocessing"]["order"] == "BGR"
    onnxruntime = onnx_runtime()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    for picture in ("kodak_03", "kodak_15"):
        pixels = Picture.of(shared / "images" / "photos" / f"{picture}.jpg").resized((720, 720)).pixels
        asked = pixels[..., ::-1].transpose(2, 0, 1)[None].astype(np.float32)
        theirs = session.run(None, {"inputImage": asked})[0][0, ::-1] / 255
        exact, quick = differences(model, pixels, theirs)
        assert exact < 0.1
        assert quick < 1
