"""Networks of one style in the user's catalogue, of random weights."""

from __future__ import annotations

import hashlib
import io
import json
import tempfile
import warnings
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from transformer_nets import Example

from impasto.inference.ir.network import Preprocessing
from impasto.inference.ir.stored import pack_network
from impasto.models import Model, Store
from impasto.models.network_files import read_network

__all__ = ["drawn", "installed"]


def installed(name: str, *, version: str = "1", seed: int = 1, form: str = "layers", **facts: Any) -> Model:
    """Install PyTorch's example of weights drawn with ``seed``, as layers or as a graph of ONNX; ``facts`` are more of
    its manifest."""
    module = drawn(seed)
    state = io.BytesIO()
    torch.save(module.state_dict(), state)
    network = read_network(state.getvalue())
    rules: dict[str, Any] = {
        "form": form,
        "multiple": network.multiple,
        "margin": network.margin,
        "smallest": network.smallest,
    }
    if form == "layers":
        file, data = "network.safetensors", pack_network(network)
    else:
        file, data = "network.onnx", _onnx(module)
        rules["preprocessing"] = asdict(Preprocessing("RGB", 255))
    manifest = {
        "name": name,
        "version": version,
        "kind": "per-style",
        "licence": "Apache-2.0",
        "files": {"network": {"file": file, "sha256": hashlib.sha256(data).hexdigest()}},
        "rules": rules,
        **facts,
    }
    store = Store()
    with store.installing(f"{name}@{version}") as folder:
        (folder / file).write_bytes(data)
        (folder / "manifest.json").write_text(json.dumps(manifest))
    return Model.read(store.folder / f"{name}@{version}")


def drawn(seed: int) -> Example:
    """PyTorch's example with other weights for every seed."""
    module, random = Example().eval(), torch.Generator().manual_seed(seed)
    for weight in module.parameters():
        weight.data += weight.data.std(correction=0) * torch.randn(weight.shape, generator=random)
    return module


def _onnx(module: torch.nn.Module) -> bytes:
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        file = Path(folder) / "network.onnx"
        torch.onnx.export(
            module, (torch.rand(1, 3, 64, 64),), str(file), input_names=["picture"], opset_version=17, dynamo=False
        )
        return file.read_bytes()
