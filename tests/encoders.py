"""Encoders for tests: a model ``pocket`` with random weights, in place of the one that ships."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest


def random_pocket(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write the model into ``folder``, and let judges find it there; returns the folder."""
    from safetensors.torch import save_file

    from impasto.models import Model
    from impasto.perceptual import judge
    from impasto.perceptual.pocket import Pocket

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
    monkeypatch.setattr(judge, "find", lambda name, *, kind: Model.read(folder))
    return folder
