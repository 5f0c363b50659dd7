"""Heap: whether memory that is freed is kept for the next step or goes back, where the C library lets us say so."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

__all__ = ["keep_heap", "return_memory"]

# Of malloc.h, which glibc never changes.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MMAP_MAX, _ARENA_MAX = -1, -3, -4, -8

_lock = Lock()
_users = 0


@contextmanager
def keep_heap() -> Iterator[None]:
    """Within, large blocks that are freed stay with the process; after the last such, they go back.

    glibc hands every large block back to the kernel at once, which gives it out again page by page, zeroed: a quarter
    of the time of an optimisation step. Where another C library or allocator is in use, nothing changes.
    """
    global _users
    library = _library()
    if library is None:
        yield
        return
    with _lock:
        _users += 1
        library.mallopt(_MMAP_MAX, 0)
        library.mallopt(_TRIM_THRESHOLD, (1 << 31) - 1)
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if not _users:
                # As far as glibc itself goes in a process that frees large blocks often.
                library.mallopt(_MMAP_THRESHOLD, 32 << 20)
                library.mallopt(_TRIM_THRESHOLD, 64 << 20)
                library.mallopt(_MMAP_MAX, 65536)
                library.malloc_trim(0)


def return_memory() -> None:
    """From now on, blocks of 256 KiB and more go back to the kernel as soon as they are freed, in every thread.

    For a process that lives long and now and then holds something large: by itself, glibc keeps ever larger blocks, in
    an arena for each thread. Where another C library or allocator is in use, nothing changes.
    """
    library = _library()
    if library is not None:
        library.mallopt(_MMAP_THRESHOLD, 256 << 10)
        library.mallopt(_TRIM_THRESHOLD, 1 << 20)
        library.mallopt(_ARENA_MAX, 2)


def _library() -> ctypes.CDLL | None:
    try:
        library = ctypes.CDLL(None)
    except (OSError, TypeError):
        return None
    return library if hasattr(library, "mallopt") and hasattr(library, "malloc_trim") else None
