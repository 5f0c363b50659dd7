"""Network: what a painter drives, in the three forms that it is needed in."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Protocol

import numpy as np

from impasto.errors import ModelError
from impasto.inference.graph import Array, Graph, Precision, open_graph
from impasto.inference.tileable_graph import TileableGraph
from impasto.models import Model
from impasto.models.model import PAINTERS

__all__ = ["ConditionedGraph", "ForeignGraph", "Network", "Precision", "check_paints", "open_network"]


class Network(Protocol):
    """Pictures are ``(N, 3, H, W)`` in 0..1, sides multiples of ``multiple`` and at least ``smallest``; a pixel of the
    pastiche looks ``margin`` pixels far.

    ``code`` ``(1, codes)`` says in which style; None where there is only one. Safe to use from several threads.
    """

    multiple: int
    margin: int
    smallest: int

    @property
    def runtime(self) -> tuple[str, str]:
        """Runtime and precision in use."""

    def forward(self, content: Array, code: Array | None) -> Array:
        """The pastiche of a whole picture."""

    def measure(self, content: Array, code: Array | None) -> Any:
        """The statistics of samples of one picture."""

    def apply(self, content: Array, code: Array | None, statistics: Any) -> Array:
        """The pastiche of a part of the picture that has those statistics."""

    def release(self) -> None:
        """Give back the memory that parts took."""


def open_network(model: Model, precision: Precision = "auto") -> Network:
    """The network of a model of kind ``arbitrary`` or ``per-style``. Raises :class:`ModelError` for another."""
    check_paints(model)
    form = model.rules.get("form", "own")
    if form not in ("own", *_LOADERS):
        raise ModelError(f"{model.identity} is stored in a form that is not known, {form!r}; update impasto")
    return ConditionedGraph(model, precision) if form == "own" else ForeignGraph(model, precision)


def check_paints(model: Model) -> None:
    """Raises :class:`ModelError` for one whose kind is none of :data:`PAINTERS`."""
    if model.kind not in PAINTERS:
        raise ModelError(f"{model.identity} is a model of kind {model.kind}, which does not paint; give one that does")


class _ManifestSizes:
    """What a manifest says of the sizes of pictures."""

    def __init__(self, model: Model) -> None:
        self.multiple, self.margin = int(model.rules["multiple"]), int(model.rules["margin"])
        self.smallest = int(model.rules.get("smallest", self.multiple))


class ConditionedGraph(_ManifestSizes):
    """The graph of a model of our own: its statistics are an input and an output of it."""

    def __init__(self, model: Model, precision: Precision) -> None:
        super().__init__(model)
        self._file = model.file("transfer" if model.kind == "arbitrary" else "network")
        self._precision = precision
        self._blank = np.ones((1, int(model.rules["statistics"])), np.float32)

    @property
    def runtime(self) -> tuple[str, str]:
        return self._plain.runtime, self._plain.precision

    def forward(self, content: Array, code: Array | None) -> Array:
        return self._plain(content=content, **_style(code))["pastiche"]

    def measure(self, content: Array, code: Array | None) -> Array:
        measured = self._measure(content=content, **_style(code))["measured"]
        # As much as a tile takes, and it would be held until the picture is done.
        self._measure.release()
        return measured

    def apply(self, content: Array, code: Array | None, statistics: Array) -> Array:
        return self._apply(content=content, statistics=statistics, **_style(code))["pastiche"]

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


class ForeignGraph(_ManifestSizes):
    """The graph of a model that others made, on the processor: its statistics are found in it."""

    def __init__(self, model: Model, precision: Precision) -> None:
        super().__init__(model)
        load = _LOADERS[model.rules["form"]]
        self._repainter = TileableGraph(lambda: load(model), precision)

    @property
    def runtime(self) -> tuple[str, str]:
        return "openvino", self._repainter.precision

    def forward(self, content: Array, code: Array | None) -> Array:
        return self._repainter.forward(content, *_style(code).values())

    def measure(self, content: Array, code: Array | None) -> list[Array]:
        return self._repainter.measure(content, *_style(code).values())

    def apply(self, content: Array, code: Array | None, statistics: list[Array]) -> Array:
        return self._repainter.apply(content, *_style(code).values(), statistics=statistics)

    def release(self) -> None:
        self._repainter.release()


def _style(code: Array | None) -> dict[str, Array]:
    return {} if code is None else {"code": code}


def _layers(model: Model) -> Any:
    from impasto.inference.ir.compose import compose
    from impasto.inference.ir.safetensors_file import Tensors
    from impasto.inference.ir.stored import unpack_network

    return compose(unpack_network(Tensors(model.file("network").read_bytes())), model.identity)


def _graph(model: Model) -> Any:
    from impasto.inference.ir.adapting import adapt
    from impasto.inference.ir.network import Preprocessing
    from impasto.inference.ir.style_choice import choose_style

    facts: dict[str, Any] = dict(model.rules["preprocessing"])
    facts |= {name: tuple(value) for name, value in facts.items() if isinstance(value, list)}
    graph, index = _read(model, "network"), model.rules.get("index")
    graph = graph if index is None else choose_style(graph, int(index))
    return adapt(graph, Preprocessing(**facts), fixed="fixed" in model.rules)


def _pair(model: Model) -> Any:
    from impasto.inference.ir.adapting import adapt_transfer

    return adapt_transfer(_read(model, "transfer"))


def _read(model: Model, part: str) -> Any:
    from impasto.inference.openvino_core import core

    file = model.file(part)
    try:
        return core().read_model(str(file))
    except RuntimeError as error:
        raise ModelError(f"{file.name} of {model.identity} cannot be read; get the model again") from error


_LOADERS = {"layers": _layers, "graph": _graph, "pair": _pair}
