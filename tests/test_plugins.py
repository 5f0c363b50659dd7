"""Plugins: the example package is installed and used, and what is wrong with others is told and breaks nothing."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from PIL import Image
from serving import Served
from torch import Tensor
from torch.nn import functional as F

from impasto import Client, ImpastoError, Stylizer, plugins
from impasto.cli.main import cli
from impasto.encoders.torchvision_layers import TORCHVISION, canonical_name
from impasto.errors import ModelError, RequestError
from impasto.jobs.order import Order
from impasto.losses import GramTerm, style_term
from impasto.models.network_files import read_network
from impasto.request import options

ROOT = Path(__file__).parents[1]
DOCS, EXAMPLE = ROOT / "docs", ROOT / "examples" / "plugin"
PHOTO = np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8)
PAINTING = np.random.default_rng(1).integers(0, 255, (48, 64, 3), np.uint8)

Install = Callable[..., None]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which pip has installed the example."""
    folder = tmp_path_factory.mktemp("site")
    source = shutil.copytree(EXAMPLE, folder / "source")  # a build writes beside what it builds
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-build-isolation", "--no-deps"]
    subprocess.run([*command, "--target", str(folder / "site"), str(source)], check=True, capture_output=True)
    return folder / "site"


def forget() -> None:
    plugins._read.cache_clear()
    plugins._warn.cache_clear()


@pytest.fixture
def with_example(site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("IMPASTO_HOME", str(tmp_path / "home"))
    monkeypatch.syspath_prepend(str(site))
    forget()
    yield
    forget()


@pytest.fixture
def install(with_example: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Installs a further package with one plugin, whose module holds ``code``."""

    def installed(group: str, name: str, code: str, package: str = "another") -> None:
        folder, module = tmp_path / package, f"{package.replace('-', '_')}_module"
        facts = folder / f"{package.replace('-', '_')}-3.dist-info"
        facts.mkdir(parents=True)
        (facts / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 3\n")
        (facts / "entry_points.txt").write_text(f"[{group}]\n{name} = {module}:it\n")
        (folder / f"{module}.py").write_text(code)
        monkeypatch.syspath_prepend(str(folder))
        monkeypatch.delitem(sys.modules, module, raising=False)
        forget()

    return installed


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """A folder with a photograph, a painting, and the weights of a network of the example's architecture."""
    desk = tmp_path / "desk"
    desk.mkdir()
    Image.fromarray(PHOTO).save(desk / "photo.png")
    Image.fromarray(PAINTING).save(desk / "painting.png")
    torch.save(weights(), desk / "plain.pth")
    return desk


def weights() -> dict[str, Tensor]:
    random, state = torch.Generator().manual_seed(0), dict[str, Tensor]()
    for number, (inputs, outputs, side) in enumerate([(3, 6, 5), (6, 6, 3), (6, 3, 5)]):
        scale = (2 / (inputs * side * side)) ** 0.5
        state[f"layer{number}.weight"] = torch.randn(outputs, inputs, side, side, generator=random) * scale
        state[f"layer{number}.bias"] = torch.rand(outputs, generator=random) * 0.1
    return state


def impasto(*words: object) -> Result:
    return CliRunner().invoke(cli, [str(word) for word in words])


def stylize(desk: Path, *words: str, output: str = "out.png") -> Result:
    return impasto(
        "stylize", desk / "photo.png", "--style", desk / "painting.png", "--output", desk / output, "--steps=3", *words
    )


def pixels(file: Path) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    with Image.open(file) as image:
        return np.asarray(image)


# The example


@pytest.mark.usefixtures("with_example")
def test_an_own_loss_and_an_own_encoder_are_named_on_the_command_line(desk: Path) -> None:
    made = stylize(desk, "--encoder", "random-filters", "--style-loss", "contrast:2,gram:1")
    assert made.exit_code == 0, made.output
    shown = json.loads(impasto("show", "--json", desk / "out.png").stdout)
    assert shown["style_loss"] == "contrast:2,gram:1"
    assert shown["model"] == "random-filters@1.0"
    assert stylize(desk, "--encoder", "random-filters", "--style-loss", "gram", output="less.png").exit_code == 0
    assert not np.array_equal(pixels(desk / "out.png"), pixels(desk / "less.png")), "the loss counts"


@pytest.mark.usefixtures("with_example")
def test_they_are_named_in_python() -> None:
    stylizer = Stylizer("iterative")
    settings: dict[str, Any] = {"style_loss": {"contrast": 1.0}, "encoder": "random-filters", "steps": 2}
    reports = stylizer.run(stylizer.request(PHOTO, PAINTING, style_layers={"coarse": 1}, **settings))
    losses = [report.losses for report in reports if report.losses]
    assert set(losses[0]) == {"content", "contrast"}
    with pytest.raises(RequestError, match="there is no layer relu1_1; the layers are fine, coarse"):
        stylizer.stylize(PHOTO, PAINTING, style_layers="relu1_1", **settings)
    with pytest.raises(RequestError, match="pooling is average, which is for VGG and pocket"):
        stylizer.stylize(PHOTO, PAINTING, pooling="average", **settings)
    with pytest.raises(RequestError, match="tiles and regions need an encoder with known strides"):
        stylizer.stylize(PHOTO, PAINTING, tile=64, **settings)


@pytest.mark.usefixtures("with_example")
def test_an_own_architecture_is_recognised_and_paints_as_in_torch(desk: Path) -> None:
    added = impasto("models", "add", desk / "plain.pth", "--name", "plain")
    assert added.exit_code == 0, added.output
    facts = json.loads(impasto("models", "show", "--json", "plain").stdout)
    assert (facts["kind"], facts["architecture"]["family"]) == ("per-style", "plain-net")
    forget()
    sys.path.pop(0)  # the plugin was asked when the file was added, and is not needed again
    assert not plugins.plugin_names("impasto.models")
    out = desk / "out.png"
    made = impasto("stylize", desk / "photo.png", "--style", "plain", "--output", out, "--deterministic")
    assert made.exit_code == 0, made.output
    x = torch.from_numpy(PHOTO.copy()).permute(2, 0, 1)[None] / 255
    state = weights()
    for number in range(3):
        weight, side = state[f"layer{number}.weight"], state[f"layer{number}.weight"].shape[-1] // 2
        x = F.conv2d(F.pad(x, [side] * 4, mode="reflect"), weight, state[f"layer{number}.bias"])
        x = x.relu() if number < 2 else x
    wanted = (x[0].permute(1, 2, 0).clamp(0, 1) * 255).numpy()
    assert np.abs(pixels(out) - wanted).mean() < 1


@pytest.mark.usefixtures("with_example")
def test_a_file_of_an_own_architecture_that_is_not_whole_is_refused_in_its_words(desk: Path) -> None:
    torch.save({"layer0.weight": torch.rand(3, 3, 2, 2), "layer0.bias": torch.rand(3)}, desk / "even.pth")
    with pytest.raises(ModelError, match=r"even.pth: layer0 is \(3, 3, 2, 2\), .* give one with odd sides"):
        read_network(desk / "even.pth")
    torch.save({**weights(), "else": torch.rand(3)}, desk / "more.pth")
    with pytest.raises(ModelError, match=r"more.pth: the file holds else, layer0.bias"):
        read_network(desk / "more.pth")


@pytest.mark.usefixtures("with_example")
def test_choices_that_are_named_hold_theirs(desk: Path) -> None:
    told = " ".join(impasto("stylize", "--help").stdout.split())
    assert "[default moments:5,gram:2] [of plugins: contrast]" in told
    assert "[of plugins: random-filters]" in told
    assert "choose from moments, gram, wasserstein, contrast" in stylize(desk, "--style-loss", "contras").output
    assert "pocket, vgg16, vgg19, of plugins random-filters," in stylize(desk, "--encoder", "random").output
    described = {option.name: option.full_help for option in options()}
    assert described["style_loss"].endswith("wasserstein. Of plugins: contrast.")
    found = impasto("doctor").stdout
    assert all(f"{what}, of impasto-example 1.0" in found for what in ("loss contrast", "architecture plain-net"))


@pytest.mark.usefixtures("with_example")
def test_a_server_takes_encoders_that_its_operator_installed() -> None:
    sent = {"kind": "stylize", "contents": (("photo", b"photo"),), "styles": ((1.0, b"painting"),)}
    named = {"engine": "iterative", "encoder": "random-filters", "style_loss": "contrast"}
    assert Order(settings=named, **sent).settings == named  # type: ignore[arg-type]
    with pytest.raises(RequestError, match="there is no encoder 'random-filter' here"):
        Order(settings=named | {"encoder": "random-filter"}, **sent)  # type: ignore[arg-type]


@pytest.mark.parametrize("page", [DOCS / "plugins.md", EXAMPLE / "README.md"], ids=lambda page: str(page.name))
@pytest.mark.usefixtures("with_example")
def test_commands_of_the_documentation_run(page: Path, desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(desk)
    Image.fromarray(PHOTO).save("photo.jpg")
    Image.fromarray(PAINTING).save("painting.jpg")
    (block,) = re.findall(r"^```sh\n(.*?)^```", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    first, *commands = [shlex.split(line, comments=True) for line in block.splitlines()]
    assert first == ["pip", "install", "examples/plugin"]
    for command in commands:
        assert command[0] == "impasto"
        ran = impasto(*command[1:])
        assert ran.exit_code == 0, ran.output


def test_the_documentation_shows_the_entry_points_of_the_example() -> None:
    (shown,) = re.findall(r"^```toml\n(.*?)^```", (DOCS / "plugins.md").read_text("utf-8"), re.MULTILINE | re.DOTALL)
    real = tomllib.loads((EXAMPLE / "pyproject.toml").read_text("utf-8"))
    assert tomllib.loads(shown)["project"]["entry-points"] == real["project"]["entry-points"]
    assert set(real["project"]["entry-points"]) == set(plugins.GROUPS)


def test_nothing_of_a_plugin_is_imported_before_it_is_used(site: Path) -> None:
    script = """
import sys, impasto
from impasto.cli.main import cli
cli(["--help"], standalone_mode=False)
import impasto.request
assert "impasto.plugins" in sys.modules and "importlib.metadata" not in sys.modules
cli(["stylize", "--help"], standalone_mode=False)
assert not {"impasto_example", "torch"} & set(sys.modules)
"""
    paths = os.pathsep.join([str(site), str(Path(plugins.__file__).parents[1])])
    ran = subprocess.run([sys.executable, "-c", script], env={**os.environ, "PYTHONPATH": paths}, capture_output=True)
    assert ran.returncode == 0, ran.stderr.decode()
    assert b"[of plugins: contrast]" in ran.stdout


# What is wrong with others


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import nothing_of_that_name", "ModuleNotFoundError: No module named 'nothing_of_that_name'"),
        ("raise RuntimeError('no\\n  luck')", "RuntimeError: no luck"),
        ("there = 1", "AttributeError: module 'broken_module' has no attribute 'it'"),
    ],
)
def test_one_that_cannot_be_imported_is_named_and_breaks_nothing(
    code: str, said: str, install: Install, desk: Path
) -> None:
    install("impasto.losses", "sharp", code, "broken")
    assert stylize(desk, "--encoder", "random-filters", "--style-loss", "contrast").exit_code == 0
    assert "[of plugins: contrast, sharp]" in " ".join(impasto("stylize", "--help").stdout.split())
    made = stylize(desk, "--style-loss", "gram,sharp", output="other.png")
    assert made.exit_code == 1
    sentence = f"the loss sharp of the package broken failed: {said}; mend or update that package, or uninstall it"
    assert sentence in made.output
    assert "Traceback" not in made.output
    checked = impasto("doctor")
    assert checked.exit_code == 0
    assert f"! plugin     {sentence}" in checked.stdout


def test_a_broken_architecture_leaves_the_others_their_files(install: Install, desk: Path) -> None:
    install("impasto.models", "a-first", "def it(state): return state['nowhere']", "broken")
    assert read_network(desk / "plain.pth").family == "plain-net"
    torch.save({"strange": torch.rand(3)}, desk / "strange.pth")
    with pytest.raises(ModelError, match=r"the file holds strange; .* architecture a-first of the package broken fail"):
        read_network(desk / "strange.pth")


@pytest.mark.parametrize(
    ("group", "name", "ours"),
    [
        ("impasto.losses", "gram", "gram"),
        ("impasto.losses", "Gram", "gram"),
        ("impasto.encoders", "VGG-19", "vgg19"),
        ("impasto.encoders", "best", "best"),
        ("impasto.encoders", "ResNet-50", "resnet50"),
        ("impasto.models", "johnson", "johnson"),
    ],
)
def test_one_that_takes_a_name_of_ours_is_refused_in_a_sentence(
    group: plugins.Group, name: str, ours: str, install: Install
) -> None:
    install(group, name, "raise SystemExit('run')", "greedy")
    said = f"{name} of the package greedy is not used, for {ours} is the name of one of Impasto's own"
    with pytest.warns(UserWarning, match=said):
        assert name not in plugins.plugin_names(group)
    assert plugins.find_plugin(group, name) is None
    assert f"{said}; give it another name" in impasto("doctor").stdout
    if ours == "gram":
        forget()
        with pytest.warns(UserWarning, match=said):
            assert style_term("gram") is GramTerm


def test_the_command_warns_in_one_line_and_paints(install: Install, desk: Path) -> None:
    install("impasto.losses", "gram", "raise SystemExit('run')", "greedy")
    paths = os.pathsep.join([*sys.path[:2], str(Path(plugins.__file__).parents[1])])
    command = [sys.executable, "-m", "impasto.cli", "stylize", "photo.png", "--style", "painting.png", "-o", "out.png"]
    ran = subprocess.run(
        [*command, "--engine=iterative", "--steps=1", "--quiet"],
        cwd=desk,
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    (line,) = ran.stderr.splitlines()
    assert line.startswith("warning: the loss gram of the package greedy is not used, for gram is the name of one of")
    assert (desk / "out.png").exists()


def test_a_server_s_workers_run_what_its_operator_installed(
    site: Path, desk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(site), str(Path(plugins.__file__).parents[1])]))
    with Served(desk / "served") as server, Client(server.address) as client:
        settings = {"encoder": "random-filters", "style_loss": "contrast", "steps": 2, "size": 48}
        painted = client.pastiche(desk / "photo.png", str(desk / "painting.png"), engine="iterative", **settings)
        assert (painted.size, painted.model) == ((64, 48), "random-filters@1.0")
        told = {
            option["name"]: option["plugins"] for option in httpx.get(f"{server.address}/v1/options").json()["options"]
        }
        assert (told["style_loss"], told["encoder"], told["strength"]) == (["contrast"], ["random-filters"], [])
        with pytest.raises(RequestError, match="choose from moments, gram, wasserstein, contrast"):
            client.pastiche(desk / "photo.png", "starry-night", engine="iterative", style_loss="contrasts")


def test_two_of_one_name_are_both_refused(install: Install) -> None:
    install("impasto.encoders", "twin", "it = 1", "one")
    install("impasto.encoders", "Twin", "it = 2", "two")
    with pytest.warns(UserWarning, match="no encoder .win is used, for one and two bring one each; uninstall all but"):
        assert plugins.plugin_names("impasto.encoders") == ("random-filters",)


def test_a_name_that_cannot_be_typed_is_refused(install: Install) -> None:
    install("impasto.losses", "a,b", "it = 1")
    with pytest.warns(UserWarning, match="the package another names a plugin of impasto.losses 'a,b', which is not"):
        assert plugins.plugin_names("impasto.losses") == ("contrast",)


@pytest.mark.parametrize(
    ("group", "code", "said"),
    [
        ("losses", "def it(found, aim): return 0", "gives an object of function; it has to be or give a subclass of"),
        ("losses", "class it: pass", "gives it; it has to be or give a subclass of impasto.losses.StyleTerm"),
        ("encoders", "def it(): return 3", "gives an object of int; it has to be or give a function without arg"),
        ("encoders", "it = 3", "failed: TypeError: 'int' object is not callable"),
        ("encoders", "def it(): raise OSError('no weights')", "failed: OSError: no weights; mend or update"),
        ("encoders", "from impasto.encoders import Encoder as it", "an impasto.encoders.Encoder with layers"),
        ("models", "def it(state): return 'mine'", "gives an object of str; it has to be or give a function that"),
    ],
)
def test_what_is_not_of_its_kind_is_told(group: str, code: str, said: str, install: Install, desk: Path) -> None:
    install(f"impasto.{group}", "odd", code)
    torch.save({"strange": torch.rand(3)}, desk / "strange.pth")
    uses: dict[str, Callable[[], object]] = {
        "losses": lambda: Stylizer("iterative").stylize(PHOTO, PAINTING, steps=1, style_loss="odd"),
        "encoders": lambda: Stylizer("iterative").stylize(PHOTO, PAINTING, steps=1, encoder="odd"),
        "models": lambda: read_network(desk / "strange.pth"),
    }
    with pytest.raises(ImpastoError, match=said):
        uses[group]()


def test_names_of_ours_are_all_those_there_are() -> None:
    assert {*TORCHVISION, "pocket", "vgg16", "vgg19", "best", "own"} == set(plugins.SHIPPED["impasto.encoders"])
    assert all(canonical_name(name) for name in plugins.SHIPPED["impasto.encoders"] if name not in ("best", "own"))
    assert all(issubclass(style_term(name), torch.nn.Module) for name in plugins.SHIPPED["impasto.losses"])
    with pytest.raises(ValueError, match="there is no style loss 'grams'; choose of"):
        style_term("grams")
