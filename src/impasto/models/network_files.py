"""The format of a network's file, recognised by its content and never by its name."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from impasto.errors import ModelError
from impasto.inference.ir.network import Network
from impasto.inference.ir.safetensors_file import Tensors
from impasto.inference.ir.stored import KEY, unpack_network
from impasto.models.architectures.johnson import network_of_torch7
from impasto.models.architectures.transformer_net import network_of_state
from impasto.models.formats.state_dict import LEGACY, read_checkpoint
from impasto.models.formats.strided_tensor import Strided
from impasto.models.formats.torch7 import read_torch7
from impasto.models.mistaken_files import describe_mistaken_file
from impasto.picture.pipes import is_pipe

__all__ = ["FORMATS", "Format", "format_of", "read_file", "read_network"]

_BYTES = 2**28
"""A network of the family takes 2 to 30 MB."""


@dataclass(frozen=True, slots=True)
class Format:
    """How files of a format begin, and what makes a network of their bytes; raises :class:`ModelError`.

    ``graph`` marks those that hold a graph of any make instead of layers, and are read by trying
    (:mod:`impasto.models.probing.isolated_probe`).
    """

    name: str
    begins: re.Pattern[bytes]
    read: Callable[[bytes], Network]
    graph: bool = False


def read_network(source: Path | bytes) -> Network:
    """The network in a file: Torch7's ``.t7``, PyTorch's ``.pth``, or ``.safetensors``, PyTorch's or our own.

    Nothing that is in it is run. Raises :class:`ModelError`, which names what was found, where the file cannot be
    read, is broken, or holds no network of the kind that Johnson et al. 2016 describe.
    """
    if isinstance(source, bytes):
        return format_of(source).read(source)
    data = read_file(source)
    try:
        return format_of(data).read(data)
    except ModelError as error:
        raise ModelError(f"{source.name}: {error}") from error


def read_file(file: Path) -> bytes:
    """The bytes of a file, of which no more are read than a network takes. Raises :class:`ModelError`."""
    if file.is_dir():
        raise ModelError(f"{file} is a folder; give the file of a network")
    if is_pipe(file):
        raise ModelError(f"{file} is a pipe, which is read once only; give a file")
    try:
        with file.open("rb") as stream:
            return stream.read(_BYTES + 1)
    except OSError as error:
        raise ModelError(f"{file} cannot be read: {error.strerror or error}") from error


def format_of(data: bytes) -> Format:
    """The format of the file that ``data`` is. Raises :class:`ModelError` where it is none that is known."""
    if len(data) > _BYTES:
        raise ModelError(f"the file is larger than {_BYTES // 2**20} MB; networks of this kind take 2 to 30")
    for entry in FORMATS:
        if entry.begins.match(data):
            return entry
    if said := describe_mistaken_file(data):
        raise ModelError(f"the file is of no format that is known: it is {said}")
    known = "Torch7's .t7, PyTorch's .pth, .safetensors, ONNX and TensorFlow Lite"
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


def _graph(name: str, begins: bytes) -> Format:
    what = f"a model of {name}, a graph instead of layers; add it with: impasto models add FILE"
    return Format(name, re.compile(begins, re.DOTALL), _refused(what), graph=True)


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
    _graph("TensorFlow Lite", rb".{4}TFL3"),
    _format("HDF5", rb"\x89HDF\r\n\x1a\n", _refused("a Keras model; give Torch7's .t7 or PyTorch's .pth")),
    _format("pickle", rb"\x80[\x02-\x05]", _refused("a pickle, which might run; save a state_dict() with torch.save")),
    _format("safetensors", rb".{3}[\x00-\x0f]\x00{4}\{", _safetensors),
    _format("Torch7", rb"[\x00-\x08]\x00{3}", _torch7),
    _format("Torch7 in ASCII", rb"[0-8]\r?\n", _torch7),
    _graph("ONNX", _ONNX),
]
"""In the order in which they are tried; the first whose beginning matches reads the file."""
