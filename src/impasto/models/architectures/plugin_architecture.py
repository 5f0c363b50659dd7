"""Architectures of plugins: each is shown the weights of a file that is of none of ours."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Protocol, cast

from impasto.errors import ModelError
from impasto.inference.ir.layers import Array
from impasto.inference.ir.network import Network
from impasto.models.formats.strided_tensor import Allowance, Strided
from impasto.plugins import Plugin, plugins

__all__ = ["Recognise", "network_of_plugin"]


class Recognise(Protocol):
    """What the entry points of the group ``impasto.models`` are: functions that know an architecture by its weights."""

    def __call__(self, state: Mapping[str, Array], /) -> Network | None:
        """The network that a file holds; None where it is of another architecture.

        ``state`` are the file's tensors by name, NumPy arrays of float32 in the shapes they are stored in, such as
        ``(O, I, h, w)`` of a convolution. Names are free, for an array is read when it is asked for. Raises
        :class:`ModelError`, with a sentence for the user, where the architecture is this one and the file is not whole.
        """
        ...


class _State(Mapping[str, Array]):
    """The tensors of a file, each copied out of it when it is first asked for, and within bounds."""

    def __init__(self, state: Mapping[str, Strided], size: int) -> None:
        self._state, self._allowance = state, Allowance(size)
        self._read: dict[str, Array] = {}

    def __getitem__(self, name: str) -> Array:
        if name not in self._read:
            self._read[name] = self._allowance.take(self._state[name], name)
        return self._read[name]

    def __contains__(self, name: object) -> bool:
        return name in self._state

    def __iter__(self) -> Iterator[str]:
        return iter(self._state)

    def __len__(self) -> int:
        return len(self._state)


def network_of_plugin(state: Mapping[str, Strided], size: int) -> tuple[Network | None, list[str]]:
    """The network that the first plugin recognises in a state dict, with the plugin's name as its family.

    ``size`` is the file's, in bytes. Plugins that fail are passed over; what they failed with comes second. Raises
    :class:`ModelError` where one says that the file is its own, and broken.
    """
    failures: list[str] = []
    for plugin in plugins("impasto.models"):
        try:
            found = _asked(plugin, state, size)
        except _Failure as failure:
            failures.append(str(failure))
            continue
        if found is not None:
            return dataclasses.replace(found, family=plugin.name), failures
    return None, failures


class _Failure(Exception):
    """A plugin cannot be asked; the message says why."""


def _asked(plugin: Plugin, state: Mapping[str, Strided], size: int) -> Network | None:
    try:
        recognise = cast(Recognise, plugin.load())
    except ModelError as error:
        raise _Failure(str(error)) from error
    try:
        found = recognise(_State(state, size))
    except ModelError:
        raise
    except Exception as error:
        raise _Failure(str(plugin.failed(error))) from error
    if found is not None and not isinstance(found, Network):
        raise _Failure(str(plugin.refused(found, "a function that returns an impasto.models.architectures.Network")))
    return found
