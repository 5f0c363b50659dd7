"""Networks that grew: they begin as what they grew from, and what torch computes the exported graphs compute."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from impasto.inference.graph import OnnxGraph, OpenVinoGraph
from impasto.models import Model
from impasto.training.architecture.layers import BlurPool
from impasto.training.architecture.network import InstantNetwork, Shape, StyleNetwork, TransferNetwork, grow_network
from impasto.training.export import export_network, export_style, margin
from impasto.training.pretrained import read_instant, read_style

PLAIN = Shape(widths=(8, 16, 24), blocks=2, code=20, encoder_widths=(8, 8, 16, 16))
GROWN = replace(PLAIN, deep=16, deep_blocks=1, rank=4, reader="pocket")


def stirred(network: nn.Module) -> nn.Module:
    """Every weight away from its start, rounded as it is stored: codes matter, and so does what begins as nothing."""
    for name, parameter in network.named_parameters():
        if "pocket" not in name:
            parameter.data += 0.1 * torch.randn_like(parameter)
        parameter.data = parameter.data.half().float()
    return network.eval()


def opened(kind: type, file: Path, outputs: list[str]) -> OpenVinoGraph | OnnxGraph:
    if kind is OpenVinoGraph:
        return OpenVinoGraph(file, outputs, precision="f32")
    return OnnxGraph(file, outputs)


@pytest.fixture(scope="module")
def network() -> InstantNetwork:
    torch.manual_seed(3)
    network = stirred(InstantNetwork(GROWN))
    assert isinstance(network, InstantNetwork)
    return network


@pytest.fixture(scope="module")
def model(network: InstantNetwork, tmp_path_factory: pytest.TempPathFactory) -> Model:
    return Model.read(export_network(network, tmp_path_factory.mktemp("model"), name="small", version="2"))


def test_a_grown_network_begins_as_the_one_it_grew_from() -> None:
    torch.manual_seed(1)
    small = stirred(InstantNetwork(PLAIN))
    assert isinstance(small, InstantNetwork)
    large = InstantNetwork(GROWN)
    grow_network(small, large)
    style, content = torch.rand(2, 3, 64, 80), torch.rand(2, 3, 64, 96)
    with torch.no_grad():
        code = small.encoder(style)
        assert torch.equal(large.encoder(style), code)
        assert torch.equal(large.transfer(content, code)[0], small.transfer(content, code)[0])
    # All that is new learns, but for what begins as nothing and hides what is before it.
    painted = large.transfer(content, large.encoder(style))[0]
    painted.square().sum().backward()
    for name in ("transfer.depth.up.weight", "transfer.mixings.1.matrix.weight", "encoder.statistics.code.weight"):
        gradient = large.get_parameter(name).grad
        assert gradient is not None
        assert float(gradient.abs().sum()) > 0
    assert large.get_parameter("encoder.statistics.pocket.conv1_1.weight").grad is None


def test_widths_do_not_grow() -> None:
    with pytest.raises(ValueError, match="no place for down1"):
        grow_network(TransferNetwork(PLAIN), TransferNetwork(replace(PLAIN, widths=(16, 16, 24))))


def test_a_shape_that_did_not_grow_is_described_as_ever() -> None:
    assert set(PLAIN.to_dict()) == {"widths", "blocks", "code", "encoder_widths"}
    assert Shape.from_dict(GROWN.to_dict()) == GROWN
    assert (PLAIN.multiple, GROWN.multiple) == (8, 16)


@pytest.mark.parametrize("kind", [OpenVinoGraph, OnnxGraph])
def test_both_runtimes_agree_with_torch(kind: type, network: InstantNetwork, model: Model) -> None:
    torch.manual_seed(0)
    content, style = torch.rand(1, 3, 64, 96), torch.rand(1, 3, 128, 40)
    with torch.no_grad():
        code = network.encoder(style)
        expected = network.transfer(content, code)[0].numpy()
        without = network.transfer(content, code * 0)[0].numpy()
    assert np.abs(expected - without).max() > 0.01
    found = opened(kind, model.file("encoder"), ["code"])(style=style.numpy())["code"]
    assert np.abs(found - code.numpy()).max() < 2e-4 * max(1.0, float(code.abs().max()))
    transfer = opened(kind, model.file("transfer"), ["pastiche", "measured"])
    blank, no, yes = np.ones((1, network.transfer.statistics), np.float32), np.array([[False]]), np.array([[True]])
    told = {"code": code.numpy(), "content": content.numpy()}
    measured = transfer(**told, statistics=blank, given=no)
    assert np.abs(measured["pastiche"] - expected).max() < 2e-3
    given = transfer(**told, statistics=measured["measured"], given=yes)
    assert np.abs(given["pastiche"] - expected).max() < 2e-3
    borrowed = transfer(**told | {"content": content.numpy() * 0.3}, statistics=measured["measured"], given=yes)
    alone = transfer(**told | {"content": content.numpy() * 0.3}, statistics=blank, given=no)
    assert np.abs(borrowed["pastiche"] - alone["pastiche"]).max() > 0.01


def test_what_was_exported_is_read_back(network: InstantNetwork, model: Model) -> None:
    assert (model.rules["multiple"], model.rules["margin"]) == (16, margin(network.transfer))
    read = read_instant(model)
    assert read.shape == GROWN
    for name, value in network.state_dict().items():
        assert torch.allclose(read.state_dict()[name], value, atol=1e-3), name


@pytest.mark.parametrize("blocks", [1, 2])
def test_a_pixels_surroundings_end_at_the_margin(blocks: int) -> None:
    torch.manual_seed(4)
    network = stirred(TransferNetwork(replace(PLAIN, deep=16, deep_blocks=blocks)))
    assert isinstance(network, TransferNetwork)
    reach, place = margin(network), 272
    content, code = torch.rand(1, 3, 544, 544), torch.zeros(1, 20)
    blank, given = torch.ones(1, network.statistics), torch.ones(1, 1, dtype=torch.bool)
    changed = content.clone()
    changed[..., place, place] = 1 - changed[..., place, place]
    with torch.no_grad():
        statistics = network(content, code, blank, ~given)[1]
        before, after = (network(x, code, statistics, given)[0] for x in (content, changed))
    rows, columns = torch.nonzero((before - after).abs().amax((0, 1)), as_tuple=True)
    distance = max((rows - place).abs().max().item(), (columns - place).abs().max().item())
    assert reach - 48 < distance <= reach


def test_one_style_of_a_grown_network_is_folded_exported_and_read_back(tmp_path: Path) -> None:
    torch.manual_seed(5)
    whole = stirred(TransferNetwork(GROWN))
    assert isinstance(whole, TransferNetwork)
    code, content = torch.randn(1, 20), torch.rand(1, 3, 64, 96)
    folded = StyleNetwork.folded(whole, GROWN, code)
    with torch.no_grad():
        expected = whole(content, code)[0]
        assert torch.allclose(folded(content)[0], expected, atol=1e-4)
    model = Model.read(export_style(folded, GROWN, tmp_path / "model", name="mine", version="1"))
    assert (model.rules["multiple"], model.rules["smallest"]) == (16, 16)
    blank = np.ones((1, int(model.rules["statistics"])), np.float32)
    graph = OpenVinoGraph(model.file("network"), ["pastiche"], precision="f32")
    found = graph(content=content.numpy(), statistics=blank, given=np.array([[False]]))["pastiche"]
    read, shape = read_style(model)
    assert shape == GROWN.single_style
    with torch.no_grad():
        stored = read(content)[0]
    assert np.abs(found - stored.numpy()).max() < 1 / 255
    # What is stored in 8 bits paints nearly the same.
    assert float((stored - expected).abs().mean()) < 2 / 255


def test_halving_without_aliasing_gives_shifted_features_for_a_shifted_picture() -> None:
    torch.manual_seed(6)
    x = torch.rand(1, 4, 32, 32)
    blur = BlurPool(4)
    steady = (blur(x)[..., 2:-2, 2:-2] - blur(x.roll(1, 3))[..., 2:-2, 2:-2]).abs().mean()
    jumpy = (x[..., ::2, ::2] - x.roll(1, 3)[..., ::2, ::2]).abs().mean()
    assert float(steady) < 0.5 * float(jumpy)
    assert torch.allclose(blur(torch.full((1, 4, 8, 8), 0.7)), torch.full((1, 4, 4, 4), 0.7))
    x.requires_grad_(True)
    blur(x).sum().backward()
    assert x.grad is not None
    assert torch.allclose(x.grad.sum(), torch.tensor(4.0 * 16 * 16))
