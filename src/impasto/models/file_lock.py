"""A lock that lets in one process at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["process_lock"]


@contextmanager
def process_lock(lock: Path, waiting: Callable[[], None] | None = None) -> Iterator[None]:
    """Let no other process in meanwhile, where the system has such locks; one that is killed holds none any more.

    ``lock`` is an empty file, which stays. ``waiting`` is called where another process is in. Raises :class:`OSError`
    where the file cannot be written.
    """
    try:
        import fcntl
    except ImportError:
        yield
        return
    with lock.open("w") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if waiting is not None:
                waiting()
            fcntl.flock(held, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(held, fcntl.LOCK_UN)
