"""Naming: what a model that is added is called, and as which version."""

from __future__ import annotations

import re
from collections.abc import Sequence

from impasto.errors import ModelError
from impasto.models.store import NAME, VERSION, Store, parts, shipped

__all__ = ["check_free", "name_of", "version_of"]

_LONGEST = 48
"""Style cards name models in 64 characters, version included."""


def name_of(files: Sequence[str]) -> str:
    """A name made of the files' names, of what they have in common: ``starry-night`` of ``starry_night.t7``."""
    stems = [file.rpartition(".")[0] or file for file in files]
    alike = next((at for at, letters in enumerate(zip(*stems, strict=False)) if len(set(letters)) > 1), None)
    common = stems[0][:alike]
    words = re.findall("[a-z0-9]+", (common if len(common) > 2 else stems[0]).lower())
    return "-".join(words)[:_LONGEST].strip("-") or "model"


def version_of(name: str, store: Store) -> str:
    """The next free version of ``name``: a whole number, or, under the name of a model that comes with Impasto, its
    version with another number after it, which no later one that ships will have."""
    ours = shipped(name)
    if not ours:
        return store.next_version(name)
    whole = max((model.version for model in ours), key=parts)
    taken, number = {model.version for model in store.models(name)}, 1
    while f"{whole}.{number}" in taken or (store.folder / f"{name}@{whole}.{number}").exists():
        number += 1
    return f"{whole}.{number}"


def check_free(name: str, version: str | None, kind: str, store: Store) -> None:
    """Raises :class:`ModelError` where no model of that kind may have that name and version."""
    if not NAME.fullmatch(name) or len(name) > _LONGEST:
        raise ModelError(
            f"{name[:80]!r} is no name of a model; give small letters a-z and digits in words joined by '-', at most "
            f"{_LONGEST} characters"
        )
    if version is not None and not VERSION.fullmatch(version):
        raise ModelError(f"{version[:40]!r} is no version; give numbers like 1 or 1.2")
    for other in (*shipped(name), *store.models(name)):
        if other.kind != kind:
            raise ModelError(
                f"{name} is the name of a model of kind {other.kind}, and this one is of kind {kind}; choose another "
                "with --name"
            )
