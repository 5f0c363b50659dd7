"""``impasto models``."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from socket import socket
from typing import cast

import pytest
import torch
from click.testing import CliRunner, Result
from foreign_graphs import one_style
from networks import published, state
from servers import Shelf, serving
from torch7_files import Nets, checkpoint, t7

from impasto.cli.commands.models_output import size
from impasto.cli.main import cli
from impasto.models import Store, find
from impasto.models.published import PUBLISHED, Published, PublishedFile
from impasto.styles import Gallery


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
        file = PublishedFile(shelf.url, len(data), hashlib.sha256(data).hexdigest())
        entry = replace(PUBLISHED["vgg19"], files=(file,), licence="free")
        monkeypatch.setitem(cast("dict[str, Published]", PUBLISHED), "vgg19", entry)
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
    assert "vgg19@1 already exists: " in again.stderr

    listed = json.loads(impasto("--json").stdout)
    assert {("instant@2", True), ("pocket@2", True)} <= {(m["model"], m["shipped"]) for m in listed}
    assert (listed[-1]["model"], listed[-1]["shipped"]) == ("vgg19@1", False)
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
    monkeypatch.setitem(sys.modules, "impasto.encoders.vgg_conversion", None)
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
    assert "vgg16@1 already exists" in impasto("add", "vgg16", str(file)).stderr
    assert impasto("remove", "vgg16@1").exit_code == 0
    assert impasto("add", "vgg16", str(file), "--convention", "caffe").exit_code == 0
    assert find("vgg16").rules["convention"] == "caffe"
    fails_usage = impasto("add", "resnet", str(file))
    assert (fails_usage.exit_code, "there is no file 'resnet'" in fails_usage.stderr) == (2, True)


def test_a_model_that_was_altered_is_replaced(tmp_path: Path) -> None:
    file = published(tmp_path / "vgg.pth")
    assert impasto("add", "vgg19", str(file)).exit_code == 0
    (find("vgg19").path / "encoder.safetensors").write_bytes(b"\0altered")
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
    monkeypatch.setattr("impasto.cli.ui.terminal.is_terminal", lambda _: True)
    monkeypatch.setenv("COLUMNS", "100")
    assert impasto("pull", "vgg19").exit_code == 0
    result = impasto()
    assert result.exit_code == 0
    assert "ships with Impasto" in result.stdout
    assert "others can be fetched or added: impasto models pull, impasto models add FILE" in result.stderr
    assert all(len(line) <= 100 for line in result.stdout.splitlines())


def test_doctor_tells_of_the_users_models_and_stays_well(tmp_path: Path) -> None:
    torch.save(state(), tmp_path / "vgg.pth")
    assert impasto("add", "vgg19", str(tmp_path / "vgg.pth")).exit_code == 0
    (find("vgg19").path / "encoder.safetensors").write_bytes(b"\0altered")
    (Store().folder / "empty@1").mkdir()
    result = CliRunner().invoke(cli, ["doctor"])
    assert "! model      encoder.safetensors of vgg19@1 has sha256" in result.stdout
    assert "! model      empty@1/manifest.json cannot be read" in result.stdout
    report = json.loads(CliRunner().invoke(cli, ["doctor", "--json"]).stdout)
    assert report["ok"]
    assert len(report["store"]["problems"]) == 1


def test_sizes_are_read_at_a_glance() -> None:
    assert [size(n) for n in (440_984, 80_100_000, 574_673_361)] == ["0.4 MB", "80.1 MB", "575 MB"]


@pytest.fixture
def network(tmp_path: Path) -> Path:
    file = tmp_path / "my_night.t7"
    file.write_bytes(t7(checkpoint(Nets(width=2, blocks=1).build())))
    return file


def test_a_network_becomes_a_style_and_goes_with_it(network: Path, tmp_path: Path) -> None:
    result = impasto("add", str(network), "--licence", "MIT", "--source", "a friend")
    assert result.exit_code == 0, result.stderr
    assert "added my-night@1, 0.0 MB: " in result.stderr
    assert "its style is there as well: impasto stylize PHOTO --style my-night" in result.stderr
    card = Gallery().get("my-night")
    assert (card.network, card.source) == ("my-night", "a friend")
    assert card.thumbnail
    assert "my-night@1 already exists: " in impasto("add", str(network)).stderr
    second = impasto("add", str(network), "--name", "my-night", "--version", "2", "--order", "rgb")
    fails(second, "says how it takes pictures; leave out the order and the range")
    other = network.with_name("other.t7")
    other.write_bytes(t7(checkpoint(Nets(width=3, blocks=1).build())))
    assert impasto("add", str(other), "--name", "my-night").exit_code == 0
    assert find("my-night").version == "2"
    used = impasto("use", "my-night@1")
    assert (used.exit_code, used.stderr) == (0, "my-night is my-night@1 from now on\n")
    assert find("my-night").version == "1"
    fails(impasto("use", "my-night@3"), "of my-night there is my-night@1, my-night@2")
    assert impasto("remove", "my-night@1").stderr == "removed my-night@1\n"
    assert impasto("remove", "my-night").stderr == "removed my-night@2\nremoved its style my-night\n"
    assert "my-night" not in Gallery()


def test_a_style_that_is_there_stays(network: Path) -> None:
    taken = Gallery().names()[0]
    result = impasto("add", str(network), "--name", f"my-{taken}")
    assert result.exit_code == 0
    Gallery().remove(f"my-{taken}")
    own = replace(Gallery().get(taken), name="mine", network="")
    Gallery().add(own)
    result = impasto("add", str(network), "--name", "mine")
    assert result.exit_code == 0
    assert "there is a style mine already, so none was made of it; give another name with --name" in result.stderr
    assert "its licence is unknown; give it with --licence" in result.stderr
    assert impasto("remove", "mine").stderr == "removed mine@1\n"
    assert "mine" in Gallery()


def test_what_a_trial_found_is_told(tmp_path: Path) -> None:
    file = tmp_path / "wave.onnx"
    file.write_bytes(one_style("the-wave", taken="255", given="255"))
    result = impasto("add", str(file))
    assert result.exit_code == 0, result.stderr
    assert "it takes RGB, found by running it; white is 255, from constants in its graph" in result.stderr


def test_models_are_shown_listed_and_verified(network: Path) -> None:
    assert impasto("add", str(network), "--licence", "MIT").exit_code == 0
    free, other = network.with_name("free.t7"), network.with_name("other.t7")
    other.write_bytes(t7(checkpoint(Nets(width=3, blocks=1).build())))
    free.write_bytes(t7(checkpoint(Nets(width=4, blocks=1).build())))
    assert impasto("add", str(other), "--licence", "CC-BY-NC-4.0").exit_code == 0
    assert impasto("add", str(free)).exit_code == 0

    def listed(*options: str) -> set[str]:
        return {m["model"] for m in json.loads(impasto(*options, "--json").stdout)}

    mine = {"my-night@1", "other@1", "free@1"}
    assert listed() == listed("list")
    assert mine <= listed()
    assert listed("--commercial") & mine == listed("list", "--commercial") & mine == {"my-night@1"}
    assert mine <= listed("--kind", "per-style")
    assert not mine & listed("list", "--kind", "encoder")
    told = json.loads(impasto("show", "other", "--json").stdout)
    assert (told["licence"], told["commercial"], told["active"]) == ("CC-BY-NC-4.0", False, True)
    assert told["architecture"]["made_of"][0]["file"] == "other.t7"
    shown = impasto("show", "other@1").stdout
    for line in ("model: other@1", "  reader: Torch7", "    file: other.t7", "  multiple: 4"):
        assert line in shown.splitlines()
    fails(impasto("show", "nothing"), "there is no model 'nothing'")

    assert "my-night@1\tok" in impasto("verify").stdout.splitlines()
    (find("other").path / "network.safetensors").write_bytes(b"\0altered")
    (Store().folder / "empty@1").mkdir()
    result = impasto("verify")
    assert (result.exit_code, "my-night@1\tok" in result.stdout, "other@1\tok" in result.stdout) == (1, True, False)
    assert "network.safetensors of other@1 has sha256" in result.stderr
    assert "empty@1/manifest.json cannot be read" in result.stderr
    assert impasto("verify", "my-night").stdout == "my-night@1\tok\n"
    fails(impasto("verify", "other"), "network.safetensors of other@1 has sha256")


def published_as(monkeypatch: pytest.MonkeyPatch, name: str, *files: PublishedFile, kind: str = "per-style") -> None:
    entry = Published(name, kind, "CC-BY-4.0", "Somebody, 2016", files)
    monkeypatch.setitem(cast("dict[str, Published]", PUBLISHED), name, entry)


def test_a_network_is_fetched_and_the_first_one_seen_is_remembered(
    network: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = network.read_bytes()
    with serving(Shelf(data)) as shelf:
        published_as(monkeypatch, "some-night", PublishedFile(shelf.url, sha1=hashlib.sha1(data).hexdigest()))
        result = impasto("pull", "night")
        assert result.exit_code == 0, result.stderr
        model = find("some-night")
        assert (model.licence, model.source) == ("CC-BY-4.0", "Somebody, 2016")
        assert model.architecture["made_of"] == [{"file": "file.pth", "sha256": hashlib.sha256(data).hexdigest()}]
        assert "some-night" in Gallery()
        assert Store().known.read() == {shelf.url: hashlib.sha256(data).hexdigest()}
        assert "some-night@1 already exists" in impasto("pull", "some-night").stderr
        # Another file under the same address, with nothing published to tell.
        impasto("remove", "some-night")
        published_as(monkeypatch, "some-night", PublishedFile(shelf.url))
        shelf.data = t7(checkpoint(Nets(width=3, blocks=1).build()))
        fails(impasto("pull", "some-night"), "it is not what was published, or what came before, and was removed")
        shelf.data = data
        assert impasto("pull", "some-night").exit_code == 0
        impasto("remove", "some-night")
        published_as(monkeypatch, "some-night", PublishedFile(shelf.url + "?", sha1="0" * 40))
        fails(impasto("pull", "some-night"), "has sha1 ")
    with socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/night.t7"
    published_as(monkeypatch, "some-night", PublishedFile(url))
    fails(impasto("pull", "some-night"), f"(or bring {url} here, and: impasto models add night.t7 --name some-night)")


def test_a_pair_is_fetched_as_one(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = [shared / "peers" / "magenta" / f"magenta_int8_{part}.tflite" for part in ("prediction", "transfer")]
    datas = [file.read_bytes() for file in files]
    with serving(Shelf(datas[0])) as one, serving(Shelf(datas[1])) as other:
        entries = [
            PublishedFile(
                shelf.url.replace("file.pth", f"part-{n}.tflite"), len(data), hashlib.sha256(data).hexdigest()
            )
            for n, (shelf, data) in enumerate(zip((one, other), datas, strict=True))
        ]
        published_as(monkeypatch, "some-pair", *entries, kind="arbitrary")
        result = impasto("pull", "some-pair")
        assert result.exit_code == 0, result.stderr
        assert find("some-pair").kind == "arbitrary"
        assert sorted(find("some-pair").files) == ["predict", "transfer"]
        assert list(Store().downloads.iterdir()) == []
        impasto("remove", "some-pair")
        usage = impasto("pull", "some-pair", "--url", one.url)
        assert (usage.exit_code, "some-pair is of 2 files; --url names one" in usage.stderr) == (2, True)


def test_what_can_be_fetched_is_listed() -> None:
    listed = json.loads(impasto("pull", "--json").stdout)
    assert {told["model"] for told in listed} == set(PUBLISHED)
    assert not any(told["here"] for told in listed)
    rows = [line.split("\t") for line in impasto("pull").stdout.splitlines()]
    assert ["magenta", "arbitrary", "Apache-2.0", "3.1", "False"] in rows
    for name, message in (
        ("nothing", "'nothing' is not published"),
        ("candy", "johnson-candy or zoo-candy; say which"),
    ):
        result = impasto("pull", name)
        assert (result.exit_code, message in result.stderr) == (2, True)


def test_a_terminal_gets_a_table_of_what_can_be_fetched(monkeypatch: pytest.MonkeyPatch, network: Path) -> None:
    monkeypatch.setattr("impasto.cli.ui.terminal.is_terminal", lambda _: True)
    monkeypatch.setenv("COLUMNS", "100")
    result = impasto("pull")
    assert "johnson-la-muse-eccv16" in result.stdout
    assert all(len(line) <= 100 for line in result.stdout.splitlines())
    for version in ("1", "2"):
        assert impasto("add", str(network), "--name", "mine", "--version", version).exit_code == 0
    listed = impasto()
    assert "mine@2 *" in listed.stdout
    assert "* is meant by the name alone" in listed.stderr


def test_wrong_usage_of_add_is_told(network: Path) -> None:
    for arguments, message in (
        (("none.t7",), "there is no file 'none.t7'; give one, or fetch what is published"),
        ((str(network), "--convention", "caffe"), "--convention is for the encoders vgg16 and vgg19"),
        ((str(network), "--order", "grb"), "'grb' is not one of 'rgb', 'bgr'"),
    ):
        result = impasto("add", *arguments)
        assert (result.exit_code, message in result.stderr) == (2, True), result.stderr
