"""``impasto models``."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result
from networks import published, state
from servers import Shelf, serving

from impasto.cli import models as module
from impasto.cli.main import cli
from impasto.models import Store, find
from impasto.models.published import PUBLISHED


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMPASTO_HOME", str(tmp_path / "home"))
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shelf]:
    """A publisher on this machine."""
    data = published(tmp_path / "vgg.pth").read_bytes()
    with serving(Shelf(data)) as shelf:
        entry = replace(
            PUBLISHED["vgg19"], url=shelf.url, size=len(data), sha256=hashlib.sha256(data).hexdigest(), licence="free"
        )
        for place in ("impasto.cli.models", "impasto.perceptual.conversion"):
            monkeypatch.setattr(f"{place}.PUBLISHED", {**PUBLISHED, "vgg19": entry})
        yield shelf


def impasto(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["models", *arguments])


def fails(result: Result, message: str, status: int = 1) -> None:
    assert result.exit_code == status, result.output
    assert message in result.stderr
    assert result.stderr.splitlines()[-1].startswith("error: ")


def test_a_model_is_fetched_listed_and_removed(shelf: Shelf) -> None:
    result = impasto("pull", "vgg19")
    assert result.exit_code == 0, result.stderr
    assert "added vgg19@1, 0.0 MB: " in result.stderr
    assert "vgg19: 0.0 MB of 0.0 MB" in result.stderr
    assert list(Store().downloads.iterdir()) == [], "what was fetched is not kept twice"
    again = impasto("pull", "vgg19")
    assert (again.exit_code, shelf.asked) == (0, [None])
    assert "vgg19@1 is there already: " in again.stderr

    listed = json.loads(impasto("--json").stdout)
    assert [(m["model"], m["shipped"]) for m in listed] == [("instant@1", True), ("pocket@2", True), ("vgg19@1", False)]
    ours = listed[-1]
    assert (ours["kind"], ours["licence"], ours["path"]) == ("encoder", "free", str(find("vgg19").path))
    assert ours["bytes"] == find("vgg19").file("encoder").stat().st_size
    rows = [line.split("\t") for line in impasto().stdout.splitlines()]
    assert rows[-1] == ["vgg19@1", "encoder", "free", str(ours["bytes"]), ours["path"]]

    removed = impasto("remove", "vgg19")
    assert (removed.exit_code, removed.stderr) == (0, "removed vgg19@1\n")
    fails(impasto("remove", "vgg19"), "you have no model 'vgg19'; your own are: none")
    fails(impasto("remove", "pocket"), "pocket comes with Impasto and cannot be removed")


def test_what_was_cut_off_goes_on(shelf: Shelf) -> None:
    shelf.cut = 2_000
    fails(
        impasto("pull", "vgg19"), "bytes; the same command goes on where it stopped (or: impasto models add vgg19 FILE)"
    )
    shelf.cut = None
    assert impasto("pull", "vgg19").exit_code == 0
    assert shelf.asked == [None, "bytes=2000-"]


def test_a_mirrors_file_has_to_be_the_same(shelf: Shelf) -> None:
    with serving(Shelf(shelf.data)) as mirror:
        assert impasto("pull", "vgg19", "--url", mirror.url).exit_code == 0
        assert (shelf.asked, mirror.asked) == ([], [None])
    impasto("remove", "vgg19")
    with serving(Shelf(shelf.data[:-1] + b"x")) as liar:
        fails(impasto("pull", "vgg19", "--url", liar.url), "it is not what was published")
    fails(impasto("pull", "vgg19", "--url", "http://example.org/"), "give one that begins with https://")
    assert Store().models() == []


def test_an_interrupt_says_how_to_go_on(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("impasto.models.download.download", interrupted)
    result = impasto("pull", "vgg19")
    assert result.exit_code == 130
    assert "stopped; the same command goes on from there" in result.stderr


def test_without_torch_nothing_is_fetched(shelf: Shelf, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "impasto.perceptual.conversion", None)
    fails(impasto("pull", "vgg19"), "pip install 'impasto[iterative]'")
    fails(impasto("add", "vgg19", str(tmp_path / "vgg.pth")), "pip install 'impasto[iterative]'")
    assert shelf.asked == []
    assert impasto("--json").exit_code == 0


def test_a_model_is_added_from_a_file(tmp_path: Path) -> None:
    file = published(tmp_path / "vgg16.pth", "vgg16")
    fails(impasto("add", "vgg19", str(file)), "holds vgg16, not vgg19; call it vgg16")
    result = impasto("add", "vgg16", str(file))
    assert result.exit_code == 0, result.stderr
    assert "added vgg16@1" in result.stderr
    assert find("vgg16").rules["convention"] == "torchvision"
    assert "vgg16@1 is there already" in impasto("add", "vgg16", str(file)).stderr
    assert impasto("remove", "vgg16@1").exit_code == 0
    assert impasto("add", "vgg16", str(file), "--convention", "caffe").exit_code == 0
    assert find("vgg16").rules["convention"] == "caffe"
    fails_usage = impasto("add", "resnet", str(file))
    assert (fails_usage.exit_code, "'resnet' is not one of 'vgg16', 'vgg19'" in fails_usage.stderr) == (2, True)


def test_a_model_that_was_altered_is_replaced(tmp_path: Path) -> None:
    file = published(tmp_path / "vgg.pth")
    assert impasto("add", "vgg19", str(file)).exit_code == 0
    (find("vgg19").path / "encoder.safetensors").write_bytes(b"altered")
    result = impasto("add", "vgg19", str(file))
    assert result.exit_code == 0
    assert "warning: encoder.safetensors of vgg19@1 has sha256" in result.stderr
    assert "it is replaced" in result.stderr
    find("vgg19").verify()
    (find("vgg19").path / "manifest.json").write_text("{}")
    listed = impasto()
    assert listed.exit_code == 0
    assert "warning: vgg19@1/manifest.json cannot be read" in listed.stderr
    assert impasto("add", "vgg19", str(file)).exit_code == 0
    find("vgg19").verify()


def test_a_terminal_gets_a_table_and_a_bar(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("impasto.cli.terminal.is_terminal", lambda _: True)
    monkeypatch.setenv("COLUMNS", "100")
    assert impasto("pull", "vgg19").exit_code == 0
    result = impasto()
    assert result.exit_code == 0
    assert "ships with Impasto" in result.stdout
    assert "vgg16 can be fetched with: impasto models pull vgg16" in result.stderr
    assert all(len(line) <= 100 for line in result.stdout.splitlines())


def test_doctor_tells_of_the_users_models_and_stays_well(tmp_path: Path) -> None:
    torch.save(state(), tmp_path / "vgg.pth")
    assert impasto("add", "vgg19", str(tmp_path / "vgg.pth")).exit_code == 0
    (find("vgg19").path / "encoder.safetensors").write_bytes(b"altered")
    (Store().folder / "empty@1").mkdir()
    result = CliRunner().invoke(cli, ["doctor"])
    assert "! model      encoder.safetensors of vgg19@1 has sha256" in result.stdout
    assert "! model      empty@1/manifest.json cannot be read" in result.stdout
    report = json.loads(CliRunner().invoke(cli, ["doctor", "--json"]).stdout)
    assert report["ok"]
    assert len(report["store"]["problems"]) == 1


def test_sizes_are_read_at_a_glance() -> None:
    assert [module._size(n) for n in (440_984, 80_100_000, 574_673_361)] == ["0.4 MB", "80.1 MB", "575 MB"]
