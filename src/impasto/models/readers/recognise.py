"""Recognise: which format a file is of, from what is in it and never from its name."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from impasto.errors import ModelError
from impasto.models.readers.checkpoint import LEGACY, read_checkpoint
from impasto.models.readers.johnson import network_of_torch7
from impasto.models.readers.strided import Strided
from impasto.models.readers.torch7 import read_torch7
from impasto.models.readers.transformer_net import network_of_state
from impasto.runtime.network import Network
from impasto.runtime.stored import KEY, unpack_network
from impasto.runtime.tensors import Tensors

__all__ = ["FORMATS", "Format", "read_network"]

_BYTES = 2**28
"""A network of the family takes 2 to 30 MB."""


@dataclass(frozen=True, slots=True)
class Format:
    """How files of a format begin, and what makes a network of their bytes; raises :class:`ModelError`."""

    name: str
    begins: re.Pattern[bytes]
    read: Callable[[bytes], Network]


def read_network(source: Path | bytes) -> Network:
    """The network in a file: Torch7's ``.t7``, PyTorch's ``.pth``, or ``.safetensors``, PyTorch's or our own.

    Nothing that is in it is run. Raises :class:`ModelError`, which names what was found, where the file cannot be
    read, is broken, or holds no network of the kind that Johnson et al. 2016 describe.
    """
    if isinstance(source, bytes):
        return _read(source)
    try:
        with source.open("rb") as stream:
            data = stream.read(_BYTES + 1)
    except OSError as error:
        raise ModelError(f"{source} cannot be read: {error.strerror or error}") from error
    try:
        return _read(data)
    except ModelError as error:
        raise ModelError(f"{source.name}: {error}") from error


def _read(data: bytes) -> Network:
    if len(data) > _BYTES:
        raise ModelError(f"the file is larger than {_BYTES // 2**20} MB; networks of this kind take 2 to 30")
    for entry in FORMATS:
        if entry.begins.match(data):
            return entry.read(data)
    known = "Torch7's .t7, PyTorch's .pth and .safetensors"
    raise ModelError(f"the file is of no format that is known: {known} are; it begins with {data[:8].hex(' ')}")


def _torch7(data: bytes) -> Network:
    return network_of_torch7(read_torch7(data), len(data))


def _checkpoint(data: bytes) -> Network:
    return network_of_state(read_checkpoint(data), len(data))


def _safetensors(data: bytes) -> Network:
    tensors = Tensors(data)
    if KEY in tensors.metadata:
        return unpack_network(tensors)
    return network_of_state({name: _strided(tensors.read(name)) for name in tensors.shapes}, len(data))


def _strided(array: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> Strided:
    strides = tuple(stride // array.itemsize for stride in array.strides)
    return Strided(array.shape, strides, 0, array.reshape(-1))


def _refused(what: str) -> Callable[[bytes], Network]:
    def refuse(data: bytes) -> Network:  # noqa: ARG001
        raise ModelError(f"the file is {what}")

    return refuse


def _format(name: str, begins: bytes, read: Callable[[bytes], Network]) -> Format:
    return Format(name, re.compile(begins, re.DOTALL), read)


_ONNX = rb"\x08[\x01-\x20][\x12\x1a\x22\x28\x32\x3a\x42]"

FORMATS = [
    _format("PyTorch", rb"PK\x03\x04", _checkpoint),
    _format("PyTorch before 1.6", re.escape(LEGACY), _checkpoint),
    _format("TensorFlow Lite", rb".{4}TFL3", _refused("a TensorFlow Lite model; give the network it was made of")),
    _format("HDF5", rb"\x89HDF\r\n\x1a\n", _refused("a Keras model; give Torch7's .t7 or PyTorch's .pth")),
    _format("pickle", rb"\x80[\x02-\x05]", _refused("a pickle, which might run; save a state_dict() with torch.save")),
    _format("safetensors", rb".{3}[\x00-\x0f]\x00{4}\{", _safetensors),
    _format("Torch7", rb"[\x00-\x08]\x00{3}", _torch7),
    _format("Torch7 in ASCII", rb"[0-8]\r?\n", _torch7),
    _format("ONNX", _ONNX, _refused("an ONNX model; give the network it was made of")),
]
"""In the order in which they are tried; the first whose beginning matches reads the file."""
