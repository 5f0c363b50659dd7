"""Read the networks that ship back into torch, to go on from them."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from impasto.errors import MissingExtra
from impasto.models import Model, find
from impasto.perceptual.weights import Weights
from impasto.training.network import InstantNetwork, Shape, TransferNetwork

__all__ = ["read_base", "read_instant"]


def read_instant(model: Model | None = None) -> InstantNetwork:
    """The network of an ``arbitrary`` model of our own, by default the one that ships, frozen. Needs ``onnx``."""
    import json

    model = model or find("instant", kind="arbitrary")
    described = json.loads((model.path / "manifest.json").read_text("utf-8"))["architecture"]
    network = InstantNetwork(_shape(described))
    for part, module in (("encoder", network.encoder), ("transfer", network.transfer)):
        module.load_state_dict(_initialisers(model.file(part)))
    return network.eval().requires_grad_(False)


def read_base(model: Model | None = None) -> tuple[TransferNetwork, Shape]:
    """The network of a model of kind ``base``, by default the one that ships, and its shape. Needs ``safetensors``."""
    import json

    model = model or find("base", kind="base")
    file = Weights(model.file("network"))
    shape = _shape(json.loads((model.path / "manifest.json").read_text("utf-8"))["architecture"])
    network = TransferNetwork(shape)
    network.load_state_dict({name: value.float() for name, value in file.read(file.names).items()})
    return network.eval().requires_grad_(False), shape


def _shape(described: dict[str, object]) -> Shape:
    return Shape.from_dict({name: value for name, value in described.items() if name != "family"})


def _initialisers(file: Path) -> dict[str, Tensor]:
    """The weights of an exported graph; those in half precision are called after the cast that widens them."""
    try:
        import onnx
        from onnx import numpy_helper
    except ImportError as error:
        raise MissingExtra("training a style", "train") from error
    found = {}
    for weight in onnx.load(file).graph.initializer:
        # Constants of the graph have no name with a dot in it.
        if "." in (name := weight.name.removesuffix(".half")):
            found[name] = torch.from_numpy(numpy_helper.to_array(weight).copy()).float()
    return found
