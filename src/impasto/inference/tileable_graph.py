"""TileableGraph: a graph from a picture to its pastiche, in the forms that painting in tiles takes."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from impasto.inference.graph import Array, Compiled, Precision
from impasto.inference.ir.statistics import accept_statistics, measure_statistics

if TYPE_CHECKING:
    import openvino as ov

__all__ = ["TileableGraph"]


class TileableGraph:
    """Runs what ``load`` gives, again at every call: a graph that takes ``content`` ``(N, 3, H, W)`` in 0..1, perhaps
    with a style's numbers after it, and gives the pastiche.

    Safe to use from several threads. Each form is made when it is first needed.
    """

    def __init__(self, load: Callable[[], ov.Model], precision: Precision = "auto") -> None:
        self._load, self._lock = load, precision

    @property
    def precision(self) -> str:
        """``"bf16"`` or ``"f32"``."""
        return self._plain.precision

    def forward(self, content: Array, *code: Array) -> Array:
        """The pastiche of a whole picture."""
        return self._plain([content, *code])[0]

    def measure(self, content: Array, *code: Array) -> list[Array]:
        """The statistics of samples of one picture, all of one size."""
        form, takes_many = self._measure
        if not takes_many:
            content = np.concatenate(list(content[:, None]), 3)  # one wide picture
        _, *found = form([content, *code])
        # As much as a tile takes, and it would be held until the picture is done.
        form.release()
        return found

    def apply(self, content: Array, *code: Array, statistics: list[Array]) -> Array:
        """The pastiche of a part of the picture that has those statistics."""
        return self._apply([content, *code, *statistics])[0]

    def release(self) -> None:
        """Give back the memory that parts took."""
        self._apply.release()

    @cached_property
    def _plain(self) -> Compiled:
        return Compiled(self._load(), self._lock)

    @cached_property
    def _measure(self) -> tuple[Compiled, bool]:
        """The form that measures, and whether it takes several samples at once."""
        model = self._load()
        measure_statistics(model)
        return Compiled(model, self._lock), model.get_parameters()[0].get_partial_shape()[0].is_dynamic

    @cached_property
    def _apply(self) -> Compiled:
        return Compiled(accept_statistics(self._load()), self._lock)
