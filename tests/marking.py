"""Marks that follow from what a file of tests imports, itself or by the helpers beside it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

__all__ = ["marks"]

_HERE = Path(__file__).parent
_PROCESSES = ("serving", "impasto.jobs.pool", "impasto.jobs.service")
"""What starts servers and workers: seconds pass before one has painted."""
_TORCH = ("torch", "impasto.perceptual", "impasto.training", "impasto.engines.iterative")


def marks(item: pytest.Item) -> Iterator[str]:
    """The names of those that a test has beside its own."""
    imported = _imported(item.path)
    if "browser" in getattr(item, "fixturenames", ()):
        yield "browser"
    if _within(imported, _PROCESSES):
        yield "slow"
    if _within(imported, _TORCH):
        yield "torch"


def _within(imported: frozenset[str], rooms: tuple[str, ...]) -> bool:
    return any(name == room or name.startswith(f"{room}.") for name in imported for room in rooms)


@cache
def _imported(file: Path) -> frozenset[str]:
    """The modules that a file imports anywhere, and those of the helpers among them."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    helpers = [_HERE / f"{name}.py" for name in found if name != file.stem and (_HERE / f"{name}.py").is_file()]
    return frozenset(found.union(*map(_imported, helpers)))
