"""Galleries: whose styles are whose."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from impasto.errors import StyleError
from impasto.jobs.records.job import EVERYONE
from impasto.styles import Gallery, StyleCard

__all__ = ["Galleries"]


class Galleries:
    """One for each owner: all have the styles of ``base``, and see and change none of each other's.

    Where nobody is asked who they are, ``base`` itself is everyone's, as it is the command's.
    """

    def __init__(self, base: Gallery, home: Path) -> None:
        """``home`` is the folder for those of the owners."""
        self.base, self._home = base, home

    def for_owner(self, owner: str) -> Gallery:
        """That of an owner."""
        folder = self.folder(owner)
        return self.base if folder is None else Gallery(folder, base=self.base)

    def own(self) -> Iterator[StyleCard]:
        """Every card that some owner added, or the user of this machine."""
        folders = sorted(self._home.iterdir()) if self._home.is_dir() else []
        for gallery in (self.base, *(Gallery(folder, base=self.base) for folder in folders)):
            for name in gallery.own():
                with suppress(StyleError):
                    yield gallery.get(name)

    def folder(self, owner: str) -> Path | None:
        """Where an owner's own styles lie, if not in ``base``."""
        # File systems may take two names for one that are not.
        return None if owner == EVERYONE else self._home / hashlib.sha256(owner.encode()).hexdigest()[:40]
