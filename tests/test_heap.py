"""Freed memory that stays with the process."""

from __future__ import annotations

import subprocess
import sys

import pytest

from impasto.inference import heap
from impasto.inference.heap import keep_heap, return_memory

glibc = pytest.mark.skipif(sys.platform != "linux" or heap._library() is None, reason="needs glibc")


MEASURED = """
import ctypes, resource
import numpy as np
from impasto.inference import heap
from impasto.inference.heap import keep_heap

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(8):
        np.ones(6 << 20)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

ctypes.CDLL(None).mallopt(heap._MMAP_THRESHOLD, 32 << 20)
outside = faults()
with keep_heap():
    with keep_heap():
        faults()
    # The inner one left, the outer has not.
    within = faults()
print(outside, within, faults())
"""
"""How many pages the kernel gave out while 48 MB were taken and freed eight times."""


@glibc
def test_pages_are_given_out_once_and_go_back_in_the_end() -> None:
    # In a process of its own: what others left in this one's heap would count.
    run = subprocess.run([sys.executable, "-c", MEASURED], capture_output=True, text=True, check=True)
    outside, within, after = map(int, run.stdout.split())
    assert within < outside / 4
    assert after > outside / 2


@glibc
def test_it_ends_where_what_is_within_fails() -> None:
    with pytest.raises(KeyError), keep_heap():
        raise KeyError
    assert heap._users == 0


RETURNED = """
import threading
from impasto.inference.heap import return_memory

def held():
    (line,) = (line for line in open("/proc/self/status") if line.startswith("VmRSS"))
    return int(line.split()[1]) >> 10

def take():
    # Ever larger ones: glibc keeps what it has once given back.
    for size in (4, 8, 16, 24):
        blocks = [bytes(size << 20) for _ in range(3)]
        del blocks

return_memory()
before = held()
for _ in range(4):
    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
print(held() - before)
"""
"""How many MiB are held after several threads have held a few hundred each."""


@glibc
def test_large_blocks_go_back_from_every_thread() -> None:
    run = subprocess.run([sys.executable, "-c", RETURNED], capture_output=True, text=True, check=True)
    assert int(run.stdout) < 24


def test_elsewhere_nothing_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heap, "_library", lambda: None)
    return_memory()
    with keep_heap():
        assert heap._users == 0
