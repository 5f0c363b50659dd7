"""StyleRef: which style is meant, from an order to the worker that paints in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

__all__ = ["StyleRef", "WeightedStyles"]


@dataclass(frozen=True, slots=True)
class StyleRef:
    """A style by the ``name`` that it has in a gallery, or by a picture or a style card.

    That is a ``file``, as its path or its bytes, or the sha256 of a stored ``blob``. One of the three is given.
    """

    name: str | None = None
    file: Path | bytes | None = None
    blob: str | None = None

    @classmethod
    def of(cls, given: str | bytes) -> Self:
        """The one that an order gives: a name, or a file's bytes."""
        return cls(name=given) if isinstance(given, str) else cls(file=given)

    def stored(self, put: Callable[[bytes], str]) -> Self:
        """The same, of which ``put`` has stored the bytes and given their sha256."""
        return type(self)(blob=put(self.file)) if isinstance(self.file, bytes) else self

    def located(self, path: Callable[[str], Path]) -> Self:
        """The same, by the path that ``path`` gives for the sha256 of a blob."""
        return type(self)(file=path(self.blob)) if self.blob is not None else self

    def to_json(self) -> dict[str, str]:
        """As the ledger keeps it: the name, or the blob."""
        return {"name": self.name} if self.name is not None else {"blob": str(self.blob)}

    @classmethod
    def from_json(cls, entry: Mapping[str, Any]) -> Self:
        """What :meth:`to_json` made."""
        return cls(name=entry.get("name"), blob=entry.get("blob"))


WeightedStyles = tuple[tuple[float, StyleRef], ...]
"""Styles that are mixed, each behind its weight."""
