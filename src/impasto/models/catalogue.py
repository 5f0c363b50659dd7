"""Which models there are."""

from __future__ import annotations

from pathlib import Path

from impasto.errors import ModelError
from impasto.models.model import Model

__all__ = ["find", "models"]

_SHIPPED = Path(__file__).parent / "shipped"


def models() -> list[Model]:
    """Every model that ships with the package, by name and version."""
    return [Model.read(manifest.parent) for manifest in sorted(_SHIPPED.glob("*/manifest.json"))]


def find(name: str) -> Model:
    """The newest version of a model. Raises :class:`ModelError` where there is none of that name."""
    every = models()
    found = [m for m in every if m.name == name]
    if not found:
        known = ", ".join(sorted({m.name for m in every})) or "none"
        raise ModelError(f"there is no model {name!r}; the models here are: {known}")
    return max(found, key=lambda m: [int(part) for part in m.version.split(".")])
