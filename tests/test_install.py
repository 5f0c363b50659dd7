"""Models of the catalogue made of files and folders."""

from __future__ import annotations

import hashlib
import json
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from foreign_graphs import one_style
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper
from safetensors.torch import save_file
from torch7_files import Nets, checkpoint, t7
from transformer_nets import Example

from impasto.errors import ModelError, OutputExists
from impasto.instant.network import open_network
from impasto.models import Model, Store, find
from impasto.models.formats.onnx_metadata import read_onnx_metadata
from impasto.models.install import add, suggest_name
from impasto.models.probing import isolated_probe
from impasto.models.probing.isolated_probe import read_graph
from impasto.models.published import PUBLISHED, Published, PublishedFile
from impasto.models.store import shipped


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "models")


@pytest.fixture
def network(tmp_path: Path) -> Path:
    file = tmp_path / "my_night.t7"
    file.write_bytes(t7(checkpoint(Nets(width=2, blocks=1).build())))
    return file


def test_layers_are_converted_named_and_described(network: Path, store: Store, tmp_path: Path) -> None:
    model = add(network, store=store)
    assert (model.identity, model.kind, model.licence, model.source) == (
        "my-night@1",
        "per-style",
        "unknown",
        "my_night.t7",
    )
    assert {name: model.rules[name] for name in ("form", "multiple")} == {"form": "layers", "multiple": 4}
    told = model.architecture
    assert (told["family"], told["reader"], told["width"], told["blocks"]) == ("johnson", "Torch7", 2, 1)
    assert (told["normalisation"], told["order"], told["range"]) == ("instance", "BGR", 255)
    assert told["made_of"] == [{"file": "my_night.t7", "sha256": hashlib.sha256(network.read_bytes()).hexdigest()}]
    model.verify()
    pastiche = open_network(model, "f32").forward(np.random.default_rng(0).random((1, 3, 64, 48), np.float32), None)
    assert pastiche.shape == (1, 3, 64, 48)

    assert add(network, store=store) == model, "a file is not added twice"
    second = add(network, name="my-night", version="1.5", licence="MIT", source="a friend", store=store)
    assert (second.identity, second.licence, second.source) == ("my-night@1.5", "MIT", "a friend")
    other = tmp_path / "again" / "my_night.t7"
    other.parent.mkdir()
    other.write_bytes(t7(checkpoint(Nets(width=3, blocks=1).build())))
    assert add(other, store=store).identity == "my-night@2"
    with pytest.raises(OutputExists, match="my-night@2 already exists"):
        add(network, name="my-night", version="2", store=store)


def test_the_name_of_a_model_that_ships_is_given_on_purpose(network: Path, store: Store) -> None:
    ours = next(model for model in shipped() if model.kind == "arbitrary")
    file = network.rename(network.with_name(f"{ours.name}.t7"))
    with pytest.raises(ModelError, match=f"{ours.name} is the name of a model that comes with Impasto; choose another"):
        add(file, store=store)


def test_weights_too_large_for_half_precision_are_kept_whole(store: Store, tmp_path: Path) -> None:
    state = Example(2, 1).state_dict()
    state["deconv3.conv2d.bias"] += 1e5
    save_file({name: value.contiguous() for name, value in state.items()}, tmp_path / "large.safetensors")
    model = add(tmp_path / "large.safetensors", store=store)
    assert model.architecture["reader"] == "safetensors"
    made = open_network(model, "f32").forward(np.zeros((1, 3, 32, 32), np.float32), None)
    assert made.mean() > 300
    # Our own form of it is a file like any other.
    again = add(model.file("network"), name="again", store=store)
    assert again.files["network"]["sha256"] == model.files["network"]["sha256"]


def test_a_graph_is_kept_as_it_was_given(store: Store, tmp_path: Path) -> None:
    file = tmp_path / "Wave (BGR).onnx"
    file.write_bytes(one_style("the-wave", order="BGR", taken="255", given="255"))
    model = add(file, store=store)
    assert model.identity == "wave-bgr@1"
    assert model.file("network").read_bytes() == file.read_bytes()
    rules, told = model.rules, model.architecture
    assert (rules["form"], rules["multiple"], rules["preprocessing"]["order"]) == ("graph", 8, "BGR")
    assert find("instant").rules["margin"] >= rules["margin"] > 40
    assert (told["order"], told["order_from"], told["range_from"]) == ("BGR", "trial", "constants")
    content = np.random.default_rng(0).random((1, 3, 96, 64), np.float32)
    assert open_network(model, "f32").forward(content, None).shape == content.shape
    told_so = add(file, name="told", order="RGB", range=255, store=store)
    assert told_so.rules["preprocessing"]["order"] == "RGB"
    assert told_so.architecture["order_from"] == "given"


def test_a_pair_is_one_model(shared: Path, store: Store) -> None:
    folder = shared / "peers" / "magenta"
    model = add(folder / "magenta_int8_transfer.tflite", name="magenta", store=store)
    assert (model.kind, model.licence) == ("arbitrary", "Apache-2.0"), "its files are known by their sha256"
    assert {part: entry["file"] for part, entry in model.files.items()} == {
        "predict": "predict.tflite",
        "transfer": "transfer.tflite",
    }
    assert (model.rules["form"], model.rules["code"], model.rules["strength"]) == (
        "pair",
        100,
        [[0.0, 0.0], [1.0, 1.0]],
    )
    assert add([folder / "magenta_int8_prediction.tflite"], store=store) == model
    with pytest.raises(ModelError, match="is of a pair, which takes RGB"):
        add(folder / "magenta_int8_transfer.tflite", name="other", order="BGR", store=store)


def a_folder(folder: Path, **changes: Any) -> Path:
    folder.mkdir()
    (folder / "network.onnx").write_bytes(b"weights")
    (folder / "MODEL_CARD.md").write_text("# A card")
    (folder / "stray.txt").write_text("nobody asked for it")
    facts = {
        "name": "mine",
        "version": "1",
        "kind": "per-style",
        "architecture": {"family": "impasto-style"},
        "licence": "Apache-2.0",
        "source": "café.jpg",
        "files": {"network": {"file": "network.onnx", "sha256": hashlib.sha256(b"weights").hexdigest()}},
        "rules": {"form": "own", "multiple": 8, "margin": 88, "smallest": 8, "statistics": 4},
    }
    (folder / "manifest.json").write_text(json.dumps(facts | changes))
    return folder


def test_a_folder_that_is_a_model_is_taken_over(store: Store, tmp_path: Path) -> None:
    folder = a_folder(tmp_path / "run")
    model = add(folder, store=store)
    assert (model.identity, model.source, model.rules["statistics"]) == ("mine@1", "café.jpg", 4)
    assert sorted(path.name for path in model.path.iterdir()) == ["MODEL_CARD.md", "manifest.json", "network.onnx"]
    assert add(folder, store=store) == model
    renamed = add([folder], name="wheat", version="3", licence="MIT", source="me", store=store)
    assert (renamed.identity, renamed.licence, renamed.source) == ("wheat@3", "MIT", "me")
    (folder / "network.onnx").write_bytes(b"\0altered")
    with pytest.raises(ModelError, match="has sha256"):
        add(folder, name="altered", store=store)
    (folder / "manifest.json").unlink()
    with pytest.raises(ModelError, match=r"manifest\.json cannot be read"):
        add(folder, store=store)
    newer = add(a_folder(tmp_path / "newer", licence="MIT", files={}), store=store)
    assert newer.identity == "mine@2", "the version it says is taken"


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"kind": "magic"}, "kind 'magic'; arbitrary, per-style, encoder, base are known"),
        ({"name": "No Name"}, "no name of small letters"),
        ({"rules": {"form": "own"}}, "no whole number multiple among its rules"),
        ({"files": {"network": {"file": "../secret", "sha256": ""}}}, "names the file '../secret'"),
        ({"kind": "encoder", "name": "instant"}, "instant is the name of a model of kind arbitrary"),
    ],
)
def test_folders_that_are_none_are_refused(changes: dict[str, Any], match: str, store: Store, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    with pytest.raises(ModelError, match=match):
        add(a_folder(tmp_path / "run", **changes), store=store)
    assert store.models() == []


def test_names_that_cannot_be_are_refused(network: Path, store: Store) -> None:
    with pytest.raises(ModelError, match="instant is the name of a model of kind arbitrary"):
        add(network, name="instant", store=store)
    with pytest.raises(ModelError, match="'Starry Night' is not a name of a model"):
        add(network, name="Starry Night", store=store)
    with pytest.raises(ModelError, match="'new' is not a version"):
        add(network, version="new", store=store)
    with pytest.raises(ModelError, match="says how it takes pictures"):
        add(network, order="RGB", store=store)
    assert store.models() == []


@pytest.mark.parametrize(
    ("files", "name"),
    [
        (["starry_night.t7"], "starry-night"),
        (["magenta_int8_transfer.tflite", "magenta_int8_prediction.tflite"], "magenta-int8"),
        (["transfer.onnx", "predict.onnx"], "transfer"),
        (["Ünïcode—Name.v2.PTH"], "n-code-name-v2"),
        (["…"], "model"),
        (["a" * 90 + ".t7"], "a" * 48),
    ],
)
def test_names_are_made_of_the_files(files: list[str], name: str) -> None:
    assert suggest_name(files) == name


def test_files_that_make_no_model_are_refused(network: Path, store: Store, tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("hello")
    with pytest.raises(ModelError, match=r"notes\.txt: the file is of no format that is known"):
        add(text, store=store)
    with pytest.raises(ModelError, match=r"nothing\.t7 cannot be read"):
        add(tmp_path / "nothing.t7", store=store)
    with pytest.raises(ModelError, match="of one file or two, not 3"):
        add([network] * 3, store=store)
    with pytest.raises(ModelError, match="two files make a model where they are a pair"):
        add([network, network], store=store)
    network.write_bytes(network.read_bytes()[:2000])
    with pytest.raises(ModelError, match=r"my_night\.t7: "):
        add(network, store=store)
    assert store.models() == []


def test_a_published_file_has_its_licence_and_source(
    network: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    sha256 = hashlib.sha256(network.read_bytes()).hexdigest()
    entry = Published("known", "per-style", "CC-BY-4.0", "Somebody, 2016", (PublishedFile("", 1, sha256),))
    monkeypatch.setitem(PUBLISHED, "known", entry)
    model = add(network, store=store)
    assert (model.licence, model.source) == ("CC-BY-4.0", "Somebody, 2016")


def small(*nodes: Any, outputs: list[Any] | None = None, **facts: Any) -> bytes:
    """An ONNX file of a few nodes from ``x`` to ``y``."""
    shape = [1, 3, "h", "w"]
    graph = helper.make_graph(
        list(nodes) or [helper.make_node("Sigmoid", ["x"], ["y"])],
        "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        outputs or [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
        facts.pop("initializer", []),
    )
    opsets = [helper.make_opsetid("", 13), *facts.pop("opsets", [])]
    return bytes(helper.make_model(graph, opset_imports=opsets, ir_version=8, **facts).SerializeToString())


def test_graphs_that_are_no_networks_are_refused(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "small.onnx"

    def refused(data: bytes, match: str) -> None:
        file.write_bytes(data)
        with pytest.raises(ModelError, match=match):
            add(file, store=store)
        assert store.models() == []

    node = helper.make_node
    refused(small(node("Cast", ["x"], ["y"], to=TensorProto.FLOAT), node("Add", ["y", "y"], ["z"])), "small.onnx")
    refused(small(node("Sub", ["x", "x"], ["y"])), "is not a picture: its values go from 0 to 0")
    refused(small()[:-40], r"small\.onnx|ends within")
    refused(small(opsets=[helper.make_opsetid("my.domain", 1)]), "operations of 'my.domain'")
    elsewhere = helper.make_tensor("w", TensorProto.FLOAT, [1], [1.0])
    elsewhere.data_location = TensorProto.EXTERNAL
    refused(small(initializer=[elsewhere]), "keeps its weights in another file")
    file.write_bytes(small())
    with pytest.raises(ModelError, match="looking at it took longer"):
        read_graph([file], [file.read_bytes()], seconds=0.05)
    # A process that ends without an answer.
    monkeypatch.setattr(isolated_probe.sys, "executable", shutil.which("false") or "false")  # type: ignore[attr-defined]
    with pytest.raises(ModelError, match=r"small\.onnx: looking at it ended in a crash \(1\); the file is broken"):
        read_graph([file], [file.read_bytes()])


def test_what_an_onnx_file_says_is_heard() -> None:
    data = onnx.load_model_from_string(small(producer_name="a tool", producer_version="3", doc_string="takes RGB"))
    helper.set_model_props(data, {"license": "MIT", "Image.BitmapPixelFormat": "Rgb8"})
    metadata = read_onnx_metadata(data.SerializeToString())
    assert (metadata.producer, metadata.licence, metadata.order) == ("a tool 3", "MIT", "RGB")
    assert read_onnx_metadata(small(doc_string="BGR or RGB")).order is None
    assert read_onnx_metadata(small(doc_string="algorgbra")).order is None


@given(st.data())
def test_whatever_a_broken_file_says_is_heard_or_refused(draw: st.DataObject) -> None:
    data = bytearray(small(producer_name="a tool", doc_string="takes RGB"))
    for _ in range(draw.draw(st.integers(1, 4))):
        at = draw.draw(st.integers(0, len(data) - 1))
        data[at : at + draw.draw(st.integers(0, 3))] = draw.draw(st.binary(max_size=4))
    with suppress(ModelError):
        assert len(read_onnx_metadata(bytes(data)).producer) <= 80


def test_models_added_are_found_by_painters(network: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMPASTO_HOME", str(tmp_path / "home"))
    model = add(network)
    assert find("my-night", kind="per-style") == model == Model.read(model.path)
