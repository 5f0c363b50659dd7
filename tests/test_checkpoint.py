"""Savepoints: the state of an unfinished picture in a file."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from painting import photograph
from safetensors.torch import save_file

from impasto import Picture, Style, StyleCard
from impasto.errors import OutputError, RequestError
from impasto.iterative.checkpoint import Checkpoint, digest
from impasto.request import Region, Request

POINT = Checkpoint(
    digest="abc",
    level=1,
    step=7,
    done=27,
    seconds=12.3456789,
    tensors={
        "picture": torch.rand(1, 3, 5, 6, generator=torch.Generator().manual_seed(0)),
        "average": torch.rand(1, 3, 5, 6, generator=torch.Generator().manual_seed(1)).permute(0, 1, 3, 2),
        "optimiser.number": torch.tensor(7),
        "optimiser.loss": torch.tensor(0.1, dtype=torch.float64),
    },
    recent=(0.1 + 0.2, 1 / 3),
    stalls=1,
    tile=512,
)


def test_what_was_written_is_read(tmp_path: Path) -> None:
    file = tmp_path / "run.state"
    assert Checkpoint.read(file, "abc") is None
    POINT.write(file)
    found = Checkpoint.read(file, "abc")
    assert found is not None
    assert replace(found, tensors={}) == replace(POINT, tensors={})
    assert set(found.tensors) == set(POINT.tensors)
    assert all(torch.equal(found.tensors[name], tensor) for name, tensor in POINT.tensors.items())
    assert set(found.optimiser()) == {"number", "loss"}
    assert float(found.optimiser()["loss"]) == 0.1
    # The last one counts, and nothing else lies about.
    replace(POINT, step=8).write(file)
    again = Checkpoint.read(file, "abc")
    assert again is not None
    assert again.step == 8
    assert os.listdir(tmp_path) == ["run.state"]


def test_another_runs_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "run.state"
    POINT.write(file)
    with pytest.raises(RequestError) as told:
        Checkpoint.read(file, "abd")
    assert str(told.value) == (
        f"{file} is the state of another run, with other pictures or settings; name another file, or remove it"
    )


def test_what_is_no_state_is_told(tmp_path: Path) -> None:
    file = tmp_path / "run.state"
    POINT.write(file)
    whole = file.read_bytes()
    garbage = [b"", b"x", b"garbage" * 100, bytes(100), whole[: len(whole) // 2], whole[:-1], whole[:20], whole[1:]]
    for data in garbage:
        file.write_bytes(data)
        with pytest.raises(OutputError, match=r"holds no state of a run \(.+\); name another file, or remove"):
            Checkpoint.read(file, "abc")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OutputError, match="folder holds no state of a run"):
        Checkpoint.read(tmp_path / "folder", "abc")


def test_tensors_of_another_program_are_no_state(tmp_path: Path) -> None:
    file, tensors = tmp_path / "weights.safetensors", {"x": torch.zeros(3)}
    facts = {"digest": "abc", "level": 0, "step": 0, "done": 0, "seconds": 0.0}
    others = [
        None,
        {"format": "pt"},
        {"impasto_state": "not JSON"},
        {"impasto_state": "[]"},
        {"impasto_state": "3"},
        {"impasto_state": "null"},
        {"impasto_state": "{}"},
        {"impasto_state": json.dumps(facts)},
        {"impasto_state": json.dumps({**facts, "recent": [], "stalls": 0, "tile": None, "more": 1})},
        {"impasto_state": json.dumps({**facts, "recent": 3, "stalls": 0, "tile": None})},
    ]
    for metadata in others:
        save_file(tensors, file, metadata)
        with pytest.raises(OutputError, match="holds no state of a run"):
            Checkpoint.read(file, "abc")


def test_where_it_cannot_be_written_that_is_told(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"cannot be written: the folder .* does not exist; create it first"):
        POINT.write(tmp_path / "nowhere" / "run.state")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OutputError, match="it is not a regular file"):
        POINT.write(tmp_path / "folder")


def test_what_fails_to_be_written_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "run.state"
    POINT.write(file)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="cannot be written: No space left on device"):
        replace(POINT, step=8).write(file)
    assert os.listdir(tmp_path) == ["run.state"]
    found = Checkpoint.read(file, "abc")
    assert found is not None
    assert found.step == 7


def test_a_run_is_known_by_all_that_makes_it() -> None:
    content, style, mask = photograph(20, 16, 1), photograph(18, 18, 2), photograph(20, 16, 3)
    card = StyleCard("mine", {"pocket@1": {1.0: np.ones(3, np.float32)}})
    other = StyleCard("mine", {"pocket@1": {1.0: np.full(3, 2, np.float32)}})
    plain = Request(content=content, style=Style.of(style), engine="iterative")
    alpha = np.full((16, 20), 200, np.uint8)
    region = Region(mask, Style.of(style))
    requests = [
        plain,
        replace(plain, steps=7),
        replace(plain, seed=3),
        replace(plain, strength=0.5),
        replace(plain, encoder="vgg19"),
        replace(plain, content=photograph(20, 16, 4)),
        replace(plain, content=Picture(content.pixels.reshape(20, 16, 3))),
        replace(plain, content=Picture(content.pixels, alpha)),
        replace(plain, content=Picture(content.pixels, alpha // 2)),
        replace(plain, content=content.as_type(np.dtype(np.uint16))),
        replace(plain, mask=mask),
        replace(plain, guide=mask),
        replace(plain, initial=mask),
        replace(plain, style=Style.of(photograph(18, 18, 5))),
        replace(plain, style=Style.of(card)),
        replace(plain, style=Style.of(other)),
        replace(plain, regions=(region,)),
        replace(plain, regions=(replace(region, guide=style),)),
        replace(plain, regions=(replace(region, mask=style),)),
        replace(plain, regions=(replace(region, style=Style.of(card)),)),
        replace(plain, regions=(region, region)),
        replace(plain, regions=(region, replace(region, guide=mask))),
        replace(plain, regions=(replace(region, guide=mask), region)),
    ]
    found = [digest(request, "pocket@1") for request in requests]
    assert len(set(found)) == len(requests)
    assert digest(plain, "pocket@2") not in found
    again = Request(content=Picture(content.pixels.copy()), style=Style.of(photograph(18, 18, 2)), engine="iterative")
    assert digest(again, "pocket@1") == found[0]
    # Who looks on changes nothing.
    assert digest(replace(plain, preview_every=3), "pocket@1") == found[0]
