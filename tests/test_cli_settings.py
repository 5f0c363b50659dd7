"""The settings of a request as options of a command."""

from __future__ import annotations

from typing import Any

import click
import pytest
from click.testing import CliRunner

from impasto.cli.options.grouped_help import GroupedCommand
from impasto.cli.options.request_options import settings
from impasto.request import options

DEFAULTS: dict[str, Any] = {option.name: option.default for option in options()}


@click.command(cls=GroupedCommand)
@settings
def echo(settings: dict[str, Any]) -> None:
    click.echo(repr(settings))


def ask(*arguments: str) -> Any:
    result = CliRunner().invoke(echo, arguments)
    assert result.exit_code == 0, result.output
    return eval(result.output)


def test_settings_default_to_those_of_the_request() -> None:
    assert ask() == DEFAULTS


def test_every_setting_can_be_given() -> None:
    asked = ask(
        *(
            "--engine",
            "instant",
            "--model",
            "instant@2",
            "--strength",
            "0.5",
            "--boldness",
            "0.7",
            "--size",
            "512",
            "--resize",
            "100",
            "--style-scale",
            "2",
        ),
        *(
            "--keep-colors",
            "--skin",
            "free",
            "--seed",
            "7",
            "--precision",
            "f32",
            "--deterministic",
            "--format",
            "webp",
            "--quality",
            "80",
        ),
        *("--bits", "8", "--keep-metadata", "--max-pixels", "100M"),
    )
    iterative = {option.name: option.default for option in options() if option.group}
    assert asked == {
        "engine": "instant",
        "model": "instant@2",
        "strength": 0.5,
        "boldness": 0.7,
        "size": 512,
        "resize": 100,
        "style_scale": 2.0,
        "colors": "keep",
        "skin": "free",
        "seed": 7,
        "precision": "f32",
        "deterministic": True,
        "format": "webp",
        "quality": 80,
        "bits": 8,
        "keep_metadata": True,
        "max_pixels": 100_000_000,
        **iterative,
    }


def test_every_setting_of_the_engine_iterative_can_be_given() -> None:
    wanted: dict[str, Any] = {}
    for option in options():
        if option.group and option.name != "preview_every":
            wanted[option.name] = option.choices[-1] if option.choices else _OTHERS[option.type](option)
    flags = [part for name, value in wanted.items() for part in (f"--{name.replace('_', '-')}", str(value))]
    assert ask(*flags) == {**DEFAULTS, **wanted, "engine": "iterative"}


_OTHERS: dict[type, Any] = {int: lambda o: int(o.maximum), float: lambda o: float(o.maximum), str: lambda _: "gram:2"}


@pytest.mark.parametrize(
    ("arguments", "engine"),
    [
        ([], "instant"),
        (["--steps", "40"], "iterative"),
        (["--steps", "3", "--engine", "iterative"], "iterative"),
        (["--size", "64"], "instant"),
    ],
)
def test_an_option_of_an_engine_selects_it(arguments: list[str], engine: str) -> None:
    assert ask(*arguments)["engine"] == engine


def test_an_option_of_another_engine_is_told() -> None:
    result = CliRunner().invoke(echo, ["--engine", "instant", "--style-loss", "gram"])
    assert result.exit_code == 2
    assert "--style-loss is for the engine iterative, but --engine is instant; leave one of them out" in result.output


def test_a_preset_gives_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    found = {"old": {"steps": 500, "style_loss": {"gram": 2}, "colors": "keep"}, "none": {}}
    monkeypatch.setattr("impasto.cli.options.request_options.PRESETS", found)

    @click.command(cls=GroupedCommand)
    @settings
    def preset(settings: dict[str, Any]) -> None:
        click.echo(repr({name: value for name, value in settings.items() if value != DEFAULTS[name]}))

    def chosen(*arguments: str) -> Any:
        result = CliRunner().invoke(preset, arguments)
        return eval(result.output) if result.exit_code == 0 else result.output

    assert chosen("--preset", "old") == {"engine": "iterative", **found["old"]}
    assert chosen("--preset", "none") == {"engine": "iterative"}
    usual = ("--steps", str(DEFAULTS["steps"]), "--quality", "80")
    own = chosen("--preset", "old", *usual, "--style-loss", "moments", "--match-colors")
    assert own == {"engine": "iterative", "style_loss": "moments", "colors": "match", "quality": 80}
    assert "--preset is for the engine iterative" in chosen("--preset", "old", "--engine", "instant")
    assert "'new' is not one of 'old', 'none'" in chosen("--preset", "new")


@pytest.mark.parametrize(("text", "count"), [("1.5M", 1_500_000), ("64k", 64_000), ("2MP", 2_000_000), ("50", 50)])
def test_pixels_can_be_counted_in_millions(text: str, count: int) -> None:
    assert ask("--max-pixels", text)["max_pixels"] == count


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--strength", "3"], "strength is 3.0; give a number from 0 to 1"),
        (["--strength", "nan"], "strength is nan; give a number from 0 to 1"),
        (["--size", "big"], "size is 'big'; give a whole number"),
        (["--size", "2"], "size is 2; give a number from 16 to 32768 pixels"),
        (["--max-pixels", "many"], "max_pixels is 'many'; give a whole number"),
        (["--format", "gif"], "'gif' is not one of"),
        (["--keep-colors", "--match-colors"], "--keep-colors and --match-colors contradict each other"),
    ],
)
def test_wrong_settings_are_named(arguments: list[str], message: str) -> None:
    result = CliRunner().invoke(echo, arguments)
    assert result.exit_code == 2
    assert message in result.output


def test_help_tells_every_range_and_default() -> None:
    text = " ".join(CliRunner().invoke(echo, ["--help"]).output.split())
    for option in options():
        if option.name not in ("colors", "preview_every"):
            assert f"--{option.name.replace('_', '-')}" in text
            assert " ".join(option.help.split()) in text
    assert "[1 to 100; default 92]" in text
    assert "[default 50M]" in text
    assert "[0 to 1M]" in text
    general, iterative = text.split("Options of the engine iterative:")
    assert all(
        (f"--{option.name.replace('_', '-')} " in iterative) == bool(option.group)
        for option in options()
        if option.name not in ("colors", "preview_every")
    )
    assert "--quality" in general
