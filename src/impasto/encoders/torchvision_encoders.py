"""torchvision's networks as encoders, with weights that are on this machine: nothing is ever fetched here."""

from __future__ import annotations

import hashlib
import importlib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor, nn

from impasto.encoders.encoder import Encoder, ModuleEncoder
from impasto.encoders.torchvision_layers import TORCHVISION
from impasto.encoders.vgg_conversion import torch_weights
from impasto.encoders.weights_file import SUFFIXES, Weights
from impasto.errors import MissingExtra, ModelError
from impasto.models import Model
from impasto.models.mistaken_files import describe_mistaken_file
from impasto.picture.files import write_atomically

__all__ = ["cached_weights", "convert_torchvision", "open_torchvision"]

# What torchvision's older files call the layers of DenseNet; its own reader renames them, too.
_DOTTED = re.compile(r"(.*denselayer\d+\.(?:norm|relu|conv))\.([12]\..*)")


def open_torchvision(name: str, weights: Path, layers: Sequence[str] = ()) -> ModuleEncoder:
    """The network ``name`` with those weights; ``layers`` are any submodules of it, by default its usual ones. Frozen.

    Raises :class:`MissingExtra` without torchvision, :class:`ModelError` where the file cannot be read or is of
    another network, and ``ValueError`` for a submodule that is not there.
    """
    network = _network(name, weights)
    return Encoder.from_module(network, list(layers or TORCHVISION[name].layers))


def cached_weights(name: str) -> Path | None:
    """The file in which torchvision keeps weights of that network on this machine, the one that was fetched last; None
    where there is none. Raises :class:`MissingExtra` without torchvision."""
    _models(name)
    folder = Path(torch.hub.get_dir()) / "checkpoints"
    found = [file for file in folder.glob(f"{name}*.pth") if re.fullmatch(f"{name}[-_].*", file.stem)]
    return max(found, key=lambda file: (file.stat().st_mtime, file.name), default=None)


def convert_torchvision(file: Path, folder: Path, *, name: str) -> Model:
    """Write ``encoder.safetensors``, the weights of the network ``name``, and ``manifest.json`` into ``folder``.

    ``file`` is a state dict, torchvision's or one of that layout, as ``.pth`` or ``.safetensors``. Raises as
    :func:`open_torchvision`, and :class:`OutputError` where ``folder`` cannot be written.
    """
    state = _network(name, file).state_dict()
    data = save({key: value.contiguous() for key, value in state.items()}, {"architecture": name})
    write_atomically(folder / "encoder.safetensors", data)
    with file.open("rb") as stream:
        source = hashlib.file_digest(stream, "sha256").hexdigest()
    manifest = {
        "name": name.replace("_", "-"),
        "version": "1",
        "kind": "encoder",
        "licence": "unknown: that of the file it was made of",
        "source": {"file": file.name, "sha256": source},
        "files": {"encoder": {"file": "encoder.safetensors", "sha256": hashlib.sha256(data).hexdigest()}},
        "rules": {"architecture": name},
    }
    write_atomically(folder / "manifest.json", (json.dumps(manifest, indent=1) + "\n").encode())
    return Model.read(folder)


def _models(name: str) -> Any:
    try:
        return importlib.import_module("torchvision.models")
    except ImportError as error:
        raise MissingExtra(f"the encoder {name}", "encoders") from error


def _network(name: str, weights: Path) -> nn.Module:
    network: nn.Module = getattr(_models(name), name)(weights=None, **TORCHVISION[name].options)
    state = {_renamed(key): value for key, value in _state(weights).items()}
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        lines = [line.strip() for line in str(error).splitlines()]
        said = lines[min(1, len(lines) - 1)][:160]  # the first says which class it was
        raise ModelError(f"{weights} holds no {name} of torchvision's ({said}); give its state dict") from error
    return network


def _state(file: Path) -> Mapping[str, Tensor]:
    if file.is_dir():
        raise ModelError(f"{file} is a folder; give the file of the weights")
    try:
        with file.open("rb") as stream:
            if said := describe_mistaken_file(stream.read(512)):
                raise ModelError(f"{file} is {said}")
        if file.suffix.lower() in SUFFIXES:
            held = Weights(file)
            return held.read(held.names)
    except OSError as error:
        raise ModelError(f"{file} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise ModelError(str(error)) from error
    state = torch_weights(file, ".pth or a .safetensors")
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise ModelError(f"{file} is not a state dict of tensors; give torchvision's .pth")
    return state


def _renamed(key: str) -> str:
    found = _DOTTED.fullmatch(key)
    return f"{found[1]}{found[2]}" if found else key
