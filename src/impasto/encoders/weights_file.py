"""Weights: a file of tensors by name, ``.npz`` or ``.safetensors``, of which only what is asked for is read."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from impasto.encoders.encoder import DEEPEST, STYLE_LAYERS
from impasto.models.mistaken_files import describe_mistaken_file

__all__ = ["SUFFIXES", "Weights", "style_layers"]

SUFFIXES = (".npz", ".safetensors")


class Weights:
    """What a file holds: ``names`` of its tensors, and texts about them in ``metadata`` (``.safetensors`` alone).

    Neither format can carry code: NumPy's pickled objects are refused.
    """

    names: frozenset[str]
    metadata: dict[str, str]

    def __init__(self, path: Path) -> None:
        """Raises ``ValueError`` for a file of another format or a broken one, ``OSError`` where it cannot be read."""
        self.path = path
        if path.suffix.lower() not in SUFFIXES:
            raise ValueError(f"{path} is not a file of weights; give an .npz or a .safetensors")
        with path.open("rb") as stream:
            if said := describe_mistaken_file(stream.read(512)):
                raise ValueError(f"{path} is {said}")
        self.names, self.metadata = self._open(lambda file: (frozenset(file.keys()), _metadata(file)))

    def read(self, names: Iterable[str]) -> dict[str, Tensor]:
        """Those of ``names`` that there are, in the precision that they are stored in. Raises as the constructor."""
        wanted = [name for name in names if name in self.names]
        found: dict[str, Tensor] = self._open(lambda file: {name: _tensor(file, name) for name in wanted})
        return found

    def _open(self, use: Callable[[Any], Any]) -> Any:
        if self.path.suffix.lower() == ".npz":
            try:
                # Opened here, so that it is closed whatever NumPy makes of it.
                with self.path.open("rb") as stream:
                    file = np.load(stream)
                    if not isinstance(file, np.lib.npyio.NpzFile):
                        raise ValueError("one array alone")
                    return use(file)
            except (ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as error:
                raise ValueError(f"{self.path} is not an .npz that can be read ({error}); get it again") from error
        try:
            with safe_open(self.path, "pt") as opened:
                return use(opened)
        except SafetensorError as error:
            raise ValueError(f"{self.path} is broken ({error}); get it again") from error


def _metadata(file: Any) -> dict[str, str]:
    return {} if isinstance(file, np.lib.npyio.NpzFile) else dict(file.metadata() or {})


def _tensor(file: Any, name: str) -> Tensor:
    if isinstance(file, np.lib.npyio.NpzFile):
        return torch.from_numpy(file[name])
    tensor = file.get_tensor(name)
    assert isinstance(tensor, Tensor)
    return tensor


def style_layers(weights: Path) -> tuple[str, ...]:
    """The layers of VGG that a file has the weights of, to compare styles by: to relu5_1, or to relu4_1."""
    return STYLE_LAYERS + ((DEEPEST,) if f"conv{DEEPEST[4:]}.weight" in Weights(weights).names else ())
