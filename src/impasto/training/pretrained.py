"""Read the networks that ship back into torch, to go on from them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from impasto.encoders.weights_file import Weights
from impasto.errors import MissingExtra, ModelError
from impasto.models import Model, find
from impasto.training.architecture.network import InstantNetwork, Shape, StyleNetwork, TransferNetwork

__all__ = ["read_base", "read_instant", "read_style"]


def read_instant(model: Model | None = None) -> InstantNetwork:
    """The network of an ``arbitrary`` model of our own, by default the one that ships, frozen. Needs ``onnx``."""
    model = model or find("instant", kind="arbitrary")
    network = InstantNetwork(_shape(model.architecture))
    for part, module in (("encoder", network.encoder), ("transfer", network.transfer)):
        module.load_state_dict(_read_weights(model.file(part), module))
    return network.eval().requires_grad_(False)


def read_base(model: Model | None = None) -> tuple[TransferNetwork, Shape]:
    """The network of a model of kind ``base``, by default the one that ships, and its shape."""
    model = model or find("base", kind="base")
    file = Weights(model.file("network"))
    shape = _shape(model.architecture)
    network = TransferNetwork(shape)
    network.load_state_dict({name: value.float() for name, value in file.read(file.names).items()})
    return network.eval().requires_grad_(False), shape


def read_style(model: Model) -> tuple[StyleNetwork, Shape]:
    """The network of a ``per-style`` model of our own, frozen, and its shape. Needs ``onnx``.

    Raises :class:`ModelError` for a network that was not trained here.
    """
    if model.rules.get("form") != "own" or model.architecture.get("family") != "impasto-style":
        raise ModelError(
            f"{model.identity} is not a network of Impasto's own making; start from one that is, or from base"
        )
    shape = _shape(model.architecture)
    network = StyleNetwork(shape)
    file = model.file("network")
    network.load_state_dict(_read_weights(file, network) | _folded_affine(file, network))
    return network.eval().requires_grad_(False), shape


def _shape(described: Mapping[str, object]) -> Shape:
    return Shape.from_dict({name: value for name, value in described.items() if name != "family"})


def _read_weights(file: Path, module: nn.Module) -> dict[str, Tensor]:
    """The module's weights in an exported graph; those that are stored narrower are called after what widens them."""
    try:
        import onnx
        from onnx import numpy_helper
    except ImportError as error:
        raise MissingExtra("training a style", "train") from error
    stored = {weight.name: numpy_helper.to_array(weight) for weight in onnx.load(file).graph.initializer}
    found = {}
    for name in module.state_dict():
        values = next((stored[kind] for kind in (name, f"{name}.half", f"{name}.byte") if kind in stored), None)
        if values is not None:
            found[name] = torch.from_numpy(values.astype(np.float32) * stored.get(f"{name}.step", np.float32(1)))
    return found


def _folded_affine(file: Path, network: StyleNetwork) -> dict[str, Tensor]:
    """Scales and shifts of one style: the exporter made constants ``1 + scale`` and ``shift`` of them, in order."""
    import onnx
    from onnx import numpy_helper

    constants = [
        torch.from_numpy(numpy_helper.to_array(weight).copy()).float().reshape(1, -1)
        for weight in onnx.load(file).graph.initializer
        if "." not in weight.name.removesuffix(".half") and np.prod(weight.dims) > 1
    ]
    scales, shifts = constants[0::2], constants[1::2]
    channels = network.in_order(network.channels, network.deep_channels)
    if [s.shape[1] for s in scales] != channels or [s.shape[1] for s in shifts] != channels:
        raise ModelError(f"{file} does not hold the scales and shifts of an own network; start from base instead")
    names = network.in_order(
        [f"affine.{i}" for i in range(len(network.channels))],
        [f"deep_affine.{i}" for i in range(len(network.deep_channels))],
    )
    return {name: torch.cat([a - 1, b], 1) for name, a, b in zip(names, scales, shifts, strict=True)}
