"""Networks of many styles by a number, added one style at a time; and files that are of no such network at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from click.testing import CliRunner
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from impasto.cli.main import cli
from impasto.errors import ModelError
from impasto.instant.network import open_network
from impasto.models import Store, find
from impasto.models.install import add
from impasto.models.network_files import read_network

STYLES = 4
TABLE = np.random.default_rng(2).uniform(0.3, 1.0, (STYLES, 3)).astype(np.float32)


def many(file: Path, *, chosen: str = "number", size: tuple[Any, Any] = ("height", "width")) -> Path:
    """Pictures of 0..255 whose channels are multiplied by a row of ``TABLE``; ``chosen`` by a ``number``, one ``alone``
    without dimensions, or ``shares`` of the styles."""
    shapes = {"number": [1], "alone": [], "shares": [1, STYLES]}
    kind = TensorProto.FLOAT if chosen == "shares" else TensorProto.INT64
    taken = helper.make_node("MatMul" if chosen == "shares" else "Gather", ["style", "table"], ["row"])
    if chosen != "shares":
        taken = helper.make_node("Gather", ["table", "style"], ["row"], axis=0)
    nodes = [
        taken,
        helper.make_node("Reshape", ["row", "column"], ["gain"]),
        helper.make_node("Mul", ["picture", "gain"], ["painted"]),
    ]
    shape = [1, 3, *size]
    graph = helper.make_graph(
        nodes,
        "many",
        [
            helper.make_tensor_value_info("style", kind, shapes[chosen]),
            helper.make_tensor_value_info("picture", TensorProto.FLOAT, shape),
        ],
        [helper.make_tensor_value_info("painted", TensorProto.FLOAT, shape)],
        [numpy_helper.from_array(TABLE, "table"), numpy_helper.from_array(np.array([1, 3, 1, 1]), "column")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=7)
    onnx.save(model, file)
    return file


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "models")


@pytest.mark.parametrize("chosen", ["number", "alone", "shares"])
@pytest.mark.parametrize("size", [("height", "width"), (32, 32)])
def test_one_style_of_many_is_a_model(chosen: str, size: tuple[Any, Any], store: Store, tmp_path: Path) -> None:
    file = many(tmp_path / "monet.onnx", chosen=chosen, size=size)
    content = np.random.default_rng(0).random((1, 3, 32, 48), np.float32)
    for index in (0, 3):
        model = add(file, order="RGB", range=255, index=index, store=store)
        assert (model.identity, model.rules["index"]) == (f"monet-{index}@1", index)
        painted = open_network(model, "f32").forward(content, None)
        taken = {key: np.reshape(value, (1, -1, 1, 1)) for key, value in model.rules["preprocessing"].items()}
        made = (255 * content - taken["mean"]) / taken["deviation"] * TABLE[index].reshape(1, 3, 1, 1)
        assert np.abs(painted - (made * taken["gain"] + taken["offset"])).max() < 1e-4
    assert add(file, index=3, store=store).identity == "monet-3@1", "it is there already"
    with pytest.raises(ModelError, match=r"monet\.onnx has no style 4; it has the styles 0 to 3"):
        add(file, index=4, store=store)


def test_without_a_number_it_is_said_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMPASTO_HOME", str(tmp_path / "user"))
    file = many(tmp_path / "many.onnx")
    said = CliRunner().invoke(cli, ["models", "add", str(file)])
    assert said.exit_code == 1
    assert (
        "many.onnx repaints pictures in many styles, by a style's number, of which there are 4; add a style of it at a "
        "time, with its number from 0 to 3: impasto models add many.onnx --index 0"
    ) in said.stderr
    options = ["--index", "2", "--name", "third", "--order", "rgb", "--range", "255"]
    assert CliRunner().invoke(cli, ["models", "add", str(file), *options]).exit_code == 0
    assert find("third").rules["index"] == 2
    shares = many(tmp_path / "shares.onnx", chosen="shares")
    said = CliRunner().invoke(cli, ["models", "add", str(shares)])
    assert "where the numbers are shares of so many styles, add one of them with --index" in said.stderr


def test_what_is_of_one_style_has_no_number(store: Store, tmp_path: Path) -> None:
    from era_graphs import era_network
    from torch7_files import Nets, checkpoint, t7

    (tmp_path / "one.onnx").write_bytes(era_network(16, 16))
    with pytest.raises(ModelError, match=r"one\.onnx takes no style's number beside a picture; leave out the index"):
        add(tmp_path / "one.onnx", index=0, store=store)
    (tmp_path / "one.t7").write_bytes(t7(checkpoint(Nets(width=2, blocks=1).build())))
    with pytest.raises(ModelError, match=r"one\.t7 is of one style; leave out the index"):
        add(tmp_path / "one.t7", index=0, store=store)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (
            ["conv1.weight", "bn1.bias", "layer4.0.conv1.weight", "fc.weight"],
            "a ResNet, which tells what is on a picture",
        ),
        (["features.0.weight", "classifier.6.bias"], "add it with: impasto models add vgg19 FILE"),
        (["features.denseblock1.denselayer1.norm1.weight"], "a DenseNet"),
        (["Conv2d_1a_3x3.conv.weight", "Mixed_5b.branch1x1.conv.weight"], "Inception"),
        (["features.1.conv.0.0.weight"], "MobileNet"),
        (["blocks.0.attn.qkv.weight", "cls_token"], "a vision transformer"),
        (["model.1.weight", "model.10.conv_block.1.weight"], "a generator of CycleGAN"),
        (["model.diffusion_model.input_blocks.0.0.weight"], "a diffusion model"),
        (["unet.lora_up.weight"], "a LoRA"),
        (["transformer.h.0.attn.c_attn.weight"], "a language model"),
        (["model.layers.0.self_attn.q_proj.weight"], "a language model"),
        (["conv_first.weight", "body.0.rdb1.conv1.weight"], "a network that enlarges pictures"),
        (["model.0.conv.weight", "model.2.cv1.conv.weight"], "a detector of objects"),
        (["inc.double_conv.0.weight", "down1.maxpool_conv.1.weight"], "a U-Net"),
        (["1.weight", "1.bias", "4.weight"], "half of a network for any style"),
    ],
)
@pytest.mark.parametrize("wrapped", [False, True])
def test_foreign_weights_are_called_what_they_are(names: list[str], said: str, wrapped: bool, tmp_path: Path) -> None:
    state = {name: torch.zeros(2, 2) for name in names}
    file = tmp_path / "foreign.pth"
    torch.save({"state_dict": state, "epoch": 3} if wrapped else state, file)
    with pytest.raises(ModelError, match=f"foreign.pth: the file holds the weights of .*{said}") as caught:
        read_network(file)
    assert "networks with conv1.conv2d.weight" in str(caught.value)


def test_what_is_not_known_at_all_is_told_by_its_names(tmp_path: Path) -> None:
    torch.save(nn.Sequential(nn.Linear(2, 2)).state_dict() | {"strange": torch.zeros(2)}, tmp_path / "strange.pth")
    with pytest.raises(ModelError, match=r"the file holds 0\.bias, 0\.weight, strange; networks with"):
        read_network(tmp_path / "strange.pth")
