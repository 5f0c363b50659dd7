"""Freed memory that stays with the process."""

from __future__ import annotations

import subprocess
import sys

import pytest

from impasto.runtime import heap
from impasto.runtime.heap import kept_heap

glibc = pytest.mark.skipif(sys.platform != "linux" or heap._library() is None, reason="needs glibc")


MEASURED = """
import ctypes, resource
import numpy as np
from impasto.runtime import heap
from impasto.runtime.heap import kept_heap

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(8):
        np.ones(6 << 20)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

ctypes.CDLL(None).mallopt(heap._MMAP_THRESHOLD, 32 << 20)
outside = faults()
with kept_heap():
    with kept_heap():
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
    with pytest.raises(KeyError), kept_heap():
        raise KeyError
    assert heap._users == 0


def test_elsewhere_nothing_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heap, "_library", lambda: None)
    with kept_heap():
        assert heap._users == 0
