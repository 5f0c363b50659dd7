"""Plans of trainings: numbers that no training could use are refused at every door, before anything is done."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from click.testing import CliRunner, Result
from pictures import noise
from PIL import Image

from impasto.cli.main import cli
from impasto.errors import RequestError
from impasto.jobs.training_order import Training
from impasto.training.base import BasePlan
from impasto.training.instant import Plan
from impasto.training.per_style import StylePlan
from impasto.training.plan_limits import BOUNDS, SIDES
from impasto.training.pocket import PocketPlan
from impasto.training.recipe import Recipe

HERE = Path()
PLANS: dict[type, Callable[..., Any]] = {
    Plan: lambda **fields: Plan(HERE, HERE, HERE, **fields),
    BasePlan: lambda **fields: BasePlan(HERE, HERE, HERE, **fields),
    PocketPlan: lambda **fields: PocketPlan(HERE, HERE, HERE, HERE, HERE, **fields),
    StylePlan: lambda **fields: StylePlan((HERE,), HERE, HERE, **fields),
    Recipe: lambda **fields: Recipe(HERE, HERE, HERE, HERE, **fields),
}
NUMBERS = [
    (plan, field.name)
    for plan in PLANS
    for field in dataclasses.fields(plan)
    if get_type_hints(plan)[field.name] in (int, float, tuple[int, ...])
]


@pytest.mark.parametrize(("plan", "name"), NUMBERS, ids=[f"{plan.__name__}-{name}" for plan, name in NUMBERS])
def test_every_number_of_every_plan_has_bounds(plan: type, name: str) -> None:
    assert name in BOUNDS or name in SIDES
    wrong: list[Any] = [math.nan, math.inf, -1, 10**400, "5", None, True]
    for value in [*((one,) for one in wrong), ()] if name.endswith("sizes") else wrong:
        with pytest.raises(RequestError, match=rf"^{name} is "):
            PLANS[plan](**{name: value})


def test_what_is_right_is_taken() -> None:
    for plan in PLANS.values():
        assert plan(minutes=0.001).minutes == 0.001
        with pytest.raises(RequestError, match=r"minutes is 0; give a number from 0\.001 to"):
            plan(minutes=0)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"sizes": (100,)}, "sizes is 100; give a multiple of 16, such as 112"),
        ({"sizes": (16,)}, "sizes is 16; give a number from 32 to 2048 pixels"),
        ({"sizes": "128"}, "sizes is '128'; give at least one side"),
        ({"pictures": 0}, "pictures is 0"),
        ({"pictures": 1.5}, "pictures is 1.5; give a whole number"),
        ({"learning_rate": 0}, "learning_rate is 0"),
        ({"drawing": 0}, "drawing is 0"),
        ({"style_scale": 0}, "style_scale is 0"),
        ({"seed": -1}, "seed is -1"),
    ],
)
def test_bounds_are_told(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(RequestError, match=message):
        PLANS[StylePlan](**fields)


def test_a_style_of_no_painting_is_none() -> None:
    with pytest.raises(RequestError, match="paintings is empty"):
        StylePlan((), HERE, HERE)


@pytest.mark.parametrize("minutes", [0, -1, math.nan, math.inf, 10**400])
def test_a_job_has_bounds_as_well(minutes: float) -> None:
    with pytest.raises(RequestError, match=r"^minutes is "):
        Training("mine", minutes)


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, with a painting and a folder of one photograph."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("IMPASTO_HOME", str(tmp_path / "home"))
    Path("photos").mkdir()
    for name in ("sea.png", "photos/a.png"):
        Image.fromarray(noise(40, 32)).save(name)
    return tmp_path


def train(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["train", *arguments])


def fails(result: Result, message: str, status: int) -> None:
    assert isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code == status
    assert message in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("name", ["minutes", "learning-rate", "style-scale", "drawing", "save-every", "gram-weight"])
@pytest.mark.parametrize("value", ["nan", "-1", "inf", "0,5", "many", "1" * 400])
def test_the_command_refuses_what_is_no_number_of_a_plan(desk: Path, name: str, value: str) -> None:
    result = train("style", "sea.png", "--photos", "photos", f"--{name}={value}")
    fails(result, f"{name.replace('-', '_')} is ", 2)
    assert ("with a point before its decimals" in result.stderr) == (value == "0,5")
    assert not Path("home").exists()


@pytest.mark.parametrize(
    ("arguments", "message", "status"),
    [
        (["--minutes", "0"], "minutes is 0", 2),
        (["--sizes", "100"], "sizes is 100; give a multiple of 16", 2),
        (["--pictures", "0"], "pictures is 0", 2),
        (["--deep", "-4"], "deep is -4", 2),
        (["--deep", "16", "--sizes", "48"], "sizes is 48; give a multiple of 32", 2),
        (["--run", "sea.png"], "is a file", 2),
        (["--encoder", "nobodys"], "nobodys", 1),
        (["--start", "photos"], "photos", 1),
    ],
)
def test_whatever_is_wrong_is_said_and_nothing_installed(
    desk: Path, arguments: list[str], message: str, status: int
) -> None:
    fails(train("style", "sea.png", "--photos", "photos", *arguments), message, status)
    assert not list(Path("home").rglob("manifest.json"))


def test_a_run_that_is_no_run_of_that_kind_is_one_line(desk: Path) -> None:
    Path("run").mkdir()
    Path("run/checkpoint.pt").write_bytes(b"torn")
    result = train("style", "sea.png", "--photos", "photos", "--run", "run")
    fails(result, "checkpoint.pt", 1)
    assert result.stderr.splitlines()[-1].startswith("error: ")


def test_photographs_that_are_none_are_told_by_every_training(desk: Path) -> None:
    Path("empty").mkdir()
    folders = ["--styles", "photos", "--run", "run"]
    fails(train("instant", "--photos", "empty", *folders), "empty holds no picture", 2)
    fails(train("instant", "--photos", "sea.png", *folders), "sea.png cannot be read", 2)
    fails(train("style", "sea.png", "--photos", "empty"), "empty holds no picture", 2)


@pytest.mark.parametrize("problem", [ValueError("two\nlines"), KeyError("target"), TypeError(), ZeroDivisionError("0")])
def test_whatever_goes_wrong_is_one_line(desk: Path, monkeypatch: pytest.MonkeyPatch, problem: Exception) -> None:
    def failing(_: object) -> Any:
        raise problem
        yield

    monkeypatch.setattr("impasto.training.per_style.train_style", failing)
    result = train("style", "sea.png", "--photos", "photos", "--minutes", "1")
    fails(result, f"it failed: {type(problem).__name__}", 1)
    assert result.stderr.splitlines()[-1].startswith("error: it failed: ")
