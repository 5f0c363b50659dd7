"""Galleries: whose styles are whose."""

from __future__ import annotations

import hashlib
from pathlib import Path

from impasto.jobs.job import EVERYONE
from impasto.styles import Gallery

__all__ = ["Galleries"]


class Galleries:
    """One for each owner: all have the styles of ``base``, and see and change none of each other's.

    Where nobody is asked who they are, ``base`` itself is everyone's, as it is the command's.
    """

    def __init__(self, base: Gallery, home: Path) -> None:
        """``home`` is the folder for those of the owners."""
        self.base, self._home = base, home

    def of(self, owner: str) -> Gallery:
        """That of an owner."""
        folder = self.folder(owner)
        return self.base if folder is None else Gallery(folder, base=self.base)

    def folder(self, owner: str) -> Path | None:
        """Where an owner's own styles lie, if not in ``base``."""
        # File systems may take two names for one that are not.
        return None if owner == EVERYONE else self._home / hashlib.sha256(owner.encode()).hexdigest()[:40]
