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
from impasto.models.model import Model

__all__ = ["Store", "shipped"]

_SHIPPED = Path(__file__).parent / "shipped"
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_VERSION = re.compile(r"\d{1,9}(\.\d{1,9})*")
_UNFINISHED = ".unfinished-"
_ABANDONED = 3600.0
"""Seconds after which nobody is taken to write into an unfinished folder any more."""


def shipped() -> list[Model]:
    """Every model that comes with the package, by name."""
    return [Model.read(manifest.parent) for manifest in sorted(_SHIPPED.glob("*/manifest.json"))]


class Store:
    """The user's own models, each in a folder ``NAME@VERSION``.

    They lie in ``folder``: by default ``models`` in ``$IMPASTO_HOME``, else in the user's data folder. It is made
    when the first model is installed. What is broken is passed over; :meth:`problems` tells of it.
    """

    def __init__(self, folder: str | os.PathLike[str] | None = None) -> None:
        self.folder = _default_folder() if folder is None else Path(folder)

    @property
    def downloads(self) -> Path:
        """Where downloads wait until they are whole."""
        return self.folder / ".downloads"

    def models(self) -> list[Model]:
        """Every model that can be read, by name and version. Their files are not checked."""
        found = []
        for folder in self._folders():
            try:
                found.append(_read(folder))
            except ModelError:
                continue
        return sorted(found, key=lambda model: (model.name, _parts(model.version)))

    def problems(self) -> tuple[str, ...]:
        """What is wrong with folders of the store, one sentence each; empty where all is well."""
        found = []
        for folder in self._folders():
            try:
                _read(folder)
            except ModelError as error:
                found.append(str(error))
        return tuple(found)

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
            self.folder.mkdir(parents=True, exist_ok=True)
            self._sweep()
            unfinished.mkdir()
            yield unfinished
            model = Model.read(unfinished)
            model.verify()
            _check(model, identity)
            os.rename(unfinished, target)
        except OSError as error:
            if error.errno in (errno.EEXIST, errno.ENOTEMPTY):
                raise _exists(identity) from error  # by another process, just now
            raise OutputError(
                f"{self.folder} cannot be written: {error.strerror or error}; make room there, or set IMPASTO_HOME to "
                "a folder elsewhere"
            ) from error
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)

    def remove(self, text: str) -> tuple[str, ...]:
        """Delete the user's models called ``name`` or ``name@version``, broken or not; returns their identities.

        Raises :class:`ModelError` for one that comes with Impasto and where there is none, and
        :class:`OutputError` where it cannot be deleted.
        """
        wanted = [f for f in self._folders() if text in (f.name, f.name.partition("@")[0])]
        if not wanted:
            if any(text in (model.name, model.identity) for model in shipped()):
                raise ModelError(f"{text} comes with Impasto and cannot be removed; only your own models can")
            own = ", ".join(folder.name for folder in self._folders()) or "none"
            raise ModelError(f"you have no model {text!r}; your own are: {own}")
        for folder in wanted:
            try:
                # First out of sight: a model is never half there.
                hidden = folder.with_name(f"{_UNFINISHED}{secrets.token_hex(8)}")
                os.rename(folder, hidden)
                shutil.rmtree(hidden)
            except OSError as error:
                raise OutputError(f"{folder} cannot be removed: {error.strerror or error}") from error
        return tuple(folder.name for folder in wanted)

    def _folders(self) -> list[Path]:
        try:
            return sorted(p for p in self.folder.iterdir() if not p.name.startswith(".") and p.is_dir())
        except OSError:  # not made yet, or not ours to read: there are no models
            return []

    def _sweep(self) -> None:
        for left in self.folder.glob(f"{_UNFINISHED}*"):
            try:
                if time.time() - left.stat().st_mtime > _ABANDONED:
                    shutil.rmtree(left, ignore_errors=True)
            except OSError:
                continue  # another process swept it


def _read(folder: Path) -> Model:
    model = Model.read(folder)
    _check(model, folder.name)
    if any(model.name == other.name for other in shipped()):
        raise ModelError(f"{folder.name} has the name of a model that comes with Impasto; give it another name")
    return model


def _check(model: Model, identity: str) -> None:
    """What :class:`Model` takes on trust. Raises :class:`ModelError`."""
    texts = (model.name, model.version, model.kind, model.licence)
    if not all(isinstance(text, str) for text in texts) or not _NAME.fullmatch(model.name):
        raise ModelError(f"{identity}/manifest.json has no name of small letters and digits, or another text amiss")
    if not _VERSION.fullmatch(model.version):
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


def _parts(version: str) -> list[int]:
    return [int(part) for part in version.split(".")]


def _exists(identity: str) -> OutputExists:
    return OutputExists(f"the model {identity} is there already; remove it first: impasto models remove {identity}")


def _default_folder() -> Path:
    if home := os.environ.get("IMPASTO_HOME"):
        return Path(home) / "models"
    from platformdirs import user_data_path

    return user_data_path("impasto", appauthor=False) / "models"
