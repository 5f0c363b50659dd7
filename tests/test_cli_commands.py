"""The other commands: gallery, show, doctor, bench, train."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from impasto.cli.commands import doctor as doctor_module
from impasto.cli.commands.train import Sizes
from impasto.cli.main import cli
from impasto.errors import ModelError
from impasto.models import Model
from impasto.picture.provenance import read_settings
from impasto.styles import Gallery


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMPASTO_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)).save("sea.png")


def impasto(*arguments: str, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(cli, arguments, input=stdin)


def fails(result: Result, message: str, status: int = 1) -> None:
    assert result.exit_code == status
    assert message in result.stderr
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1


# impasto


def test_the_version_is_told() -> None:
    result = impasto("--version")
    assert result.exit_code == 0
    assert result.stdout.startswith("impasto ")


def test_help_lists_every_command() -> None:
    text = impasto("--help").stdout
    names = ("stylize", "styles", "models", "show", "plot", "doctor", "bench", "evaluate", "train")
    assert all(f"  {name} " in text for name in names)
    assert "impasto stylize" in text


def test_an_unknown_command_is_wrong_usage() -> None:
    result = impasto("paint")
    assert result.exit_code == 2
    assert "No such command 'paint'" in result.stderr


@pytest.mark.parametrize("problem", [MemoryError(), OSError(28, "No space left"), RuntimeError("two\nlines")])
def test_what_nobody_foresaw_is_one_line(monkeypatch: pytest.MonkeyPatch, problem: Exception) -> None:
    def failing(_: Gallery) -> None:
        raise problem

    monkeypatch.setattr(Gallery, "__init__", failing)
    fails(impasto("styles"), "it failed: ")


# styles


@pytest.mark.slow
def test_a_style_is_added_listed_shown_given_away_and_removed() -> None:
    added = impasto("styles", "add", "my-sea", "sea.png", "--title", "Sea", "--artist", "Nobody", "--date", "1900")
    assert added.exit_code == 0, added.stderr
    assert "impasto stylize PHOTO --style my-sea" in added.stderr

    line = next(row for row in impasto("styles").stdout.splitlines() if row.startswith("my-sea\t"))
    name, title, artist, date, palette = line.split("\t")
    assert (name, title, artist, date) == ("my-sea", "Sea", "Nobody", "1900")
    assert palette.startswith("#")

    listed = {card["name"]: card for card in json.loads(impasto("styles", "--json").stdout)}
    shown = json.loads(impasto("styles", "show", "my-sea", "--json").stdout)
    assert shown == listed["my-sea"]
    assert (shown["shipped"], shown["palette"]) == (False, palette.split())
    assert "Nobody" in impasto("styles", "show", "my-sea").stdout

    fails(impasto("styles", "add", "my-sea", "sea.png"), "my-sea")
    assert impasto("styles", "add", "my-sea", "sea.png", "--overwrite").exit_code == 0

    assert impasto("styles", "export", "my-sea").stdout == "my-sea.style\n"
    fails(impasto("styles", "export", "my-sea"), "my-sea.style")
    piped = impasto("styles", "export", "my-sea", "-o", "-")
    assert piped.stdout_bytes == Path("my-sea.style").read_bytes()

    assert impasto("styles", "remove", "my-sea").exit_code == 0
    fails(impasto("styles", "show", "my-sea"), "my-sea")
    assert impasto("styles", "import", "my-sea.style").exit_code == 0
    fails(impasto("styles", "import", "my-sea.style"), "my-sea")
    assert impasto("styles", "import", "-", "--overwrite", stdin=piped.stdout_bytes).exit_code == 0
    assert "my-sea" in Gallery()


def test_a_style_is_shown_by_what_else_it_is_called() -> None:
    text = impasto("styles", "show", "Noite Estrelada").stdout
    for fact in (
        "starry-night",
        "Museum of Modern Art, New York",
        "Post-Impressionism",
        "Painted in June 1889",
        "星夜",
    ):
        assert fact in text
    listed = json.loads(impasto("styles", "--json").stdout)
    assert listed[0] == json.loads(impasto("styles", "show", "星夜", "--json").stdout)
    assert impasto("styles", "export", "星夜").stdout == "starry-night.style\n"
    fails(impasto("styles", "show", "noite estrlada"), "did you mean starry-night")
    assert impasto("stylize", "sea.png", "--style", "Noite Estrelada").exit_code == 0
    assert Path("sea.starry-night.png").is_file()


def test_a_card_can_be_taken_in_under_another_name() -> None:
    assert impasto("styles", "export", "the-wave").exit_code == 0
    taken = impasto("styles", "import", "the-wave.style", "--name", "your-sea")
    assert taken.exit_code == 0, taken.stderr
    assert "--style your-sea" in taken.stderr
    fails(impasto("styles", "import", "the-wave.style", "--name", "Your Sea"), "'Your Sea' is not a style name")
    fails(impasto("styles", "import", "-", stdin=b"{" * (2**20 + 1)), "more than 1048576 bytes")


def test_a_name_that_cannot_be_is_told_before_any_work(monkeypatch: pytest.MonkeyPatch) -> None:
    assert impasto("styles", "export", "the-wave").exit_code == 0
    assert impasto("styles", "import", "the-wave.style", "--name", "my-sea").exit_code == 0
    monkeypatch.setattr("impasto.stylizer.Stylizer.card", None)
    fails(impasto("styles", "add", "my-sea", "sea.png"), "you have a style my-sea already")
    fails(impasto("styles", "add", "My Sea", "sea.png"), "'My Sea' is not a style name")


def test_a_broken_card_is_told_and_the_others_are_listed() -> None:
    Gallery().folder.mkdir(parents=True)
    (Gallery().folder / "broken.style").write_text("{}")
    result = impasto("styles")
    assert result.exit_code == 0
    assert "warning: " in result.stderr
    assert "broken" in result.stderr


def test_an_unknown_style_is_one_line() -> None:
    for command in ("show", "remove", "export"):
        fails(impasto("styles", command, "nobody"), "nobody")


# show


def test_the_settings_of_a_pastiche_are_shown() -> None:
    made = impasto("stylize", "sea.png", "-s", "sea.png", "-o", "out.png", "--strength", "0.5", "--size", "32")
    assert made.exit_code == 0, made.stderr
    shown = impasto("show", "out.png")
    rows = dict(line.split(maxsplit=1) for line in shown.stdout.splitlines())
    assert rows["strength"] == "0.5"
    assert rows["style"] == "sea"
    assert json.loads(impasto("show", "out.png", "--json").stdout) == read_settings("out.png")
    assert impasto("show", "-", stdin=Path("out.png").read_bytes()).stdout == shown.stdout


def test_settings_that_hold_others_are_shown_in_one_row() -> None:
    texts = PngInfo()
    regions = {"sky": "monet", "land": {"sea": 0.75, "hill": 0.25}}
    texts.add_itxt("impasto", json.dumps({"regions": regions, "sizes": [[1, 2], [3, 4]], "guide": True}))
    Image.new("RGB", (4, 4)).save("made.png", pnginfo=texts)
    assert impasto("show", "made.png").stdout.splitlines() == [
        "regions  sky: monet, land: (sea: 0.75, hill: 0.25)",
        "sizes    (1, 2), (3, 4)",
        "guide    true",
    ]


def test_what_would_act_on_a_terminal_is_escaped() -> None:
    texts = PngInfo()
    texts.add_itxt("impasto", json.dumps({"a\x1b[2J": "\x1b]0;pwned\x07", "b": ["\ud800", "Größe\n"]}))
    Image.new("RGB", (4, 4)).save("bad.png", pnginfo=texts)
    shown = impasto("show", "bad.png")
    assert shown.stdout.splitlines() == [r"a\x1b[2J  \x1b]0;pwned\x07", r"b         \ud800, Größe\n"]


def test_a_picture_without_settings_is_told() -> None:
    fails(impasto("show", "sea.png"), "sea.png holds no settings")
    plain = impasto("show", "sea.png", "--json")
    assert (plain.exit_code, json.loads(plain.stdout)) == (1, None)


def test_what_is_no_picture_is_told() -> None:
    fails(impasto("show", "gone.png"), "gone.png")


# doctor


def test_doctor_finds_this_machine_well() -> None:
    result = impasto("doctor", "--json")
    report = json.loads(result.stdout)
    assert (result.exit_code, report["ok"]) == (0, True)
    assert report["machine"]["cores"] >= 1
    assert report["runtime"]["precision"] in ("bf16", "f32")
    assert "instant@2" in [model["model"] for model in report["models"]]
    assert {extra["name"]: extra["install"] for extra in report["extras"]}["heif"] == "pip install 'impasto[heif]'"


def test_doctor_names_what_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    def altered(_: Model) -> None:
        raise ModelError("transfer.onnx of instant@2 is missing; reinstall impasto")

    monkeypatch.setattr(Model, "verify", altered)
    result = impasto("doctor")
    assert result.exit_code == 1
    assert "x model      transfer.onnx of instant@2 is missing; reinstall impasto" in result.stdout
    assert "Something Impasto needs is broken" in result.stdout


def test_doctor_prints_the_line_that_installs_an_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("impasto.cli.installed_packages.version", lambda _: None)
    assert "pip install 'impasto[train]'" in impasto("doctor").stdout


def test_doctor_survives_a_runtime_that_cannot_be_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    monkeypatch.delitem(sys.modules, "impasto.inference.openvino", raising=False)
    report = doctor_module.check_installation()
    assert not report["ok"]
    assert "openvino" in report["runtime"]["error"]


# bench


def test_bench_draws_figures_and_gives_json(monkeypatch: pytest.MonkeyPatch) -> None:
    from impasto import bench
    from impasto.bench import Figure

    asked = []

    def run(**given: Any) -> list[Figure]:
        asked.append(given)
        return [
            Figure("photo 512 x 512", 18.26, "ms", 2.0, "f32"),
            Figure("photo 4096 x 4096", 4210.0),
            Figure("LiteRT", None, note="pip install 'impasto[bench]'"),
        ]

    monkeypatch.setattr(bench, "run", run)
    text = impasto("bench", "--rounds", "3").stdout
    assert all(part in text for part in ("18.26 ms", "2.00 of f32", "4.21 s", "pip install 'impasto[bench]'"))
    assert all(len(line) <= 80 for line in text.splitlines())
    figures = json.loads(impasto("bench", "--json").stdout)
    expected = {"name": "photo 512 x 512", "value": 18.26, "unit": "ms", "ratio": 2.0, "against": "f32", "note": ""}
    assert figures[0] == expected
    plain = {"magenta": None, "network": None, "with_large": False}
    assert asked == [{**plain, "rounds": 3}, plain]


# train


def test_train_takes_its_options_from_the_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    instant = pytest.importorskip("impasto.training.instant")
    plans: list[Any] = []

    def train(plan: Any) -> Iterator[Any]:
        plans.append(plan)
        yield instant.Step(1, 0.5, 1.0, {"loss": 3.25, "style": 1.0})

    monkeypatch.setattr(instant, "train", train)
    for name in ("photos", "styles"):
        Path(name).mkdir()
    folders = ("--photos", "photos", "--styles", "styles", "--encoder", "sea.png", "--run", "run")
    result = impasto("train", "instant", *folders, "--sizes", "64, 96", "--minutes", "1", "--style-weight", "5")
    assert result.exit_code == 0, result.stderr
    expected = instant.Plan(
        *(Path(name) for name in ("photos", "styles", "run", "sea.png")), minutes=1.0, sizes=(64, 96), style_weight=5.0
    )
    assert plans == [expected]
    assert "step 1, 0.5 of 1 minutes: loss 3.250  style 1.000" in result.stderr
    assert "impasto train export --run run" in result.stderr


def test_train_pocket_learns_from_vgg19_on_what_a_network_painted(monkeypatch: pytest.MonkeyPatch) -> None:
    pocket = pytest.importorskip("impasto.training.pocket")
    plans: list[Any] = []

    def distil(plan: Any) -> Iterator[Any]:
        plans.append(plan)
        yield pocket.Step(1, 0.5, 1.0, {"loss": 3.25, "activations": 1.0})

    monkeypatch.setattr(pocket, "distil", distil)
    folders = ("--photos", ".", "--styles", ".", "--vgg19", "sea.png", "--painter", ".", "--run", "run")
    result = impasto("train", "pocket", *folders, "--size", "64")
    assert result.exit_code == 0, result.stderr
    here = Path(".")
    assert plans == [pocket.PocketPlan(here, here, Path("sea.png"), painter=here, run=Path("run"), size=64)]
    assert "loss 3.250  activations 1.000" in result.stderr
    assert "Missing option '--vgg19'" in impasto("train", "pocket", *folders[:4], "--run", "run").stderr


def test_train_without_torch_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("impasto.training.instant", "impasto.training.export"):
        monkeypatch.setitem(sys.modules, module, None)
    Path("run").mkdir()
    Path("run/checkpoint.pt").touch()
    fails(impasto("train", "instant", "--photos", "."), "pip install 'impasto[train]'")
    fails(impasto("train", "export", "--run", "run", "--out", "out"), "pip install 'impasto[train]'")
    assert impasto("train", "--help").exit_code == 0


def test_export_hands_over_run_and_out(monkeypatch: pytest.MonkeyPatch) -> None:
    export = pytest.importorskip("impasto.training.export")
    calls: list[tuple[Path, Path]] = []
    monkeypatch.setattr(export, "export", lambda run, out: calls.append((run, out)))
    Path("run").mkdir()
    assert "holds no checkpoint.pt" in impasto("train", "export", "--run", "run", "--out", "out").stderr
    Path("run/checkpoint.pt").touch()
    assert impasto("train", "export", "--run", "run", "--out", "out").stdout == "out\n"
    assert calls == [(Path("run"), Path("out"))]


@pytest.mark.parametrize("text", ["", "128,", "12", "128;192", "a"])
def test_sizes_are_whole_numbers_with_commas(text: str) -> None:
    with pytest.raises(click.BadParameter, match="is not a list of sizes"):
        Sizes().convert(text, None, None)
