"""Blobs: bytes on disk, named by what is in them."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import secrets
import time
from collections.abc import Container, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock
from typing import TypeGuard

from impasto.errors import OutputError

try:
    import fcntl
except ImportError:  # not POSIX: the lock between threads has to do
    fcntl = None  # type: ignore[assignment]

__all__ = ["BlobGone", "Blobs", "is_sha256", "make_folder"]

_SHA256 = re.compile(r"[0-9a-f]{64}")
_SHELF = re.compile(r"[0-9a-f]{2}")
_ROOM = 1 << 20  # bytes without which a disk counts as full
_STALE = 600.0  # seconds in which nothing was written to a file that is still to arrive


class BlobGone(KeyError):
    """There is no blob of that name, or not any more."""

    def __str__(self) -> str:
        return str(self.args[0])  # as a sentence; KeyError would quote it


class Blobs:
    """Bytes named by their sha256, one file each: ``folder/ab/abcd...``.

    What :meth:`put` has returned for is on disk, also after a power cut. Safe to use from several
    threads, and from several processes with one folder.
    """

    def __init__(self, folder: Path) -> None:
        """Makes the folder; raises :class:`OutputError` where it cannot."""
        self.folder = Path(folder)
        self._incoming = self.folder / "incoming"
        self._shelves: set[str] = set()
        self._lock = Lock()
        with self._storage_errors():
            make_folder(self._incoming)

    def put(self, data: bytes) -> str:
        """Keep ``data``; its sha256. What is there already counts as touched now, for :meth:`sweep`.

        Raises :class:`OutputError` where it cannot be written; then nothing new is there.
        """
        sha256 = hashlib.sha256(data).hexdigest()
        path = self.path(sha256)
        with self._storage_errors():
            self._make_shelf(path.parent)
            if not self._touch(path, len(data)):
                self._write(path, data)
            # Also for what was there: whoever wrote it may not have come so far.
            _sync(path.parent)
        return sha256

    def path(self, sha256: str) -> Path:
        """Where the blob lies or would lie. Raises :class:`ValueError` for what is not a sha256."""
        if not is_sha256(sha256):
            raise ValueError(f"{str(sha256)[:80]!r} names no blob; give 64 hexadecimal digits in lower case")
        return self.folder / sha256[:2] / sha256

    def get(self, sha256: str) -> bytes:
        """The bytes. Raises :class:`BlobGone`, a :class:`KeyError`, where they are not there."""
        try:
            return self.path(sha256).read_bytes()
        except FileNotFoundError:
            raise BlobGone(f"there is no blob {sha256}; what it was kept for has been deleted") from None

    def __contains__(self, sha256: object) -> bool:
        return is_sha256(sha256) and self.path(sha256).is_file()

    def remove(self, sha256: str) -> None:
        """Delete the blob, if it is there, whoever may have put it just now; :meth:`sweep` is more careful."""
        path = self.path(sha256)
        with self._storage_errors(), self._lock_folder(alone=True):
            path.unlink(missing_ok=True)

    def sweep(self, keep: Container[str], older_than: float) -> int:
        """Delete blobs that are not in ``keep`` and were not put within ``older_than`` seconds; how many files went.

        Files that never arrived, as their writer was killed, go as well. ``older_than`` is to be longer than
        what passes between the putting of a blob and its being in ``keep``.
        """
        now, removed = time.time(), 0
        with self._storage_errors():
            for shelf in self._entries(self.folder):
                if _SHELF.fullmatch(shelf.name):
                    old = (file for file in self._entries(shelf) if is_sha256(file.name) and file.name not in keep)
                    removed += sum(self._delete_untouched(file, now - older_than) for file in old)
            stale = now - max(older_than, _STALE)
            removed += sum(self._delete_untouched(file, stale) for file in self._entries(self._incoming))
        return removed

    def check_writable(self) -> None:
        """Raise :class:`OutputError` where no blob could be written now."""
        with self._storage_errors():
            probe = self._incoming / f"probe-{secrets.token_hex(8)}"
            try:
                with open(probe, "xb") as file:
                    file.write(b"impasto")
                    _reserve(file.fileno())
            finally:
                with suppress(OSError):
                    probe.unlink(missing_ok=True)

    def _make_shelf(self, shelf: Path) -> None:
        if shelf.name not in self._shelves:
            shelf.mkdir(exist_ok=True)
            _sync(self.folder)
            self._shelves.add(shelf.name)

    def _touch(self, path: Path, size: int) -> bool:
        """Whether the blob is there and whole; from now on it is young."""
        with self._lock_folder():
            try:
                if path.stat().st_size != size:  # no file system is above all doubt
                    return False
                os.utime(path)
            except FileNotFoundError:
                return False
            return True

    def _write(self, path: Path, data: bytes) -> None:
        temporary = self._incoming / secrets.token_hex(16)
        try:
            with open(temporary, "xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            with self._lock_folder():
                os.replace(temporary, path)
        except BaseException:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise

    def _delete_untouched(self, file: Path, before: float) -> bool:
        """Delete ``file`` unless it was touched after ``before``; whether it went."""
        with suppress(FileNotFoundError):
            if file.stat().st_mtime > before:
                return False
            with self._lock_folder(alone=True):
                # Once more, as nobody can touch it now.
                if file.stat().st_mtime <= before:
                    file.unlink()
                    return True
        return False

    def _entries(self, folder: Path) -> list[Path]:
        try:
            return list(folder.iterdir())
        except (FileNotFoundError, NotADirectoryError):
            return []

    @contextmanager
    def _lock_folder(self, alone: bool = False) -> Iterator[None]:
        """Hold off whoever deletes; with ``alone`` everybody, in other processes as well."""
        if fcntl is None:
            with self._lock:
                yield
            return
        # Opened each time, as a lock is a file description's: threads hold one another off, too.
        descriptor = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
            yield
        finally:
            # Not by closing alone: a process forked meanwhile would keep it.
            fcntl.flock(descriptor, fcntl.LOCK_UN)
            os.close(descriptor)

    @contextmanager
    def _storage_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            reason = error.strerror or error
            raise OutputError(
                f"cannot write in {self.folder}: {reason}; free some space there, or name a folder you may write"
            ) from error


def is_sha256(name: object) -> TypeGuard[str]:
    """Whether ``name`` is 64 hexadecimal digits in lower case."""
    return isinstance(name, str) and _SHA256.fullmatch(name) is not None


def make_folder(folder: Path) -> None:
    """Make ``folder`` and those above it, so that a power cut does not take them away. Raises :class:`OSError`."""
    folder = folder.absolute()
    missing = [folder, *(parent for parent in folder.parents if not parent.exists())]
    for one in reversed(missing):
        one.mkdir(exist_ok=True)
        _sync(one.parent)


def _reserve(descriptor: int) -> None:
    """A few bytes may find room where no picture does. Raises :class:`OSError` where the disk is full."""
    if hasattr(os, "posix_fallocate"):
        try:
            os.posix_fallocate(descriptor, 0, _ROOM)
        except OSError as error:
            # Not every file system can tell.
            if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS):
                raise


def _sync(folder: Path) -> None:
    """Have the names in ``folder`` on disk."""
    if os.name == "nt":  # folders cannot be opened there, and names are written through
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
