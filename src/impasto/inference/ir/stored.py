"""Stored: a network as one ``.safetensors`` file: its weights, and its layers as JSON in the metadata.

The metadata's ``impasto.network`` holds ``format``, ``preprocessing`` and ``layers``, each layer with its ``kind`` and
its numbers; its arrays are the tensors ``PLACE.NAME``, where the place counts from 0, as ``5.1`` within a block.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any, get_type_hints

import numpy as np

from impasto.errors import ModelError
from impasto.inference.ir import layers as kinds
from impasto.inference.ir.layers import Layer, Residual
from impasto.inference.ir.network import Network, Preprocessing
from impasto.inference.ir.safetensors_file import Tensors, pack_tensors

__all__ = ["KEY", "pack_network", "unpack_network"]

KEY = "impasto.network"
"""Of the metadata: who has it is one of ours."""

_FORMAT = 1
_KINDS: Mapping[str, type[Layer]] = {
    kind.kind: kind
    for kind in (
        kinds.Affine,
        kinds.Convolution,
        kinds.InstanceNorm,
        kinds.Pad,
        kinds.Relu,
        kinds.Residual,
        kinds.Scale,
        kinds.Tanh,
        kinds.TransposedConvolution,
        kinds.Upsample,
    )
}
_DEPTH = 8


def pack_network(network: Network, *, half: bool = True) -> bytes:
    """The file's bytes, weights in float16 or, where ``half`` is false, as they are in float32.

    Raises :class:`ModelError` where a weight is too large for float16.
    """
    tensors: dict[str, np.ndarray[Any, Any]] = {}
    described = {
        "format": _FORMAT,
        "preprocessing": dataclasses.asdict(network.preprocessing),
        "layers": _layer_entries(network.layers, "", tensors, half),
    }
    return pack_tensors(tensors, {KEY: json.dumps(described, separators=(",", ":"))})


def unpack_network(tensors: Tensors) -> Network:
    """The network in a file of ours. Raises :class:`ModelError` where it is none, or one that does not fit itself."""
    try:
        described = json.loads(tensors.metadata.get(KEY, ""))
        if described["format"] != _FORMAT:
            raise ModelError(f"the network is stored in format {described['format']!r:.20}; update impasto")
        facts = {name: _as_tuples(value) for name, value in described["preprocessing"].items()}
        layers = _layers(described["layers"], "", tensors, _DEPTH)
        return Network(layers, Preprocessing(**facts))
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError, OverflowError) as error:
        raise ModelError(f"the file holds no network of ours ({type(error).__name__}); export it again") from error


def _layer_entries(
    layers: tuple[Layer, ...], prefix: str, tensors: dict[str, np.ndarray[Any, Any]], half: bool
) -> list[dict[str, Any]]:
    described = []
    for number, layer in enumerate(layers):
        place = f"{prefix}{number}"
        entry: dict[str, Any] = {"kind": layer.kind}
        for field in dataclasses.fields(layer):
            value = getattr(layer, field.name)
            if isinstance(value, np.ndarray):
                tensors[f"{place}.{field.name}"] = _as_float16(value, place) if half else value
            elif isinstance(layer, Residual) and field.name == "body":
                entry["body"] = _layer_entries(layer.body, f"{place}.", tensors, half)
            else:
                entry[field.name] = value
        described.append(entry)
    return described


def _as_float16(array: kinds.Array, place: str) -> np.ndarray[Any, Any]:
    if np.abs(array).max() > np.finfo(np.float16).max:
        raise ModelError(f"layer {place} has weights too large for float16; store the network in float32")
    return array.astype(np.float16)


def _layers(entries: Any, prefix: str, tensors: Tensors, depth: int) -> tuple[Layer, ...]:
    if depth < 0 or not isinstance(entries, list):
        raise ModelError("the file's list of layers is malformed; export the network again")
    return tuple(_layer(entry, f"{prefix}{number}", tensors, depth) for number, entry in enumerate(entries))


def _layer(entry: Any, place: str, tensors: Tensors, depth: int) -> Layer:
    kind = _KINDS.get(str(entry.get("kind")))
    if kind is None:
        raise ModelError(f"layer {place} is of a kind that is not known: {str(entry.get('kind'))[:40]!r}")
    types = get_type_hints(kind)
    values: dict[str, Any] = {}
    for field in dataclasses.fields(kind):
        if types[field.name] == kinds.Array:
            values[field.name] = tensors.read(f"{place}.{field.name}")
        elif field.name == "body":
            values["body"] = _layers(entry["body"], f"{place}.", tensors, depth - 1)
        elif types[field.name] is float:
            values[field.name] = float(entry[field.name])
        else:
            values[field.name] = _as_tuples(entry[field.name])
    return kind(**values)


def _as_tuples(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
