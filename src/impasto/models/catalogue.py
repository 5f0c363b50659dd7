"""Which models there are."""

from __future__ import annotations

from pathlib import Path

from impasto.errors import ModelError
from impasto.models.model import Model
from impasto.models.published import PUBLISHED
from impasto.models.store import Store, shipped

__all__ = ["find", "models"]


def models() -> list[Model]:
    """Every model that comes with the package, then the user's own, each by name and version."""
    return [*shipped(), *Store().models()]


def find(model: str | Path, *, kind: str | None = None) -> Model:
    """The model called ``name`` (its newest version) or ``name@version``, or the one in a folder.

    A text that is no model's name is a folder's. Raises :class:`ModelError` where there is no such
    model, and where it is not of the ``kind`` asked for.
    """
    found = Model.read(model) if isinstance(model, Path) else _called(model)
    if kind is not None and found.kind != kind:
        raise ModelError(f"{found.identity} is a model of kind {found.kind}; give one of kind {kind}{_named(kind)}")
    return found


def _called(text: str) -> Model:
    name, _, version = text.partition("@")
    every = [m for m in models() if m.name == name]
    wanted = [m for m in every if version in ("", m.version)]
    if wanted and not text.endswith("@"):
        return max(wanted, key=lambda m: [int(part) for part in m.version.split(".")])
    if Path(text, "manifest.json").is_file():
        return Model.read(Path(text))
    if every:
        raise ModelError(f"there is no model {text!r}; of {name} there is {', '.join(m.identity for m in every)}")
    if name in PUBLISHED:
        raise ModelError(
            f"there is no model {text!r} here; get it with: impasto models pull {name} "
            f"(or on a machine without internet: impasto models add {name} FILE)"
        )
    known = ", ".join(sorted({m.name for m in models()})) or "none"
    raise ModelError(f"there is no model {text!r}; the models here are: {known} (or give a folder with manifest.json)")


def _named(kind: str) -> str:
    names = sorted({m.name for m in models() if m.kind == kind})
    return f", such as {' or '.join(names)}" if names else ""
