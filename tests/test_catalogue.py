"""Which model a name means, and that everybody sees it at once."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from impasto.errors import ModelError, OutputError
from impasto.models import Model, Store, find, models
from impasto.models.index import ModelIndex
from impasto.models.key_value_file import JsonKeyValueFile
from impasto.models.licences import permits_commercial
from impasto.models.published import PUBLISHED, find_by_sha256, find_published
from impasto.models.store import shipped


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("IMPASTO_HOME", str(tmp_path / "home"))
    return Store()


def install(store: Store, identity: str, kind: str = "encoder", **changes: Any) -> None:
    name, _, version = identity.partition("@")
    with store.installing(identity) as folder:
        (folder / "weights.bin").write_bytes(identity.encode())
        entry = {"file": "weights.bin", "sha256": hashlib.sha256(identity.encode()).hexdigest()}
        facts = {"name": name, "version": version, "kind": kind, "licence": "MIT", "files": {"x": entry}, "rules": {}}
        (folder / "manifest.json").write_text(json.dumps(facts | changes))


def elsewhere(script: str) -> None:
    subprocess.run([sys.executable, "-c", f"from impasto.models import Store\n{script}"], check=True)


def test_a_name_means_the_version_chosen_else_the_newest(store: Store) -> None:
    for version in ("1", "2", "10"):
        install(store, f"mine@{version}")
    assert find("mine").version == "10"
    assert store.use("mine@2").identity == "mine@2"
    assert (find("mine").version, store.active("mine")) == ("2", "2")
    assert find("mine@10").version == "10"
    install(store, "mine@11")
    assert find("mine").version == "2", "what was chosen stays"
    assert store.remove("mine@2") == ("mine@2",)
    assert store.active("mine") is None
    assert find("mine").version == "11"
    for text in ("mine@3", "mine", "yours@1"):
        with pytest.raises(ModelError, match=f"there is no model '{text}'"):
            store.use(text)


def test_what_ships_is_meant_unless_another_was_chosen(store: Store) -> None:
    install(store, "pocket@9")
    assert find("pocket") in shipped()
    assert find("pocket@9").path == store.folder / "pocket@9"
    store.use("pocket@9")
    assert find("pocket", kind="encoder").version == "9"
    store.use(next(model.identity for model in shipped() if model.name == "pocket"))
    assert find("pocket") in shipped()
    store.use("pocket@9")
    store.remove("pocket@9")
    assert find("pocket") in shipped()
    install(store, "pocket@8", "per-style")
    assert "pocket@8 has the name of a model that comes with Impasto" in store.problems()[0]
    assert find("pocket") in shipped()


def test_a_version_that_is_gone_is_no_longer_meant(store: Store) -> None:
    install(store, "mine@1")
    (store.folder / "active.json").write_text('{"mine": "7", "x": 5}')
    assert find("mine").version == "1"
    (store.folder / "active.json").write_text("{")
    assert find("mine").version == "1"
    assert store.active("x") is None


def test_other_processes_are_seen_at_once(store: Store) -> None:
    install(store, "mine@1")
    install(store, "mine@2")
    assert find("mine").version == "2"
    elsewhere('Store().use("mine@1")')
    assert find("mine").version == "1"
    elsewhere('Store().remove("mine@1")')
    assert find("mine").version == "2"
    elsewhere('import shutil; s = Store(); shutil.copytree(s.folder / "mine@2", s.folder / "other@1")')
    assert any("other@1" in problem for problem in store.problems())
    manifest = store.folder / "other@1" / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"mine"', '"other"').replace('"2"', '"1"'))
    assert find("other").version == "1"
    elsewhere('Store().remove("other")')
    with pytest.raises(ModelError, match="no model 'other'"):
        find("other")


def test_changes_within_one_tick_of_the_clock_are_seen(store: Store) -> None:
    for _ in range(20):
        install(store, "mine@1")
        assert find("mine").version == "1"
        store.remove("mine@1")
        with pytest.raises(ModelError):
            find("mine")


def test_what_did_not_change_is_not_read_again(store: Store) -> None:
    install(store, "mine@1")
    read: list[Path] = []

    def reading(folder: Path) -> Any:
        read.append(folder)
        raise ModelError("broken")

    old = time.time() - 5
    os.utime(store.folder / "mine@1" / "manifest.json", (old, old))
    os.utime(store.folder, (old, old))
    shelf = ModelIndex(store.folder, reading)
    for _ in range(5):
        assert shelf.problems() == ("broken",)
    assert len(read) == 1
    os.utime(store.folder / "mine@1" / "manifest.json")
    assert shelf.models() == ()
    assert len(read) == 2


def test_one_that_ships_and_is_broken_is_told(store: Store) -> None:
    install(store, "mine@1")
    (store.folder / "mine@1" / "manifest.json").write_text("{}")
    (store.folder / "empty").mkdir()
    told = "mine@1/manifest.json cannot be read"
    for bare, count in ((True, 2), (False, 1)):
        shelf = ModelIndex(store.folder, Model.read, bare=bare)
        assert len(shelf.problems()) == count
        assert shelf.named("mine") == shelf.named("yours", strict=True) == ()
        with pytest.raises(ModelError, match=told):
            shelf.named("mine", strict=True)


def test_all_who_note_at_once_are_heard(tmp_path: Path) -> None:
    noted = JsonKeyValueFile(tmp_path / "new" / "noted.json")
    assert noted.read() == {}
    noted.set("nothing", None)
    assert not noted._file.exists()
    threads = [threading.Thread(target=noted.set, args=(f"name-{n}", str(n))) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert noted.read() == {f"name-{n}": str(n) for n in range(8)}
    noted.set("name-3", None)
    assert "name-3" not in noted.read()
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match=r"cannot be written"):
        JsonKeyValueFile(tmp_path / "file" / "noted.json").set("x", "y")


def test_the_next_version_is_free(store: Store) -> None:
    assert store.next_version("mine") == "1"
    install(store, "mine@1.5")
    assert store.next_version("mine") == "2"
    (store.folder / "mine@7").mkdir()
    assert store.next_version("mine") == "8", "what is broken is in the way as well"
    assert store.next_version("pocket") == str(1 + int(find("pocket").version))


def test_manifests_may_say_more(store: Store) -> None:
    install(store, "mine@1", architecture={"family": "johnson"}, source="a friend")
    install(store, "old@1", source={"file": "vgg.pth", "sha256": "0"})
    assert find("mine").architecture == {"family": "johnson"}
    assert (find("mine").source, find("old").source) == ("a friend", "vgg.pth")
    assert find("mine").size() == len("mine@1")
    with pytest.raises(ModelError, match="cannot be read"):
        install(store, "odd@1", architecture=5)


@pytest.mark.parametrize(
    ("licence", "permitted"),
    [
        ("Apache-2.0", True),
        ("MIT OR GPL-3.0-only", True),
        ("MIT AND CC-BY-NC-4.0", False),
        ("MIT AND BSD-3-Clause", True),
        ("CC-BY-NC-4.0", False),
        ("free for personal or research use", False),
        ("BSD-3-Clause (torchvision's; ImageNet's terms may apply to the weights)", False),
        ("unknown", False),
        ("", False),
        ("A OR B AND MIT", False),
    ],
)
def test_licences_are_known_or_not_commercial(licence: str, permitted: bool) -> None:
    assert permits_commercial(licence) is permitted


def test_what_is_published_is_pinned() -> None:
    kinds = {model.kind for model in models()} | {"per-style"}
    urls = [file.url for entry in PUBLISHED.values() for file in entry.files]
    assert len(set(urls)) == len(urls) == 19
    for name, entry in PUBLISHED.items():
        assert (entry.name, entry.identity) == (name, f"{name}@1")
        assert entry.kind in kinds
        assert entry.megabytes > 1
        for file in entry.files:
            assert file.url.startswith("https://")
            assert file.size is None or len(file.sha256 or "") == 64
            assert len(file.sha256 or "") == 64 or len(file.sha1 or "") == 40, "nothing is taken on trust alone"
    assert find_published("vgg19") == ["vgg19"]
    assert find_published("candy") == ["johnson-candy", "zoo-candy"]
    assert find_published("la-muse") == ["johnson-la-muse", "johnson-la-muse-eccv16"]
    assert find_published("") == find_published("nothing") == []
    assert find_by_sha256(PUBLISHED["zoo-udnie"].files[0].sha256 or "") == PUBLISHED["zoo-udnie"]
    assert find_by_sha256("0" * 64) is None


def test_what_is_published_is_named_where_it_is_missing() -> None:
    with pytest.raises(ModelError, match=r"pull vgg19 \(or on a machine without internet: .* add vgg19 FILE\)"):
        find("vgg19")
    with pytest.raises(ModelError, match="pull johnson-mosaic or impasto models pull zoo-mosaic"):
        find("mosaic")
