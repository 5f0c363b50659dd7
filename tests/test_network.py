"""One definition of the network: what torch computes, the exported graphs compute."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from impasto.errors import ModelError
from impasto.inference.graph import Graph, OnnxGraph, OpenVinoGraph
from impasto.models import Model
from impasto.training.architecture.network import InstantNetwork, Shape
from impasto.training.export import export_network, margin

SMALL = Shape(widths=(8, 16, 24), blocks=2, code=20, encoder_widths=(8, 8, 16, 16))


@pytest.fixture(scope="module")
def network() -> InstantNetwork:
    torch.manual_seed(3)
    network = InstantNetwork(SMALL).eval()
    # Weights are stored as fp16, so that is what torch is compared with; codes must matter.
    for head in network.transfer.affine:
        torch.nn.init.normal_(head.weight, std=0.2)  # type: ignore[arg-type]
    for parameter in network.parameters():
        parameter.data = parameter.data.half().float()
    return network


@pytest.fixture(scope="module")
def model(network: InstantNetwork, tmp_path_factory: pytest.TempPathFactory) -> Model:
    return Model.read(export_network(network, tmp_path_factory.mktemp("model"), name="small", version="2"))


def graph(kind: type, model: Model, part: str, outputs: list[str]) -> Graph:
    file = model.file(part)
    opened: Graph = kind(file, outputs, precision="f32") if kind is OpenVinoGraph else kind(file, outputs)
    return opened


def picture(seed: int, height: int = 64, width: int = 96) -> np.ndarray:
    return np.random.default_rng(seed).random((1, 3, height, width), np.float32)


@pytest.mark.parametrize("kind", [OpenVinoGraph, OnnxGraph])
def test_both_runtimes_agree_with_torch(kind: type, network: InstantNetwork, model: Model) -> None:
    content, style = picture(0), picture(1, 128, 40)
    with torch.no_grad():
        code = network.encoder(torch.from_numpy(style)).numpy()
        pastiche = network.transfer(torch.from_numpy(content), torch.from_numpy(code))[0].numpy()
    assert np.abs(graph(kind, model, "encoder", ["code"])(style=style)["code"] - code).max() < 1e-4
    transfer = graph(kind, model, "transfer", ["pastiche", "measured"])
    blank = np.ones((1, network.transfer.statistics), np.float32)
    found = transfer(content=content, code=code, statistics=blank, given=np.array([[False]]))
    assert np.abs(found["pastiche"] - pastiche).max() < 2e-3
    # What was measured, given back, changes nothing; given to another picture, it changes something.
    given = transfer(content=content, code=code, statistics=found["measured"], given=np.array([[True]]))
    assert np.abs(given["pastiche"] - pastiche).max() < 2e-3
    other = picture(5) * 0.3
    mine = transfer(content=other, code=code, statistics=blank, given=np.array([[False]]))
    borrowed = transfer(content=other, code=code, statistics=found["measured"], given=np.array([[True]]))
    assert np.abs(mine["pastiche"] - borrowed["pastiche"]).max() > 0.01


def test_samples_are_measured_as_one_picture(network: InstantNetwork, model: Model) -> None:
    transfer = graph(OpenVinoGraph, model, "transfer", ["measured"])
    blank, code = np.ones((1, network.transfer.statistics), np.float32), np.zeros((1, 20), np.float32)
    dark, light = picture(1) * 0.2, picture(2)
    both = transfer(content=np.concatenate([dark, light]), code=code, statistics=blank, given=np.array([[False]]))
    twice = transfer(content=np.concatenate([dark, dark]), code=code, statistics=blank, given=np.array([[False]]))
    once = transfer(content=dark, code=code, statistics=blank, given=np.array([[False]]))
    assert np.abs(twice["measured"] - once["measured"]).max() < 1e-4
    assert np.abs(both["measured"] - once["measured"]).max() > 0.01


def test_a_pixels_surroundings_end_at_the_margin(network: InstantNetwork) -> None:
    reach = margin(network.transfer)
    content, code = torch.rand(1, 3, 256, 256), torch.zeros(1, 20)
    blank, given = torch.ones(1, network.transfer.statistics), torch.ones(1, 1, dtype=torch.bool)
    changed = content.clone()
    changed[..., 128, 128] = 1 - changed[..., 128, 128]
    with torch.no_grad():
        statistics = network.transfer(content, code, blank, ~given)[1]
        before, after = (network.transfer(x, code, statistics, given)[0] for x in (content, changed))
    rows, columns = torch.nonzero((before - after).abs().amax((0, 1)), as_tuple=True)
    distance = max((rows - 128).abs().max().item(), (columns - 128).abs().max().item())
    assert 8 < distance <= reach


def test_weights_are_stored_in_half_precision(model: Model) -> None:
    stored = onnx.load(model.file("transfer"))
    large = [w for w in stored.graph.initializer if np.prod(w.dims) >= 256]
    assert large
    assert all(w.data_type == onnx.TensorProto.FLOAT16 for w in large)


def test_fixed_inputs_become_constants(model: Model, network: InstantNetwork) -> None:
    blank = np.ones((1, network.transfer.statistics), np.float32)
    fixed = {"given": np.array([[False]]), "statistics": blank}
    content, code = picture(3), np.zeros((1, 20), np.float32)
    file = model.file("transfer")
    pastiches = [
        g(content=content, code=code)["pastiche"]
        for g in (
            OpenVinoGraph(file, ["pastiche"], precision="f32", fixed=fixed),
            OnnxGraph(file, ["pastiche"], fixed=fixed),
        )
    ]
    assert np.abs(pastiches[0] - pastiches[1]).max() < 2e-3


@pytest.mark.parametrize("kind", [OpenVinoGraph, OnnxGraph])
def test_a_file_that_is_no_graph_is_refused(kind: type, tmp_path: Path) -> None:
    (tmp_path / "broken.onnx").write_bytes(b"this is not a graph")
    with pytest.raises(ModelError, match=r"broken\.onnx cannot be read"):
        kind(tmp_path / "broken.onnx", ["pastiche"])
