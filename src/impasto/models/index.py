"""ModelIndex: the models in a folder, each in one of its own, read again only where something changed."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from impasto.errors import ModelError
from impasto.models.model import Model

__all__ = ["ModelIndex", "index_of"]

_SETTLED = 0.1
"""Seconds after which another change has another time: the clocks of file systems are coarse."""

_MANIFEST = "manifest.json"

_Stamp = tuple[int, int, int]
_GONE: _Stamp = (0, 0, 0)


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """What was found at one look: by the name of the folder, with the stamp of its manifest."""

    folder: _Stamp
    manifests: dict[str, tuple[str, _Stamp]]
    models: dict[str, Model]
    problems: dict[str, str]

    def named(self, name: str) -> list[str]:
        """The folders for models of that name."""
        return [folder for folder in self.manifests if folder.partition("@")[0] == name]

    def holds(self, names: Iterable[str]) -> bool:
        """Whether the manifests in those folders are what they were."""
        return all(_stamp(file) == stamp for file, stamp in (self.manifests[name] for name in names))


class ModelIndex:
    """Safe to use from several threads and beside other processes: what they add and remove is seen at once."""

    def __init__(self, folder: Path, read: Callable[[Path], Model], *, bare: bool = True) -> None:
        """``read`` makes a model of a folder, or raises :class:`ModelError`. With ``bare`` a folder without a
        manifest is one that cannot be read, else it is none at all."""
        self._folder, self._read, self._bare = folder, read, bare
        self._last: _Snapshot | None = None

    def models(self) -> tuple[Model, ...]:
        """Every one that can be read."""
        return tuple(self._refreshed().models.values())

    def named(self, name: str, *, strict: bool = False) -> tuple[Model, ...]:
        """Those in folders of that name; quicker than looking at all, for it is asked for every picture.

        Where ``strict``, one that cannot be read is a :class:`ModelError`.
        """
        look = self._last
        if look is None or look.folder != _stamp(str(self._folder)) or not look.holds(look.named(name)):
            look = self._refreshed()
        folders = look.named(name)
        if strict and (broken := [look.problems[folder] for folder in folders if folder in look.problems]):
            raise ModelError(broken[0])
        return tuple(look.models[folder] for folder in folders if folder in look.models)

    def problems(self) -> tuple[str, ...]:
        """What is wrong with the others, one sentence each."""
        return tuple(self._refreshed().problems.values())

    def folders(self) -> list[Path]:
        """Where models may be, by name; hidden folders are none."""
        try:
            found = sorted(p for p in self._folder.iterdir() if not p.name.startswith(".") and p.is_dir())
        except OSError:  # not made yet, or not ours to read: there are no models
            return []
        return [path for path in found if self._bare or (path / _MANIFEST).is_file()]

    def _refreshed(self) -> _Snapshot:
        last = self._last
        if last is not None and last.folder == _stamp(str(self._folder)) and last.holds(last.manifests):
            return last
        # Stamps go before what they are of, so that what changes meanwhile is seen the next time.
        look = _Snapshot(_stamp(str(self._folder)), {}, {}, {})
        for path in self.folders():
            file = str(path / _MANIFEST)
            look.manifests[path.name] = file, _stamp(file)
            try:
                look.models[path.name] = self._read(path)
            except ModelError as error:
                look.problems[path.name] = str(error)
        now = time.time()
        changes = [look.folder, *(stamp for _, stamp in look.manifests.values())]
        self._last = look if all(now - changed / 1e9 > _SETTLED for changed, _, _ in changes) else None
        return look


def _stamp(file: str) -> _Stamp:
    """What differs where a file or folder is another, or has changed; taken for every picture that is painted."""
    try:
        found = os.stat(file)
    except OSError:
        return _GONE
    return found.st_mtime_ns, found.st_ino, found.st_size


@lru_cache(maxsize=32)
def index_of(folder: Path, read: Callable[[Path], Model], *, bare: bool = True) -> ModelIndex:
    """The one of that folder, for all of the process."""
    return ModelIndex(folder, read, bare=bare)
