from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from impasto.errors import ModelError, RequestError
from impasto.inference import machine
from impasto.models import Model, find, models
from impasto.stylizer import Stylizer


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMPASTO_HOME", str(tmp_path / "home"))


def test_what_ships_is_whole_documented_and_small() -> None:
    shipped = models()
    assert "instant" in {m.name for m in shipped}
    for model in shipped:
        model.verify()
        assert model.licence == "Apache-2.0"
        card = (model.path / "MODEL_CARD.md").read_text()
        for word in ("Data", "Licence", "Limits", "steps"):
            assert word in card, f"{model.identity}'s card says nothing of {word}"
        assert sum(f.stat().st_size for f in model.path.iterdir()) < 12_000_000


def test_altered_missing_and_malformed_files_are_told(tmp_path: Path) -> None:
    folder = tmp_path / "instant"
    shutil.copytree(find("instant").path, folder)
    model = Model.read(folder)
    model.verify()
    with (folder / "transfer.onnx").open("r+b") as stream:
        stream.seek(1000)
        stream.write(b"\xff\x00\xff")
    with pytest.raises(ModelError, match=r"transfer\.onnx of instant@2 has sha256"):
        model.verify()
    (folder / "transfer.onnx").unlink()
    with pytest.raises(ModelError, match=r"transfer\.onnx of instant@2 is missing"):
        model.verify()
    for text in ("", "[]", '{"name": "x"}'):
        (folder / "manifest.json").write_text(text)
        with pytest.raises(ModelError, match=r"instant/manifest\.json cannot be read"):
            Model.read(folder)
    (folder / "manifest.json").unlink()
    with pytest.raises(ModelError, match="reinstall"):
        Model.read(folder)


def test_an_unknown_model_and_an_unknown_engine_name_the_known() -> None:
    with pytest.raises(ModelError, match=r"no model 'magic'; the models here are: .*instant"):
        find("magic")
    with pytest.raises(RequestError, match="engine is 'magic'; choose one of instant"):
        Stylizer("magic")


def test_models_are_found_by_name_version_and_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shipped = find("instant")
    assert find("instant@2") == find(shipped.path) == find(str(shipped.path)) == shipped
    monkeypatch.chdir(tmp_path)
    shutil.copytree(shipped.path, "instant")
    assert find("instant").path == shipped.path, "a name goes before a folder"
    assert find("./instant").path == Path("instant")
    for text in ("instant@9", "instant@"):
        with pytest.raises(ModelError, match=f"no model '{text}'; of instant there is instant@2"):
            find(text)
    with pytest.raises(ModelError, match="or give a folder"):
        find("elsewhere")
    with pytest.raises(ModelError, match=r"manifest\.json cannot be read"):
        find(Path("elsewhere"))
    with pytest.raises(ModelError, match="instant@2 is a model of kind arbitrary; give one of kind per-style"):
        find("instant", kind="per-style")
    with pytest.raises(ModelError, match="instant@2 has no decoder; it has encoder, transfer"):
        shipped.file("decoder")


def test_a_stylizer_takes_another_model_of_its_engines_kind(stylizer: Stylizer, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    shutil.copytree(find("instant").path, folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | {"name": "mine", "version": "2"}))
    pixels = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    results = [s.stylize(pixels, pixels[::-1], deterministic=True) for s in (stylizer, Stylizer(model=folder))]
    assert [result.model for result in results] == [stylizer.model, "mine@2"]
    assert (results[0].pastiche.pixels == results[1].pastiche.pixels).all()
    (folder / "manifest.json").write_text(json.dumps(manifest | {"kind": "encoder"}))
    with pytest.raises(ModelError, match="kind encoder; give one of kind arbitrary, such as instant"):
        Stylizer(model=str(folder))


def test_the_machine_is_described() -> None:
    found = machine.describe()
    assert found.cores >= 1
    assert 0 < found.memory_free <= found.memory_total
    assert found.python.count(".") == 2
    assert found.processor
