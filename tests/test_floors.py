"""The house: no room imports from a floor above, torch stays in its rooms, and the core is quiet."""

from __future__ import annotations

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

import impasto

HERE = Path(__file__).parent
ROOT = Path(impasto.__file__).parent
FLOORS = {
    "errors": 0,
    "folders": 0,
    "request": 0,
    "color": 0,
    "picture": 0,
    "runtime": 1,
    "models": 2,
    "styles": 2,
    "traces": 2,
    "perceptual": 2,
    "engines": 3,
    "training": 3,
    "metrics": 3,
    "stylizer": 4,
    "jobs": 4,
    "client": 4,
    "server": 5,
    "web": 5,
    "bench": 4,
    "evaluation": 4,
    "cli": 5,
}
TORCH_ROOMS = {"perceptual", "training"}
RUNTIME_ROOMS = {"runtime", "bench"}
FILES = sorted(f for f in ROOT.rglob("*.py") if f != ROOT / "__init__.py")


def room_of(file: Path) -> str:
    return file.relative_to(ROOT).parts[0].removesuffix(".py")


@cache
def imports(file: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{file} imports relatively"
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
    return found


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(ROOT)))
def test_no_room_imports_from_a_floor_above(file: Path) -> None:
    own = FLOORS[room_of(file)]
    for name in imports(file):
        if name.startswith("impasto."):
            other = name.split(".")[1]
            if other in FLOORS:
                assert FLOORS[other] <= own, f"{file.name} (floor {own}) imports {name} (floor {FLOORS[other]})"


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(ROOT)))
def test_torch_stays_in_its_rooms_and_files_stay_small(file: Path) -> None:
    if room_of(file) not in TORCH_ROOMS and file.relative_to(ROOT) != Path("engines/iterative.py"):
        assert not any(name.split(".")[0] == "torch" for name in imports(file))
    if room_of(file) not in RUNTIME_ROOMS:
        assert not any(name.split(".")[0] in ("openvino", "onnxruntime") for name in imports(file))
    assert len(file.read_text("utf-8").splitlines()) < 400
    assert file.stem not in ("utils", "common", "misc", "helpers")


def test_what_reports_to_its_makers_is_imported_without_that() -> None:
    """In tests, scripts and examples, too."""
    ours = [
        *FILES,
        *(file for place in ("tests", "scripts", "examples") for file in (HERE.parent / place).rglob("*.py")),
    ]
    makers = {"openvino", "onnxruntime"}
    named = [file for file in ours if any(maker in file.read_text("utf-8") for maker in makers)]
    reporting = {file for file in named if {name.split(".")[0] for name in when_run(file)} & makers}
    assert reporting == {ROOT / "runtime" / "openvino.py", ROOT / "runtime" / "graph.py"}


def when_run(file: Path) -> set[str]:
    """What it imports beside what only types need."""
    tree = ast.parse(file.read_text("utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = [ast.Pass()]
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


def test_every_room_has_a_floor() -> None:
    rooms = {p.name.removesuffix(".py") for p in ROOT.iterdir() if p.suffix == ".py" or (p / "__init__.py").exists()}
    assert rooms - {"__init__"} == set(FLOORS)


def test_stylizing_never_imports_torch_and_importing_impasto_imports_nothing_heavy() -> None:
    script = """
import sys, impasto
heavy = {"numpy", "PIL", "openvino", "torch", "rich"} & set(sys.modules)
assert not heavy, heavy
import numpy
impasto.stylize(numpy.zeros((16, 16, 3), "uint8"), "starry-night")
assert "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", script], check=True)
