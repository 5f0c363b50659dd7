"""JsonKeyValueFile: a few texts by name in a JSON file that several processes read and write."""

from __future__ import annotations

import json
import os
from functools import lru_cache
from pathlib import Path

from impasto.errors import OutputError
from impasto.models.file_lock import process_lock
from impasto.user_folders import ELSEWHERE, make_folder, unwritable_error

__all__ = ["JsonKeyValueFile"]

_BYTES = 2**20


class JsonKeyValueFile:
    """The texts in one file. A file that is missing or malformed holds none."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def read(self) -> dict[str, str]:
        """All of them."""
        try:
            found = os.stat(self._file)
        except OSError:
            return {}
        # Every writer makes a new file, so that a time that is too coarse for two changes does no harm.
        return _read(str(self._file), found.st_ino, found.st_mtime_ns, found.st_size).copy()

    def set(self, name: str, text: str | None) -> None:
        """Keep ``text`` under ``name``; None forgets it. Raises :class:`OutputError`."""
        from impasto.picture.files import write_atomically

        try:
            if text is None and name not in self.read():
                return
            make_folder(self._file.parent)
            with process_lock(self._file.with_name(f".{self._file.name}.lock")):
                texts = self.read()
                if text is None:
                    texts.pop(name, None)
                else:
                    texts[name] = text
                try:
                    write_atomically(self._file, json.dumps(texts, indent=1, sort_keys=True).encode())
                except OutputError as error:
                    raise OutputError(f"{error}; {ELSEWHERE}") from error
        except OSError as error:
            raise unwritable_error(self._file, error) from error


@lru_cache(maxsize=16)
def _read(file: str, inode: int, changed: int, size: int) -> dict[str, str]:  # noqa: ARG001
    try:
        with open(file, "rb") as stream:
            found = json.loads(stream.read(_BYTES))
    except (OSError, ValueError, RecursionError):
        return {}
    return {name: text for name, text in found.items() if isinstance(text, str)} if isinstance(found, dict) else {}
