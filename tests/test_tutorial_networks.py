"""Networks of the user's own under the names of the gallery's styles and of the tutorial's, and who paints by them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import cast
from urllib.parse import quote

import numpy as np
import pytest
from click.testing import CliRunner, Result
from replaying import replay, requests_form
from servers import Shelf, serving
from serving import Served
from test_server import picture, wait
from torch7_files import Nets, checkpoint, t7
from waiting import until

from impasto import Stylizer
from impasto.cli.main import cli
from impasto.errors import ModelError
from impasto.jobs.name_resolution import NameResolver
from impasto.jobs.owners.styles import Galleries
from impasto.jobs.records.blobs import Blobs
from impasto.jobs.records.job import EVERYONE
from impasto.models import Model, Store, find
from impasto.models.published import PUBLISHED, SETS, Published, PublishedFile
from impasto.models.store import shipped
from impasto.server.compat.style_names import MODELS, TUTORIAL, ChosenStyle, choose_style
from impasto.styles import Gallery

PHOTO = np.random.default_rng(0).integers(0, 255, (32, 32, 3), np.uint8)


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMPASTO_HOME", str(tmp_path / "user"))
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


def impasto(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["models", *arguments])


def network(folder: Path, name: str, seed: int = 0) -> Path:
    file = folder / f"{name}.t7"
    file.write_bytes(t7(checkpoint(Nets(width=2 + seed, blocks=1).build())))
    return file


def added(*arguments: str) -> str:
    result = impasto("add", *arguments)
    assert result.exit_code == 0, result.stderr
    return result.stderr


def painters(style: object) -> str:
    return Stylizer().stylize(PHOTO, style).model


def test_nine_files_under_the_tutorials_names_are_added_and_painted_by_its_door(tmp_path: Path) -> None:
    files = {name: network(tmp_path, name, seed) for seed, name in enumerate(MODELS)}
    for file in files.values():
        added(str(file))
    own = {name.replace("_", "-") for name in MODELS}
    assert {model.name for model in Store().models()} == own
    with Served(tmp_path, "--compat", "--host-name", "backend") as server, server.client() as client:
        wait(client, "/readyz", lambda answer: answer.status_code == 200)
        for asked, model in TUTORIAL.items():
            form = requests_form(f"/{quote(asked)}", "backend", {"file": picture(5, 32, kind="JPEG")})
            answer = replay(server.address, form)
            assert answer.status == 200, answer.body
            assert "impasto-stand-in" not in answer.headers
            assert answer.headers["impasto-model"] == find(model.replace("_", "-")).identity
        storage, id = tmp_path / "jobs" / "storage", Path(answer.json()["name"]).stem
        until(lambda: len(list(storage.glob(f"{id}_*.jpg"))) == len(MODELS) - 1)


def test_a_network_under_a_shipped_styles_name_is_meant_by_it(tmp_path: Path) -> None:
    ours = find("udnie")
    before = painters("udnie")
    meanings = NameResolver(Galleries(Gallery(), tmp_path / "owners"), Blobs(tmp_path / "blobs"))
    told = meanings.fingerprint("", EVERYONE, {}, ["udnie"])
    said = added(str(network(tmp_path, "udnie")))
    assert "the style udnie, which comes with Impasto, is painted by it from now on" in said
    assert f"--style udnie (ours is back with: impasto models use {ours.identity})" in said
    own = find("udnie")
    assert own.identity == f"udnie@{ours.version}.1", "no later version that ships is called so"
    assert painters("udnie") == own.identity
    # In mixes as well: the code of the card is the painting's, which this network may know nothing of.
    assert own.identity in painters({"udnie": 1, "wheat-field": 1}).split(", ")
    added(str(network(tmp_path, "udnie", 1)))
    assert find("udnie").identity == f"udnie@{ours.version}.2"
    assert meanings.fingerprint("", EVERYONE, {}, ["udnie"]) != told, "it is another picture"
    assert impasto("use", ours.identity).exit_code == 0
    assert painters("udnie") == before
    assert meanings.fingerprint("", EVERYONE, {}, ["udnie"]) == told


def test_so_is_one_where_the_style_has_no_network_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("install", "registry", "store"):
        monkeypatch.setattr(f"impasto.models.{module}.shipped", nothing_called("udnie"))
    with pytest.raises(ModelError):
        find("udnie")
    said = added(str(network(tmp_path, "udnie")))
    assert "ours is back with: impasto models remove udnie@1" in said
    assert painters("udnie") == "udnie@1"


def nothing_called(hidden: str) -> Callable[..., list[Model]]:
    """As if no model of that name came with the package."""
    return lambda name=None: [model for model in shipped(name) if model.name != hidden]


def test_a_further_version_given_up_brings_ours_back(tmp_path: Path) -> None:
    before = find("the-wave")
    added(str(network(tmp_path, "the_wave")))
    assert impasto("remove", "the-wave").exit_code == 0
    assert find("the-wave") == before
    assert "the-wave" in Gallery()


def published_as(monkeypatch: pytest.MonkeyPatch, name: str, url: str) -> None:
    entry = Published(name, "per-style", "free", "Somebody, 2016", (PublishedFile(url),))
    monkeypatch.setitem(cast("dict[str, Published]", PUBLISHED), name, entry)


@pytest.fixture
def publisher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Shelf]]:
    """Of every network of the set, on this machine."""
    with ExitStack() as stack:
        shelves = []
        for seed, name in enumerate(SETS["fast-neural-style"]):
            data = network(tmp_path, "network", seed).read_bytes()
            shelf = stack.enter_context(serving(Shelf(data)))
            published_as(monkeypatch, name, shelf.url)
            shelves.append(shelf)
        yield shelves


def test_a_set_is_pulled_as_a_whole_and_compat_prefers_it(publisher: list[Shelf]) -> None:
    assert len(publisher) == 10
    publisher[3].status = 404
    result = impasto("pull", "fast-neural-style")
    assert (result.exit_code, len(Store().models())) == (1, 3)
    publisher[3].status = 200
    result = impasto("pull", "fast-neural-style")
    assert result.exit_code == 0, result.stderr
    assert sorted(model.name for model in Store().models()) == sorted(SETS["fast-neural-style"])
    assert publisher[0].asked == [None], "what is there is not fetched again"
    assert impasto("pull", "fast-neural-style", "--url", publisher[0].url).exit_code == 2
    gallery = Gallery()
    for asked, model in TUTORIAL.items():
        assert choose_style(gallery, asked) == ChosenStyle(f"johnson-{model.replace('_', '-')}", model)
    assert painters(choose_style(gallery, "the wave").style) == "johnson-the-wave@1"


@pytest.mark.parametrize(
    ("there", "meant"),
    [
        ([], "lady-with-fan"),
        (["zoo-candy"], "zoo-candy"),
        (["zoo-candy", "johnson-candy"], "johnson-candy"),
        (["zoo-candy", "johnson-candy", "candy"], "candy"),
    ],
)
def test_whose_network_is_painted(there: list[str], meant: str, tmp_path: Path) -> None:
    file = network(tmp_path, "network")
    for name in there:
        added(str(file), "--name", name)
    assert choose_style(Gallery(), "candy") == ChosenStyle(meant, "candy", stand_in=not there)


@pytest.mark.parametrize(
    ("there", "meant"),
    [
        ([], "composition-vii"),
        (["johnson-composition-vii"], "johnson-composition-vii"),
        (["johnson-composition-vii", "composition-6"], "composition-6"),
        (["johnson-composition-vii", "composition-6", "composition-vii"], "composition-vii"),
    ],
)
def test_whose_network_is_painted_for_a_style_that_ships(there: list[str], meant: str, tmp_path: Path) -> None:
    file = network(tmp_path, "network")
    for name in there:
        added(str(file), "--name", name)
    assert choose_style(Gallery(), "composition 6") == ChosenStyle(meant, "composition_vii")


def test_a_folder_that_a_training_exported_goes_before_ours_too(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    model = find(added(str(network(tmp_path, "first"))) and "first")
    data = model.file("network").read_bytes()
    (folder / "network.safetensors").write_bytes(data)
    manifest = json.loads((model.path / "manifest.json").read_text()) | {"name": "starry-night", "version": "1"}
    manifest["files"]["network"]["sha256"] = hashlib.sha256(data).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))
    added(str(folder))
    assert painters("starry-night") == "starry-night@1"
