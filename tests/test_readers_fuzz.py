"""Damaged and malicious files of networks: refused with a sentence, quickly, and without filling the memory.

``scripts/fuzz_readers.py`` is the long form of this.
"""

from __future__ import annotations

import tracemalloc

import pytest
from mutations import FORMATS, Mutator, seeds

from impasto.errors import ModelError
from impasto.models.network_files import read_network


def refusal(data: bytes) -> str | None:
    try:
        read_network(data)
    except ModelError as error:
        return str(error)
    return None


@pytest.mark.parametrize("format_", FORMATS)
def test_what_is_mutated_is_read(format_: str) -> None:
    for data in seeds(format_):
        assert len(data) < 20_000
        assert read_network(data).multiple in (1, 4)


@pytest.mark.parametrize("format_", FORMATS)
def test_whatever_comes_is_read_or_refused(format_: str) -> None:
    mutated = Mutator(format_, 1)
    refusals = [said for _ in range(1500) if (said := refusal(mutated())) is not None]
    assert 300 < len(refusals) < 1500
    assert all(said[-1] not in ".!" for said in refusals)
    assert max(map(len, refusals)) < 400


@pytest.mark.parametrize("format_", FORMATS)
def test_no_file_fills_the_memory(format_: str) -> None:
    mutated = Mutator(format_, 2)
    tracemalloc.start()
    try:
        for _ in range(100):
            data = mutated()
            tracemalloc.reset_peak()
            before = tracemalloc.get_traced_memory()[0]
            refusal(data)
            assert tracemalloc.get_traced_memory()[1] - before < len(data) + 2**24
    finally:
        tracemalloc.stop()
