"""Encoders for tests, with random weights: a model ``pocket`` in place of the one that ships, and VGG19."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest


def random_pocket(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write the model into ``folder``, and let judges find it there; returns the folder."""
    from safetensors.torch import save_file

    from impasto.encoders.pocket import Pocket
    from impasto.evaluation.metrics import scorer
    from impasto.models import Model

    folder.mkdir()
    file = folder / "encoder.safetensors"
    save_file({name: value.contiguous() for name, value in Pocket().state_dict().items()}, file)
    manifest = {
        "name": "pocket",
        "version": "0",
        "kind": "encoder",
        "licence": "Apache-2.0",
        "files": {"encoder": {"file": file.name, "sha256": hashlib.sha256(file.read_bytes()).hexdigest()}},
        "rules": {},
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    monkeypatch.setattr(scorer, "find", lambda name, *, kind: Model.read(folder))
    return folder


def random_vgg19(folder: Path, widths: Sequence[int] = (8, 16, 32, 64)) -> Path:
    """VGG19 up to relu4_1 with so many channels a level and random weights, as ``vgg.npz`` in ``folder``."""
    random = np.random.default_rng(0)
    arrays: dict[str, np.ndarray] = {}
    inputs = 3
    for level, (width, count) in enumerate(zip(widths, (2, 2, 4, 1), strict=True), 1):
        for index in range(1, count + 1):
            weight = random.normal(0, (2 / (inputs * 9)) ** 0.5, (width, inputs, 3, 3)).astype(np.float32)
            arrays[f"conv{level}_{index}.weight"] = weight
            arrays[f"conv{level}_{index}.bias"] = np.zeros(width, np.float32)
            inputs = width
    np.savez(folder / "vgg.npz", **arrays)  # type: ignore[arg-type]
    return folder / "vgg.npz"
