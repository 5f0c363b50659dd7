"""Which models there are, and which of them a name means."""

from __future__ import annotations

from pathlib import Path

from impasto.errors import ModelError
from impasto.models.model import Model
from impasto.models.published import PUBLISHED, find_published
from impasto.models.store import Store, parts, shipped

__all__ = ["find", "models", "own_network"]


def models() -> list[Model]:
    """Every model that comes with the package, then the user's own, each by name and version."""
    return [*shipped(), *Store().models()]


def find(model: str | Path, *, kind: str | None = None) -> Model:
    """The model called ``name@version``, or ``name``, or the one in a folder.

    Of a ``name`` it is the version that was chosen by :meth:`Store.use`, else the one that ships, else the newest. A
    text that is not a model's name is a folder's. Every call sees what other processes chose, added and removed. Raises
    :class:`ModelError` where there is no such model, and where it is not of the ``kind`` asked for.
    """
    found = Model.read(model) if isinstance(model, Path) else _called(model, kind)
    if kind is not None and found.kind != kind:
        raise ModelError(f"{found.identity} is a model of kind {found.kind}; give one of kind {kind}{_named(kind)}")
    return found


def own_network(style: str) -> Model | None:
    """The user's own network of one style that has the name of ``style``, which comes with Impasto, and is meant by
    it; None where there is none."""
    own = Store().models(style)
    if not own:
        return None
    found = find(style)
    return found if found in own and found.kind == "per-style" else None


def _called(text: str, kind: str | None = None) -> Model:
    name, _, version = text.partition("@")
    store, ours = Store(), shipped(name)
    every = [*ours, *store.models(name)]
    if every and not text.endswith("@"):
        wanted = [m for m in every if m.version == (version or store.active(name))]
        if not version:
            wanted = wanted or ours or every
        if wanted:
            return max(wanted, key=lambda m: parts(m.version))
    if Path(text, "manifest.json").is_file():
        return Model.read(Path(text))
    if every:
        raise ModelError(f"there is no model {text!r}; of {name} there is {', '.join(m.identity for m in every)}")
    if fitting := find_published(name):
        told = " or ".join(f"impasto models pull {other}" for other in fitting)
        file = f"{name} FILE" if PUBLISHED[fitting[0]].kind == "encoder" else "FILE"
        raise ModelError(
            f"there is no model {text!r} here; get it with: {told} "
            f"(or on a machine without internet: impasto models add {file})"
        )
    known = ", ".join(sorted({m.name for m in models() if kind in (None, m.kind)})) or "none"
    what = "models here" if kind is None else f"models of kind {kind} here"
    raise ModelError(f"there is no model {text!r}; the {what} are: {known} (or give a folder with manifest.json)")


def _named(kind: str) -> str:
    names = sorted({m.name for m in models() if m.kind == kind})
    return f", such as {' or '.join(names)}" if names else ""
