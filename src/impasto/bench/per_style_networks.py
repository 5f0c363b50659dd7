"""Networks of one style: a file in OpenCV's DNN, as the public tutorial runs it; the same file here; one of ours."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from impasto.bench.figure import Figure, alternate
from impasto.errors import MissingExtra, ModelError
from impasto.inference.ir.compose import compose
from impasto.inference.tileable_graph import Repainter
from impasto.instant.network import open_network
from impasto.models import models
from impasto.models.network_files import read_network

__all__ = ["onestyle"]

_SIZE = (480, 640)
"""Rows and columns: what the tutorial scales photographs to."""


def onestyle(file: Path, rounds: int) -> list[Figure]:
    """Figures of ``file``, a Torch7 network, and of the first network of one style that ships.

    Raises :class:`ModelError` where the file is no such network.
    """
    network = read_network(file)
    rows, columns = (-(-side // network.multiple) * network.multiple for side in _SIZE)
    content = np.random.default_rng(0).random((1, 3, rows, columns), np.float32)
    converted = Repainter(lambda: compose(network))
    calls: dict[str, Callable[[], object]] = {"converted": lambda: converted.forward(content)}
    own = next((model for model in models() if model.kind == "per-style"), None)
    if own is not None:
        ours = open_network(own)
        calls["ours"] = lambda: ours.forward(content, None)
    try:
        calls["opencv"] = _opencv(file, content)
    except MissingExtra as error:
        return [Figure("network of one style", None, note=str(error))]
    found = alternate(calls, rounds)
    where = f"{rows}x{columns}, {converted.precision}"
    against = "OpenCV"
    figures = [Figure("network of one style, converted", found["converted"], "ms",
                      found["converted"] / found["opencv"], against, f"{file.name}, {where}")]  # fmt: skip
    if own is not None:
        ratio = found["ours"] / found["opencv"]
        figures.append(
            Figure("network of one style, ours", found["ours"], "ms", ratio, against, f"{own.identity}, {where}")
        )
    return [*figures, Figure("OpenCV DNN", found["opencv"], note=f"{file.name}, {rows}x{columns}, f32")]


def _opencv(file: Path, content: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> Callable[[], object]:
    try:
        import cv2
    except ImportError as error:
        raise MissingExtra("the comparison with OpenCV", "bench") from error
    try:
        net = cv2.dnn.readNetFromTorch(str(file))
    except (AttributeError, cv2.error) as error:
        raise ModelError(f"{file.name} cannot be read by OpenCV {cv2.__version__}; give a .t7, and OpenCV 4") from error

    def call() -> object:
        net.setInput(255 * content)
        return net.forward()

    return call
