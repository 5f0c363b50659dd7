"""PendingFiles: pictures that were announced to a client, and that appear in the storage even after a restart."""

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

__all__ = ["PendingFiles", "PendingJob"]

_LOG = logging.getLogger("impasto.server")
_LOOK_SECONDS = 30.0
"""How often all are looked at, whether anything was heard or not."""


@dataclass(frozen=True, slots=True)
class PendingJob:
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
            raise ValueError(f"the pending job {str(self.id)[:80]!r} has names of another")


@dataclass(slots=True)
class _Open:
    """One that is looked after, and the indices of what is written of it since the start."""

    pending: PendingJob
    written: set[int] = field(default_factory=set)


class PendingFiles:
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
        self._notified: set[str] = set()
        self._stop_listening: dict[str, Callable[[], None]] = {}
        self._lock, self._listening = threading.Lock(), threading.Lock()
        self._woken, self._stopped = threading.Event(), False
        self._thread = threading.Thread(target=self._run, name="impasto-pending_files", daemon=True)

    def start(self) -> None:
        """Take up what was promised before. The jobs are to be started."""
        for path in sorted(self._folder.glob("*.json")):
            try:
                facts = json.loads(path.read_bytes())
                pending = PendingJob(**facts | {"files": tuple(facts["files"])})
                if pending.id != path.stem:
                    raise ValueError(f"it is that of {pending.id}")
            except (OSError, ValueError, TypeError, KeyError) as error:
                _LOG.warning("the pending job %s cannot be read and is dropped: %s", path.name, error)
                with suppress(OSError):
                    path.unlink(missing_ok=True)
                continue
            self._look_after(pending)
        self._thread.start()

    def stop(self) -> None:
        """Write no more. The jobs are to be stopped after this."""
        self._stopped = True
        self._woken.set()
        if self._thread.ident is not None:
            self._thread.join()
        for end in self._stop_listening.values():
            end()

    @contextmanager
    def promised(self, pending: PendingJob) -> Iterator[None]:
        """On disk from the beginning of the block, in which its job is made; kept from the end of it, and void where
        that raises. Raises :class:`OutputError`."""
        self._write(pending)
        try:
            yield
        except BaseException:
            self._path(pending.id).unlink(missing_ok=True)
            raise
        self._look_after(pending)

    def owner(self, id: str) -> str | None:
        """Whose pictures those of that uuid are."""
        with self._lock:
            found = self._open.get(id)
        return None if found is None else found.pending.owner

    def _look_after(self, pending: PendingJob) -> None:
        # First listen, then look: what happens between is seen twice rather than never.
        with self._listening:
            if pending.owner not in self._stop_listening:
                self._stop_listening[pending.owner] = self._jobs.listen(pending.owner, self._listener(pending.owner))
        with self._lock:
            self._open[pending.id] = _Open(pending)
            self._notified.add(pending.id)
        self._woken.set()

    def _listener(self, owner: str) -> Callable[[str, Message], None]:
        def listen(whose: str, message: Message) -> None:
            data: Mapping[str, object] = message["data"]
            if whose == owner and message["event"] == "job" and (id := str(data["id"])) in self._open:
                with self._lock:
                    self._notified.add(id)
                self._woken.set()

        return listen

    def _run(self) -> None:
        looked = -_LOOK_SECONDS
        while not self._stopped:
            self._woken.wait(_LOOK_SECONDS)
            self._woken.clear()
            is_round = time.monotonic() - looked > _LOOK_SECONDS
            with self._lock:
                heard, self._notified = self._notified, set()
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
                    _LOG.warning("the pictures of %s cannot be written yet: %s", one.pending.id, error, exc_info=is_bug)
            if is_round:
                self._storage.sweep(time.time() - self._jobs.limits.kept_seconds, self._open)

    def _keep(self, one: _Open) -> None:
        pending = one.pending
        try:
            job = self._jobs.get(pending.owner, pending.id)
        except UnknownJob:
            # It was deleted, or was kept long enough; or the server was killed before there was one.
            self._end(pending)
            return
        if len(job.items) != len(pending.files):
            # Another since.
            self._end(pending)
            return
        if pending.kept:
            return
        for item, name in zip(job.items, pending.files, strict=True):
            if item.state == "done" and item.index not in one.written:
                path, _ = self._jobs.result(job, item.index)
                self._storage.put(name, path.read_bytes())
                one.written.add(item.index)
        if len(one.written) == len(pending.files):
            one.pending = replace(pending, kept=True)
            self._write(one.pending)

    def _end(self, pending: PendingJob) -> None:
        for name in (pending.first, *pending.files):
            self._storage.remove(name)
        self._path(pending.id).unlink(missing_ok=True)
        with self._lock:
            self._open.pop(pending.id, None)

    def _write(self, pending: PendingJob) -> None:
        write_atomically(self._path(pending.id), json.dumps(asdict(pending)).encode())

    def _path(self, id: str) -> Path:
        assert self._storage.id_of(f"{id}.jpg") == id
        return self._folder / f"{id}.json"
