"""Marks that follow from what a file of tests imports, itself or by the helpers beside it."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

__all__ = ["marks", "marks_of"]

_HERE = Path(__file__).parent
_ROOMS = {
    # Seconds pass before a server or a worker has painted.
    "slow": ("serving", "impasto.jobs.workers.pool", "impasto.jobs.service"),
    # As far as they need it: sizes of pictures, and names of layers, are known without.
    "torch": (
        "torch",
        "impasto.bench.encoder_cost",
        "impasto.encoders",
        "impasto.evaluation.metrics.encoder_agreement",
        "impasto.evaluation.metrics.multiscale_statistics",
        "impasto.evaluation.metrics.scorer",
        "impasto.losses",
        *(
            f"impasto.iterative.{module}"
            for module in (
                "engine",
                "targets",
                "objective_builder",
                "memory",
                "optimisers",
                "checkpoint",
                "regions",
                "spectrum",
            )
        ),
        "impasto.training",
    ),
}


def marks(item: pytest.Item) -> set[str]:
    """The names of those that a test has beside its own."""
    return marks_of(item.path) | ({"browser"} & set(getattr(item, "fixturenames", ())))


def marks_of(file: Path) -> set[str]:
    """The names of those that every test in a file has. The file is read, not imported."""
    imported = _imported(file)
    return {
        mark
        for mark, rooms in _ROOMS.items()
        if any(name == room or name.startswith(f"{room}.") for name in imported for room in rooms)
    }


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
