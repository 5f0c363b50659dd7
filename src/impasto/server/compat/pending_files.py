"""Promises: pictures that a client was told to wait for, and that appear in the storage, come what may."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from impasto.errors import ImpastoError, OutputError
from impasto.jobs.errors import UnknownJob
from impasto.jobs.progress_hub import Message
from impasto.jobs.records.blobs import make_folder
from impasto.jobs.service import Jobs
from impasto.picture.files import write_atomically
from impasto.server.compat.storage import Storage

__all__ = ["Promise", "Promises"]

_LOG = logging.getLogger("impasto.server")
_LOOK_SECONDS = 30.0
"""How often all are looked at, whether anything was heard or not."""


@dataclass(frozen=True, slots=True)
class Promise:
    """Under the owner's job ``id``, the item of each index becomes the file of that name; ``first`` is there already.

    ``kept`` says that all are written: one that is removed from the storage then is not written again. Raises
    :class:`ValueError` for names of another uuid.
    """

    id: str
    owner: str
    first: str
    files: tuple[str, ...]
    kept: bool = False

    def __post_init__(self) -> None:
        if {Storage.id_of(name) for name in (self.first, *self.files)} != {self.id}:
            raise ValueError(f"the promise {str(self.id)[:80]!r} has names of another")


@dataclass(slots=True)
class _Open:
    """One that is looked after, and the indices of what is written of it since the start."""

    promise: Promise
    written: set[int] = field(default_factory=set)


class Promises:
    """Each is a file in a folder of the server's until its job is gone, and then its pictures go, too. Safe to use from
    several threads."""

    def __init__(self, jobs: Jobs, storage: Storage, folder: Path) -> None:
        """Makes the folder; raises :class:`OutputError` where it cannot."""
        self._jobs, self._storage, self._folder = jobs, storage, folder
        try:
            make_folder(folder)
        except OSError as error:
            raise OutputError(f"cannot make {folder}: {error.strerror}; give another folder with --home") from error
        self._open: dict[str, _Open] = {}
        self._heard: set[str] = set()
        self._ends: dict[str, Callable[[], None]] = {}
        self._lock, self._listening = threading.Lock(), threading.Lock()
        self._woken, self._stopped = threading.Event(), False
        self._thread = threading.Thread(target=self._run, name="impasto-promises", daemon=True)

    def start(self) -> None:
        """Take up what was promised before. The jobs are to be started."""
        for path in sorted(self._folder.glob("*.json")):
            try:
                facts = json.loads(path.read_bytes())
                promise = Promise(**facts | {"files": tuple(facts["files"])})
                if promise.id != path.stem:
                    raise ValueError(f"it is that of {promise.id}")
            except (OSError, ValueError, TypeError, KeyError) as error:
                _LOG.warning("the promise %s cannot be read and is dropped: %s", path.name, error)
                with suppress(OSError):
                    path.unlink(missing_ok=True)
                continue
            self._look_after(promise)
        self._thread.start()

    def stop(self) -> None:
        """Write no more. The jobs are to be stopped after this."""
        self._stopped = True
        self._woken.set()
        if self._thread.ident is not None:
            self._thread.join()
        for end in self._ends.values():
            end()

    @contextmanager
    def making(self, promise: Promise) -> Iterator[None]:
        """On disk from the beginning of the block, in which its job is made; kept from the end of it, and void where
        that raises. Raises :class:`OutputError`."""
        self._write(promise)
        try:
            yield
        except BaseException:
            self._path(promise.id).unlink(missing_ok=True)
            raise
        self._look_after(promise)

    def owner(self, id: str) -> str | None:
        """Whose pictures those of that uuid are."""
        with self._lock:
            found = self._open.get(id)
        return None if found is None else found.promise.owner

    def _look_after(self, promise: Promise) -> None:
        # First listen, then look: what happens between is seen twice rather than never.
        with self._listening:
            if promise.owner not in self._ends:
                self._ends[promise.owner] = self._jobs.listen(promise.owner, self._listener(promise.owner))
        with self._lock:
            self._open[promise.id] = _Open(promise)
            self._heard.add(promise.id)
        self._woken.set()

    def _listener(self, owner: str) -> Callable[[str, Message], None]:
        def listen(whose: str, message: Message) -> None:
            data: Mapping[str, object] = message["data"]
            if whose == owner and message["event"] == "job" and (id := str(data["id"])) in self._open:
                with self._lock:
                    self._heard.add(id)
                self._woken.set()

        return listen

    def _run(self) -> None:
        looked = -_LOOK_SECONDS
        while not self._stopped:
            self._woken.wait(_LOOK_SECONDS)
            self._woken.clear()
            is_round = time.monotonic() - looked > _LOOK_SECONDS
            with self._lock:
                heard, self._heard = self._heard, set()
                if is_round:
                    heard, looked = set(self._open), time.monotonic()
                asked = [self._open[id] for id in heard if id in self._open]
            for one in asked:
                if self._stopped:
                    return
                try:
                    self._keep(one)
                except Exception as error:
                    # A full disk, perhaps: it is looked at again.
                    is_bug = not isinstance(error, (ImpastoError, OSError))
                    _LOG.warning("the pictures of %s cannot be written yet: %s", one.promise.id, error, exc_info=is_bug)
            if is_round:
                self._storage.sweep(time.time() - self._jobs.limits.kept_seconds, self._open)

    def _keep(self, one: _Open) -> None:
        promise = one.promise
        try:
            job = self._jobs.get(promise.owner, promise.id)
        except UnknownJob:
            # It was deleted, or was kept long enough; or the server was killed before there was one.
            self._end(promise)
            return
        if len(job.items) != len(promise.files):
            # Another since.
            self._end(promise)
            return
        if promise.kept:
            return
        for item, name in zip(job.items, promise.files, strict=True):
            if item.state == "done" and item.index not in one.written:
                path, _ = self._jobs.result(job, item.index)
                self._storage.put(name, path.read_bytes())
                one.written.add(item.index)
        if len(one.written) == len(promise.files):
            one.promise = replace(promise, kept=True)
            self._write(one.promise)

    def _end(self, promise: Promise) -> None:
        for name in (promise.first, *promise.files):
            self._storage.remove(name)
        self._path(promise.id).unlink(missing_ok=True)
        with self._lock:
            self._open.pop(promise.id, None)

    def _write(self, promise: Promise) -> None:
        write_atomically(self._path(promise.id), json.dumps(asdict(promise)).encode())

    def _path(self, id: str) -> Path:
        assert self._storage.id_of(f"{id}.jpg") == id
        return self._folder / f"{id}.json"
