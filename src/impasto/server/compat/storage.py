"""Storage: the folder in which the tutorial's client looks for pictures."""

from __future__ import annotations

import re
from collections.abc import Container
from contextlib import suppress
from pathlib import Path

from impasto.errors import OutputError
from impasto.jobs.records.blobs import make_folder
from impasto.picture.files import write_atomically

__all__ = ["Storage"]

_PARTIAL = re.compile(r"\.impasto-[0-9a-f]{16}\.tmp")
"""What is left of a file whose writer was killed."""
_NAME = re.compile(r"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?:_[a-z0-9_]{1,64})?\.jpg")


class Storage:
    """Files named ``<uuid>.jpg`` and ``<uuid>_<model>.jpg``; what else lies in the folder is not touched."""

    def __init__(self, folder: Path) -> None:
        """Makes the folder; raises :class:`OutputError` where it cannot."""
        self.folder = folder
        try:
            make_folder(folder)
        except OSError as error:
            raise OutputError(f"cannot make {folder}: {error.strerror}; give another folder with --storage") from error

    @staticmethod
    def id_of(name: str) -> str | None:
        """The uuid in a file's name; None for any other name."""
        found = _NAME.fullmatch(name)
        return found[1] if found else None

    def find(self, name: str) -> Path | None:
        """The file of that name, if it is one of these."""
        if self.id_of(name) is None:
            return None
        path = self.folder / name
        # Others may write here, too: a link could lead anywhere.
        return path if path.is_file() and not path.is_symlink() else None

    def put(self, name: str, data: bytes) -> None:
        """Write a file that is there whole or not at all. Raises :class:`OutputError`."""
        assert self.id_of(name) is not None
        write_atomically(self.folder / name, data)

    def remove(self, name: str) -> None:
        """Remove the file of that name, if it is there."""
        assert self.id_of(name) is not None
        with suppress(OSError):
            (self.folder / name).unlink(missing_ok=True)

    def sweep(self, before: float, keep: Container[str | None]) -> None:
        """Remove what was written before that time, in seconds since 1970, and whose uuid is not in ``keep``."""
        with suppress(OSError):
            for path in list(self.folder.iterdir()):
                id = self.id_of(path.name)
                if id in keep or (id is None and not _PARTIAL.fullmatch(path.name)):
                    continue
                with suppress(OSError):
                    if path.lstat().st_mtime < before:
                        path.unlink()
