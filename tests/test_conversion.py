"""Weights of others made into models, without running anything that is in them."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from networks import named, published, state
from safetensors.torch import load_file, save_file

from impasto.encoders import vgg_conversion
from impasto.encoders.open import open_encoder
from impasto.encoders.vgg_conversion import convert_vgg
from impasto.errors import ModelError, OutputError
from impasto.models.published import PUBLISHED, Published, PublishedFile


@pytest.fixture
def out(tmp_path: Path) -> Path:
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


@pytest.mark.parametrize("name", ["vgg16", "vgg19"])
@pytest.mark.parametrize("zipped", [False, True])
def test_torchvisions_state_dict_becomes_a_model(tmp_path: Path, out: Path, name: str, zipped: bool) -> None:
    file = tmp_path / "vgg.pth"
    torch.save(state(name), file, _use_new_zipfile_serialization=zipped)
    model = convert_vgg(file, out, name=name)
    assert model.identity == f"{name}@1"
    assert model.kind == "encoder"
    assert model.licence.startswith("unknown")
    deepest = "relu5_3" if name == "vgg16" else "relu5_4"
    assert model.rules == {"architecture": name, "convention": "torchvision", "deepest": deepest}
    model.verify()
    written, expected = load_file(model.file("encoder")), named(name)
    assert set(written) == set(expected), "the classifier is dropped"
    assert all(torch.equal(written[key], expected[key]) for key in expected)
    source = json.loads((out / "manifest.json").read_text())["source"]
    assert source == {"file": "vgg.pth", "sha256": hashlib.sha256(file.read_bytes()).hexdigest()}
    encoder = open_encoder(out)
    assert encoder(torch.rand(1, 3, 16, 16))["relu4_1"].isfinite().all()
    # The model's own file can be given away and added elsewhere.
    again = tmp_path / "again"
    again.mkdir()
    assert convert_vgg(model.file("encoder"), again, name=name).rules == model.rules


def test_its_publishers_file_has_its_licence(tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = published(tmp_path / "vgg.pth")
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    entry = Published("vgg19", "encoder", "BSD-3-Clause", "", (PublishedFile("", 1, sha256),))
    monkeypatch.setattr(vgg_conversion, "PUBLISHED", {"vgg19": entry})
    assert convert_vgg(file, out, name="vgg19").licence == "BSD-3-Clause"


def test_encoders_that_are_published_are_pinned() -> None:
    for name in ("vgg16", "vgg19"):
        (file,) = PUBLISHED[name].files
        assert file.sha256 is not None
        assert file.url.endswith(f"-{file.sha256[:8]}.pth"), "its publisher names it after its sha256"


def test_a_files_convention_is_its_kinds_its_own_or_asked_for(tmp_path: Path, out: Path) -> None:
    weights = named()
    arrays: dict[str, Any] = {key: value.half().numpy() for key, value in weights.items()}
    np.savez(tmp_path / "vgg.npz", **arrays)
    model = convert_vgg(tmp_path / "vgg.npz", out, name="vgg19")
    assert model.rules["convention"] == "caffe"
    assert all(value.dtype == torch.float32 for value in load_file(model.file("encoder")).values())
    picture = torch.rand(1, 3, 16, 16)
    assert torch.equal(open_encoder(out)(picture)["relu4_1"], open_encoder(tmp_path / "vgg.npz")(picture)["relu4_1"])

    torch.save(state(), tmp_path / "features.pth")
    assert convert_vgg(tmp_path / "features.pth", out, name="vgg19", convention="caffe").rules["convention"] == "caffe"
    torch.save(weights, tmp_path / "named.pth")
    save_file(weights, tmp_path / "silent.safetensors")
    for file in (tmp_path / "named.pth", tmp_path / "silent.safetensors"):
        with pytest.raises(ModelError, match=r"does not say how pictures are prepared for it.*give its convention"):
            convert_vgg(file, out, name="vgg19")
        assert convert_vgg(file, out, name="vgg19", convention="caffe").rules["convention"] == "caffe"
    save_file(weights, tmp_path / "said.safetensors", {"convention": "caffe"})
    with pytest.raises(ModelError, match="says itself that it is of caffe's convention, not torchvision's"):
        convert_vgg(tmp_path / "said.safetensors", out, name="vgg19", convention="torchvision")


def test_what_ends_at_conv5_1_will_do(tmp_path: Path, out: Path) -> None:
    weights = {key: value for key, value in named().items() if key < "conv5_2"}
    save_file(weights, tmp_path / "vgg.safetensors", {"convention": "caffe"})
    model = convert_vgg(tmp_path / "vgg.safetensors", out, name="vgg19")
    assert model.rules["deepest"] == "relu5_1"
    assert open_encoder(out, ("relu5_1",)).names[-1] == "5_1"
    with pytest.raises(ValueError, match="has no conv5_2, which relu5_2 need"):
        open_encoder(out, ("relu5_2",))


def without(key: str) -> dict[str, Any]:
    return {name: value for name, value in state().items() if name != key}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (state("vgg16"), "holds vgg16, not vgg19; call it vgg16"),
        (without("features.16.bias"), r"is not vgg19: it has no conv3_4\.bias; give vgg19's weights"),
        ({}, r"it has no conv1_1\.weight, conv1_1\.bias, conv1_2\.weight, conv1_2\.bias and 22 more"),
        (state() | {"features.1.weight": torch.ones(4)}, r"is not vgg19, which has no features\.1"),
        (
            state() | {"features.5.weight": torch.ones(6, 3, 3, 3)},
            r"conv2_1 of .* vgg19 has \(C, 4, 3, 3\) with \(C,\)",
        ),
        (state() | {"features.5.bias": torch.full((6,), torch.nan)}, "conv2_1 of .* contains NaN or infinity"),
        (state() | {"features.0.weight": 3}, r"features\.0\.weight of .* is a int; give a state dict of tensors"),
        ([1, 2], "holds a list; give a state dict: names with tensors"),
    ],
)
def test_another_architecture_and_what_is_missing_is_told(
    tmp_path: Path, out: Path, content: Any, message: str
) -> None:
    torch.save(content, tmp_path / "vgg.pth")
    with pytest.raises(ModelError, match=message):
        convert_vgg(tmp_path / "vgg.pth", out, name="vgg19")
    assert list(out.iterdir()) == []


def test_vgg19_is_no_vgg16_and_a_resnet_is_nothing(tmp_path: Path, out: Path) -> None:
    with pytest.raises(ModelError, match="holds vgg19, not vgg16; call it vgg19"):
        convert_vgg(published(tmp_path / "vgg.pth"), out, name="vgg16")
    save_file(named(), tmp_path / "vgg.safetensors", {"convention": "caffe"})
    with pytest.raises(ModelError, match="is not vgg16: it has conv3_4; give vgg16's weights"):
        convert_vgg(tmp_path / "vgg.safetensors", out, name="vgg16")
    with pytest.raises(ModelError, match="'resnet' is not an architecture; choose one of vgg16, vgg19"):
        convert_vgg(tmp_path / "vgg.pth", out, name="resnet")


class Hostile:
    def __init__(self, witness: Path) -> None:
        self.witness = witness

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.witness}",)


@pytest.mark.parametrize("kind", ["zipped", "old", "pickle", "npz"])
def test_a_file_that_would_run_something_is_refused(tmp_path: Path, out: Path, kind: str) -> None:
    witness = tmp_path / "witness"
    hostile = state() | {"features.0.weight": Hostile(witness)}
    file = tmp_path / ("vgg.npz" if kind == "npz" else "vgg.pth")
    if kind == "npz":
        with zipfile.ZipFile(file, "w") as archive:
            header = b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }".ljust(117) + b"\n"
            data = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header
            archive.writestr("conv1_1.weight.npy", data + pickle.dumps([Hostile(witness)]))
    elif kind == "pickle":
        file.write_bytes(pickle.dumps(hostile))
    else:
        torch.save(hostile, file, _use_new_zipfile_serialization=kind == "zipped")
    with pytest.raises(ModelError) as told:
        convert_vgg(file, out, name="vgg19")
    assert not witness.exists()
    assert "weights_only" not in str(told.value)
    assert str(file) in str(told.value)
    assert list(out.iterdir()) == []
    if kind != "npz":  # a hostile file is hostile indeed
        if kind == "pickle":
            pickle.loads(file.read_bytes())
        else:
            torch.load(file, weights_only=False)
        assert witness.exists()


@pytest.mark.parametrize("name", ["vgg.pth", "vgg.safetensors", "vgg.npz", "vgg.txt"])
@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", b"nonsense" * 100])
def test_a_broken_file_is_told(tmp_path: Path, out: Path, name: str, data: bytes) -> None:
    file = tmp_path / name
    with pytest.raises(ModelError, match="cannot be read: No such file"):
        convert_vgg(file, out, name="vgg19")
    file.write_bytes(data)
    with pytest.raises(ModelError, match=name):
        convert_vgg(file, out, name="vgg19")


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="does not exist"):
        convert_vgg(published(tmp_path / "vgg.pth"), tmp_path / "gone", name="vgg19")
