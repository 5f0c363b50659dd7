"""The house: no room imports from a floor above or in a circle, torch stays in its rooms, and the core is quiet."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import pytest

import impasto

HERE = Path(__file__).parent
ROOT = Path(impasto.__file__).parent
FLOORS = {
    "errors": 0,
    "lazy_exports": 0,
    "logs": 0,
    "user_folders": 0,
    "plugins": 0,
    "request": 0,
    "color": 0,
    "picture": 0,
    "inference": 1,
    "plots": 1,
    "models": 2,
    "styles": 2,
    "encoders": 2,
    "losses": 2,
    "instant": 3,
    "iterative": 3,
    "training": 3,
    "stylizer": 4,
    "evaluation": 4,
    "bench": 4,
    "jobs": 4,
    "client": 4,
    "server": 5,
    "web": 5,
    "cli": 5,
}
MOST_FILES = 16
MOST_LINES = 400
TORCH_ROOMS = {"encoders", "losses", "iterative", "training"}
TORCH_FILES = {
    Path("bench/encoder_cost.py"),
    Path("evaluation/metrics/encoder_agreement.py"),
    Path("evaluation/metrics/multiscale_statistics.py"),
    Path("evaluation/metrics/scorer.py"),
}
RUNTIME_ROOMS = {"inference", "bench"}
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


@cache
def modules() -> dict[str, Path]:
    """Every file by its dotted name, without ``impasto.``; a folder is known by its ``__init__``."""
    return {".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): file for file in FILES}


def imported_modules(file: Path) -> set[str]:
    """The modules of ours that a file imports anywhere, for types alone as well."""
    found = set()
    for name in imports(file):
        inner = name.removeprefix("impasto.")
        if inner != name and inner in modules():
            found.add(inner)
    # Of what is imported from a folder's module, that module counts and not the folder's own.
    return {name for name in found if not any(other.startswith(f"{name}.") for other in found)}


def circles(graph: Mapping[str, set[str]]) -> set[frozenset[str]]:
    """Those that reach each other, as large as they are."""

    def reached(start: str) -> set[str]:
        seen: set[str] = set()
        ahead = [start]
        while ahead:
            for name in graph.get(ahead.pop(), set()) - seen:
                seen.add(name)
                ahead.append(name)
        return seen

    reach = {name: reached(name) for name in graph}
    return {
        frozenset(other for other in reach[name] if name in reach.get(other, ()))
        for name in graph
        if name in reach[name]
    }


def test_circles_are_seen() -> None:
    graph = {"a": {"b"}, "b": {"c"}, "c": {"b", "d"}, "d": {"e"}, "e": set[str]()}
    assert circles(graph) == {frozenset("bc")}
    assert circles(graph | {"e": {"a"}}) == {frozenset("abcde")}
    assert not circles(graph | {"c": {"d"}})


def test_rooms_stand_in_no_circle() -> None:
    graph: dict[str, set[str]] = {room: set() for room in FLOORS}
    for file in FILES:
        graph[room_of(file)] |= {name.split(".")[0] for name in imported_modules(file)} - {room_of(file)}
    assert circles(graph) == set()


def test_no_modules_import_each_other() -> None:
    assert not circles({name: imported_modules(file) - {name} for name, file in modules().items()})


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
    if room_of(file) not in TORCH_ROOMS and file.relative_to(ROOT) not in TORCH_FILES:
        assert not any(name.split(".")[0] == "torch" for name in imports(file))
    if room_of(file) not in RUNTIME_ROOMS:
        assert not any(name.split(".")[0] in ("openvino", "onnxruntime") for name in imports(file))
    assert len(file.read_text("utf-8").splitlines()) < MOST_LINES
    assert file.stem not in ("utils", "common", "misc", "helpers")


def test_no_folder_holds_more_files_than_can_be_read_at_a_glance() -> None:
    held = Counter(file.parent.relative_to(ROOT) for file in FILES if file.name != "__init__.py")
    assert {str(folder): number for folder, number in held.items() if number > MOST_FILES} == {}


def test_every_folder_says_what_it_holds() -> None:
    for init in ROOT.rglob("__init__.py"):
        assert ast.get_docstring(ast.parse(init.read_text("utf-8"))), init.relative_to(ROOT)


def test_what_reports_to_its_makers_is_imported_without_that() -> None:
    """In tests, scripts, examples and benchmarks, too."""
    ours = [
        *FILES,
        *(
            file
            for place in ("tests", "scripts", "examples", "benchmarks")
            for file in (HERE.parent / place).rglob("*.py")
        ),
    ]
    makers = {"openvino", "onnxruntime"}
    named = [file for file in ours if any(maker in file.read_text("utf-8") for maker in makers)]
    reporting = {file for file in named if {name.split(".")[0] for name in when_run(file)} & makers}
    assert reporting == {ROOT / "inference" / "openvino.py", ROOT / "inference" / "graph.py"}


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
