"""The user's own models."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from impasto.errors import ModelError, OutputError, OutputExists
from impasto.models import Model, Store, find, models
from impasto.models.store import shipped


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("IMPASTO_HOME", str(tmp_path / "home"))
    return Store()


def write(folder: Path, name: str = "mine", version: str = "1", **changes: Any) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "weights.bin").write_bytes(b"weights")
    manifest = {
        "name": name,
        "version": version,
        "kind": "encoder",
        "licence": "CC0-1.0",
        "files": {"encoder": {"file": "weights.bin", "sha256": hashlib.sha256(b"weights").hexdigest()}},
        "rules": {},
    }
    (folder / "manifest.json").write_text(json.dumps(manifest | changes))


def install(store: Store, identity: str, fill: Callable[[Path], object]) -> None:
    with store.installing(identity) as folder:
        fill(folder)


def hidden(store: Store) -> list[Path]:
    return list(store.folder.glob(".*"))


def test_where_it_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Store().folder == tmp_path / "home" / "models"
    monkeypatch.delenv("IMPASTO_HOME")
    monkeypatch.setattr("platformdirs.user_data_path", lambda *args, **kwargs: tmp_path / "data")
    assert Store().folder == tmp_path / "data" / "models"
    assert Store().models() == []
    assert Store().problems() == ()
    assert not (tmp_path / "data").exists(), "looking makes no folder"


def test_a_model_is_installed_found_and_removed(store: Store) -> None:
    with store.installing("mine@1") as folder:
        write(folder)
        assert not any(m.name == "mine" for m in models()), "nothing is there before it is whole"
    for version in ("2", "10"):
        with store.installing(f"mine@{version}") as folder:
            write(folder, version=version)
    assert [m.identity for m in store.models()] == ["mine@1", "mine@2", "mine@10"]
    ours = [m.identity for m in shipped()]
    assert {"instant@2", "pocket@2"} <= set(ours)
    assert [m.identity for m in models()] == [*ours, "mine@1", "mine@2", "mine@10"]
    assert find("mine", kind="encoder").version == "10"
    assert find("mine@2").file("encoder").read_bytes() == b"weights"
    assert find("mine@2").path == store.folder / "mine@2"
    with pytest.raises(OutputExists, match="mine@2 already exists; remove it first: impasto models remove mine@2"):
        install(store, "mine@2", write)
    assert store.remove("mine@2") == ("mine@2",)
    assert store.remove("mine") == ("mine@1", "mine@10")
    assert store.models() == []
    assert hidden(store) == []
    with pytest.raises(ModelError, match="you have no model 'mine'; your own are: none"):
        store.remove("mine")
    for text in ("pocket", "instant@2"):
        with pytest.raises(ModelError, match=f"{text} comes with Impasto and cannot be removed"):
            store.remove(text)


def test_what_fails_leaves_nothing(store: Store) -> None:
    def full(folder: Path) -> None:
        write(folder)
        raise OSError(28, "No space left on device")

    def altered(folder: Path) -> None:
        write(folder)
        (folder / "weights.bin").write_bytes(b"\0other")

    def stopped(folder: Path) -> None:
        write(folder)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        install(store, "mine@1", stopped)
    with pytest.raises(OutputError, match="No space left on device; make room there, or set IMPASTO_HOME"):
        install(store, "mine@1", full)
    with pytest.raises(ModelError, match=r"manifest\.json cannot be read"):
        install(store, "mine@1", lambda _: None)
    with pytest.raises(ModelError, match="mine@1 holds the model yours@1"):
        install(store, "mine@1", lambda folder: write(folder, "yours"))
    with pytest.raises(ModelError, match="has sha256"):
        install(store, "mine@1", altered)
    assert list(store.folder.iterdir()) == []


def test_two_who_install_at_once_do_not_mix(store: Store) -> None:
    def overtaken(folder: Path) -> None:
        write(folder, licence="first")
        install(store, "mine@1", lambda other: write(other, licence="second"))

    with pytest.raises(OutputExists, match="mine@1 already exists"):
        install(store, "mine@1", overtaken)
    assert [m.licence for m in store.models()] == ["second"]
    assert hidden(store) == []


def test_what_a_killed_process_left_is_ignored_and_later_swept(store: Store) -> None:
    script = """
import os, pathlib
from impasto.models import Store
with Store().installing("mine@1") as folder:
    (folder / "weights.bin").write_bytes(b"half")
    os.kill(os.getpid(), 9)
"""
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == -9
    (left,) = hidden(store)
    assert store.models() == []
    assert store.problems() == ()
    with store.installing("mine@1") as folder:
        write(folder)
    assert hidden(store) == [left], "somebody may still be writing"
    old = time.time() - 7200
    os.utime(left, (old, old))
    with store.installing("mine@2") as folder:
        write(folder, version="2")
    assert hidden(store) == []


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    store = Store(tmp_path / "file" / "models")
    assert store.models() == []
    with pytest.raises(OutputError, match="IMPASTO_HOME"):
        install(store, "mine@1", write)


def test_a_broken_model_is_told_and_the_others_are_found(store: Store) -> None:
    write(store.folder / "mine@1")
    broken: dict[str, dict[str, Any]] = {
        "renamed@1": {},
        "words@new": {"name": "words", "version": "new"},
        "numbers@1": {"name": 5},
        "list@1": {"name": "list", "files": []},
        "part@1": {"name": "part", "files": {"encoder": {"file": "weights.bin"}}},
        "rules@1": {"name": "rules", "rules": []},
        "outside@1": {"name": "outside", "files": {"encoder": {"file": "../mine@1/weights.bin", "sha256": ""}}},
        "pocket@9": {"name": "pocket", "version": "9", "kind": "per-style"},
        "pocket@2": {"name": "pocket", "version": "2"},
    }
    for folder, changes in broken.items():
        write(store.folder / folder, **changes)
    (store.folder / "empty@1").mkdir()
    (store.folder / "note.txt").write_text("no model")
    assert [m.identity for m in store.models()] == ["mine@1"]
    assert find("mine").name == "mine"
    assert find("pocket").version == "2"
    problems = store.problems()
    assert len(problems) == len(broken) + 1
    for folder in (*broken, "empty@1"):
        assert any(folder in problem for problem in problems), folder
    told = " ".join(problems)
    for words in (
        "renamed@1 holds the model mine@1; rename the folder to mine@1",
        "says version 'new'; give numbers like 1 or 1.2",
        "names the file '../mine@1/weights.bin'; give a name without folders",
        "pocket@9 has the name of a model that comes with Impasto; give it another name, or another version",
        "pocket@2 has the name of a model that comes with Impasto",
    ):
        assert words in told
    assert store.remove("renamed") == ("renamed@1",)


def test_a_copy_of_what_ships_does_not_take_its_place(store: Store) -> None:
    store.folder.mkdir(parents=True)
    shutil.copytree(find("pocket").path, store.folder / "pocket@2")
    assert find("pocket").path == Model.read(find("pocket").path).path
    assert store.folder not in find("pocket").path.parents
    assert store.remove("pocket@2") == ("pocket@2",)
