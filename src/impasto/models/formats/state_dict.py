"""Checkpoint: PyTorch's files of weights, the zip archives of today and the runs of pickles before version 1.6."""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np

from impasto.errors import ModelError
from impasto.models.formats.pickle_reader import STORAGES, Described, unpickle
from impasto.models.formats.strided_tensor import Strided
from impasto.models.formats.zip_reader import Archive

__all__ = ["LEGACY", "read_checkpoint"]

LEGACY = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."
"""How files before version 1.6 begin: a pickle of one large number."""

_WRAPPERS = (
    "state_dict",
    "model_state_dict",
    "model",
    "net",
    "network",
    "transformer",
    "generator",
    "params",
    "weights",
)
_SEARCHED = 3
_PICKLED = 2**23
"""Bytes of pickle, which describes the weights and does not hold them: a thousand tensors take a fortieth."""


def read_checkpoint(data: bytes) -> dict[str, Strided]:
    """The tensors of the state dict that ``data``, the file, holds, by name; tensors are windows on ``data``.

    One that is kept under a name such as ``state_dict`` beside other things is found. Raises :class:`ModelError` where
    the file is broken, holds no state dict, or more than one may read without running it.
    """
    if data.startswith(LEGACY):
        root, storages = _read_legacy(data)
    else:
        root, storages = _read_zip(data)
    state = _state(root, _SEARCHED)
    if state is None:
        raise ModelError(
            f"the file holds no state dict but {_describe_root(root)}; save the network's state_dict() alone"
        )
    opened: dict[str, np.ndarray[Any, Any]] = {}
    return {name: _window(tensor, storages, opened) for name, tensor in state.items()}


Storages = Mapping[str, memoryview]


def _read_zip(data: bytes) -> tuple[Any, Storages]:
    archive = Archive(data)
    names = archive.names
    pickles = [name for name in names if name == "data.pkl" or name.endswith("/data.pkl")]
    if len(pickles) != 1:
        raise ModelError("the file is a zip archive, and none of PyTorch's weights; give a .pth of a state dict")
    prefix = pickles[0].removesuffix("data.pkl")
    if f"{prefix}constants.pkl" in names:
        raise ModelError("the file is a TorchScript program, which is not run; save the network's state_dict() instead")
    if f"{prefix}byteorder" in names and bytes(archive.read(f"{prefix}byteorder")).strip() != b"little":
        raise ModelError("the file was written on a big-endian machine; save it on another")
    described = archive.read(pickles[0])
    if len(described) > _PICKLED:
        raise ModelError(f"the file describes its weights in {len(described)} bytes; at most {_PICKLED} are allowed")
    root = unpickle(io.BytesIO(described))
    wanted = {tensor.storage.key for tensor in (_state(root, _SEARCHED) or {}).values()}
    return root, {key: archive.read(f"{prefix}data/{key}") for key in wanted}


def _read_legacy(data: bytes) -> tuple[Any, Storages]:
    stream = io.BytesIO(data[:_PICKLED])
    unpickle(stream)
    if unpickle(stream) != 1001:
        raise ModelError("the file is of a version of PyTorch's format that is not known; save it again")
    system = unpickle(stream)
    if isinstance(system, dict) and system.get("little_endian") is False:
        raise ModelError("the file was written on a big-endian machine; save it on another")
    root, keys = unpickle(stream), unpickle(stream)
    state = _state(root, _SEARCHED) or {}
    sizes = {t.storage.key: np.dtype(STORAGES[t.storage.type]).itemsize for t in state.values()}
    storages: dict[str, memoryview] = {}
    at = stream.tell()
    for key in keys if isinstance(keys, list) else ():
        if not isinstance(key, str) or key not in sizes or len(data) - at < 8:
            # The length of what is not weights is not known.
            break
        (count,) = struct.unpack_from("<q", data, at)
        stop = at + 8 + count * sizes[key]
        if count < 0 or stop > len(data):
            raise ModelError("the file ends within the weights; get it again")
        storages[key] = memoryview(data)[at + 8 : stop]
        at = stop
    return root, storages


def _state(root: Any, depth: int) -> dict[str, Described] | None:
    """The first dict of tensors: ``root``, or what it has under a name that is usual for one."""
    if not isinstance(root, dict):
        return None
    tensors = {key: value for key, value in root.items() if isinstance(key, str) and isinstance(value, Described)}
    if tensors:
        return tensors
    for name in _WRAPPERS if depth else ():
        found = _state(root.get(name), depth - 1)
        if found:
            return found
    return None


def _window(tensor: Described, storages: Storages, opened: dict[str, np.ndarray[Any, Any]]) -> Strided:
    stored = tensor.storage
    code = np.dtype(STORAGES[stored.type])
    if stored.key not in storages:
        raise ModelError("the file has lost some of its weights; get it again")
    if stored.key not in opened:
        whole = storages[stored.key]
        opened[stored.key] = np.frombuffer(whole[: len(whole) // code.itemsize * code.itemsize], code)
    values = opened[stored.key]
    if values.dtype != code or values.size < stored.count:
        raise ModelError("the file's weights are shorter than it says; get it again")
    return Strided(tensor.shape, tensor.strides, tensor.offset, values, stored.type == "BFloat16Storage")


def _describe_root(root: Any) -> str:
    if isinstance(root, dict):
        names = ", ".join(sorted(key[:40] for key in root if isinstance(key, str))[:6])
        return f"a dict of {names or len(root)}"
    return f"a {type(root).__name__.lower()}"
