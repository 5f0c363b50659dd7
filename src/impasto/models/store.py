"""Store: the models that come with Impasto, and the user's own."""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from impasto.errors import ModelError, OutputError, OutputExists
from impasto.models.index import ModelIndex, index_of
from impasto.models.key_value_file import JsonKeyValueFile
from impasto.models.model import Model
from impasto.user_folders import make_folder, own_folder, unwritable_error

__all__ = ["NAME", "VERSION", "Store", "check", "parts", "shipped"]

_SHIPPED = Path(__file__).parent / "shipped"
NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
VERSION = re.compile(r"\d{1,9}(\.\d{1,9})*")
_UNFINISHED = ".unfinished-"
_ABANDONED = 3600.0
"""Seconds after which nobody is taken to write into an unfinished folder any more."""


def shipped(name: str | None = None) -> list[Model]:
    """Every model that comes with the package, by name, or those called ``name``.

    Raises :class:`ModelError` where one is broken.
    """
    shelf = index_of(_SHIPPED, Model.read, bare=False)
    if name is None:
        if problems := shelf.problems():
            raise ModelError(problems[0])
        return list(shelf.models())
    return list(shelf.named(name, strict=True))


class Store:
    """The user's own models, each in a folder ``NAME@VERSION``.

    They lie in ``folder``: by default ``models`` in ``$IMPASTO_HOME``, else in the user's data folder. It is made
    when the first model is installed. What is broken is passed over; :meth:`problems` tells of it.
    """

    def __init__(self, folder: str | os.PathLike[str] | None = None) -> None:
        self.folder = own_folder("models") if folder is None else Path(folder)

    @property
    def downloads(self) -> Path:
        """Where downloads wait until they are whole."""
        return self.folder / ".downloads"

    @property
    def known(self) -> JsonKeyValueFile:
        """The sha256 of what was first downloaded, by address, where nobody publishes one."""
        return JsonKeyValueFile(self.folder / "known.json")

    def models(self, name: str | None = None) -> list[Model]:
        """Every model that can be read, or those called ``name``, by name and version. Their files are not checked."""
        found = self._index.models() if name is None else self._index.named(name)
        return sorted(found, key=lambda model: (model.name, parts(model.version)))

    def problems(self) -> tuple[str, ...]:
        """What is wrong with folders of the store, one sentence each; empty where all is well."""
        return self._index.problems()

    def active(self, name: str) -> str | None:
        """The version of ``name`` that was chosen by :meth:`use`; None where none was."""
        return self._active.read().get(name)

    def use(self, identity: str) -> Model:
        """Let ``name`` mean ``identity``, ``name@version``, everywhere from now on, running servers included.

        Raises :class:`ModelError` where there is no such model, and :class:`OutputError` where it cannot be noted.
        """
        name = identity.partition("@")[0]
        ours = shipped(name)
        every = [*ours, *self.models(name)]
        chosen = next((model for model in every if model.identity == identity), None)
        if chosen is None:
            there = ", ".join(model.identity for model in every)
            raise ModelError(
                f"there is no model {identity!r}; of {name} there is {there}"
                if there
                else f"there is no model {identity!r}; see them all with: impasto models"
            )
        # What ships is meant anyway, and may have another version one day.
        self._active.set(chosen.name, None if chosen in ours else chosen.version)
        return chosen

    def next_version(self, name: str) -> str:
        """The first number that no version of ``name`` begins with, nor any after it."""
        versions = [model.version for model in (*shipped(name), *self.models(name))]
        versions += [f.name.partition("@")[2] for f in self._index.folders() if f.name.partition("@")[0] == name]
        return str(1 + max((parts(version)[0] for version in versions if VERSION.fullmatch(version)), default=0))

    @contextmanager
    def installing(self, identity: str) -> Iterator[Path]:
        """A new folder to write a model into, which becomes the model ``identity`` when the block ends.

        At every moment the store has the whole model or nothing of it: the folder is renamed once it is
        whole, and removed where the block fails. What a process that was killed left behind is removed by
        the next. Raises :class:`OutputExists` where the model is there, :class:`OutputError` where it cannot be
        written, and :class:`ModelError` where what was written is not that model.
        """
        target = self.folder / identity
        if os.path.lexists(target):
            raise _exists(identity)
        unfinished = self.folder / f"{_UNFINISHED}{secrets.token_hex(8)}"
        try:
            make_folder(self.folder)
            self._sweep()
            unfinished.mkdir()
            yield unfinished
            model = Model.read(unfinished)
            model.verify()
            check(model, identity)
            os.rename(unfinished, target)
        except OSError as error:
            if error.errno in (errno.EEXIST, errno.ENOTEMPTY):
                raise _exists(identity) from error  # by another process, just now
            raise unwritable_error(self.folder, error) from error
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)

    def remove(self, text: str) -> tuple[str, ...]:
        """Delete the user's models called ``name`` or ``name@version``, broken or not; returns their identities.

        Raises :class:`ModelError` for one that comes with Impasto and where there is none, and
        :class:`OutputError` where it cannot be deleted.
        """
        wanted = [f for f in self._index.folders() if text in (f.name, f.name.partition("@")[0])]
        if not wanted:
            if any(text in (model.name, model.identity) for model in shipped()):
                raise ModelError(f"{text} comes with Impasto and cannot be removed; only your own models can")
            own = ", ".join(folder.name for folder in self._index.folders()) or "none"
            raise ModelError(f"you have no model {text!r}; your own are: {own}")
        for folder in wanted:
            try:
                # First out of sight: a model is never half there.
                hidden = folder.with_name(f"{_UNFINISHED}{secrets.token_hex(8)}")
                os.rename(folder, hidden)
                shutil.rmtree(hidden)
            except OSError as error:
                raise OutputError(f"{folder} cannot be removed: {error.strerror or error}") from error
            name, _, version = folder.name.partition("@")
            if self.active(name) == version:
                self._active.set(name, None)
        return tuple(folder.name for folder in wanted)

    @property
    def _index(self) -> ModelIndex:
        return index_of(self.folder, _read)

    @property
    def _active(self) -> JsonKeyValueFile:
        return JsonKeyValueFile(self.folder / "active.json")

    def _sweep(self) -> None:
        for left in self.folder.glob(f"{_UNFINISHED}*"):
            try:
                if time.time() - left.stat().st_mtime > _ABANDONED:
                    shutil.rmtree(left, ignore_errors=True)
            except OSError:
                continue  # another process swept it


def _read(folder: Path) -> Model:
    model = Model.read(folder)
    check(model, folder.name)
    for other in shipped(model.name):
        if model.version == other.version or model.kind != other.kind:
            raise ModelError(
                f"{folder.name} has the name of a model that comes with Impasto; give it another name, or another "
                f"version of the kind {other.kind}"
            )
    return model


def check(model: Model, identity: str) -> None:
    """What :class:`Model` takes on trust. Raises :class:`ModelError`."""
    texts = (model.name, model.version, model.kind, model.licence)
    if not all(isinstance(text, str) for text in texts) or not NAME.fullmatch(model.name):
        raise ModelError(f"{identity}/manifest.json has no name of small letters and digits, or another text amiss")
    if not VERSION.fullmatch(model.version):
        raise ModelError(f"{identity}/manifest.json says version {model.version!r}; give numbers like 1 or 1.2")
    if model.identity != identity:
        raise ModelError(f"{identity} holds the model {model.identity}; rename the folder to {model.identity}")
    for part in _entries(model):
        # A path out of the folder would have other files read, and removed with the model.
        if part in ("", ".", "..") or Path(part).name != part or "\\" in part:
            raise ModelError(f"{identity}/manifest.json names the file {part!r}; give a name without folders")


def _entries(model: Model) -> list[str]:
    try:
        files = [str(entry["file"]) for entry in model.files.values() if isinstance(entry["sha256"], str)]
        model.rules.get("architecture")
        return files
    except (AttributeError, KeyError, TypeError) as error:
        raise ModelError(f"{model.identity}/manifest.json is malformed ({error!r}); remove the model") from error


def parts(version: str) -> list[int]:
    """A version's numbers, by which versions are in order."""
    return [int(part) for part in version.split(".")]


def _exists(identity: str) -> OutputExists:
    return OutputExists(f"the model {identity} already exists; remove it first: impasto models remove {identity}")
