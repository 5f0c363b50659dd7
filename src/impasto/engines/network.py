"""Network: what a painter drives, in the three forms that it is needed in."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Literal, Protocol

import numpy as np

from impasto.models import Model
from impasto.runtime.graph import Array, Graph, open_graph

__all__ = ["Conditioned", "Network", "Precision"]

Precision = Literal["auto", "bf16", "f32"]


class Network(Protocol):
    """Pictures are ``(N, 3, H, W)`` in 0..1, sides multiples of ``multiple``; pixels reach ``margin`` pixels far.

    ``code`` says in which style, where there is more than one. Safe to use from several threads.
    """

    multiple: int
    margin: int

    @property
    def runtime(self) -> tuple[str, str]:
        """Runtime and precision in use."""

    def forward(self, content: Array, code: Array) -> Array:
        """The pastiche of a whole picture."""

    def measure(self, content: Array, code: Array) -> Any:
        """The statistics of samples of one picture."""

    def apply(self, content: Array, code: Array, statistics: Any) -> Array:
        """The pastiche of a part of the picture that has those statistics."""

    def release(self) -> None:
        """Give back the memory that parts took."""


class Conditioned:
    """The transfer graph of a model of our own: its statistics are an input and an output of it."""

    def __init__(self, model: Model, precision: Precision) -> None:
        self._file, self._precision = model.file("transfer"), precision
        self.multiple, self.margin = int(model.rules["multiple"]), int(model.rules["margin"])
        self._blank = np.ones((1, int(model.rules["statistics"])), np.float32)

    @property
    def runtime(self) -> tuple[str, str]:
        return self._plain.runtime, self._plain.precision

    def forward(self, content: Array, code: Array) -> Array:
        return self._plain(content=content, code=code)["pastiche"]

    def measure(self, content: Array, code: Array) -> Array:
        measured = self._measure(content=content, code=code)["measured"]
        # As much as a tile takes, and it would be held until the picture is done.
        self._measure.release()
        return measured

    def apply(self, content: Array, code: Array, statistics: Array) -> Array:
        return self._apply(content=content, code=code, statistics=statistics)["pastiche"]

    def release(self) -> None:
        self._apply.release()

    @cached_property
    def _plain(self) -> Graph:
        """Measures its statistics and forgets them: the fastest, for a picture in one pass."""
        return self._open(["pastiche"], given=False, statistics=self._blank)

    @cached_property
    def _measure(self) -> Graph:
        return self._open(["measured"], given=False, statistics=self._blank)

    @cached_property
    def _apply(self) -> Graph:
        return self._open(["pastiche"], given=True)

    def _open(self, outputs: list[str], *, given: bool, statistics: Array | None = None) -> Graph:
        fixed = {"given": np.array([[given]])}
        if statistics is not None:
            fixed["statistics"] = statistics
        return open_graph(self._file, outputs, precision=self._precision, fixed=fixed)
