"""Networks of one style: a file in OpenCV's DNN, as the public tutorial runs it; the same file here; one of ours."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from impasto.bench.measurement import Figure, alternate
from impasto.errors import MissingExtra, ModelError
from impasto.inference.ir.compose import compose
from impasto.inference.openvino import op, ov
from impasto.inference.tileable_graph import TileableGraph
from impasto.instant.network import open_network
from impasto.models import models
from impasto.models.network_files import read_network

__all__ = ["johnson_network", "per_style_figures"]

_SIZE = (480, 640)
"""Rows and columns: what the tutorial scales photographs to."""


def per_style_figures(file: Path, rounds: int) -> list[Figure]:
    """Figures of ``file``, a Torch7 network, and of the first network of one style that ships.

    Raises :class:`ModelError` where the file is not a supported network.
    """
    network = read_network(file)
    rows, columns = (-(-side // network.multiple) * network.multiple for side in _SIZE)
    content = np.random.default_rng(0).random((1, 3, rows, columns), np.float32)
    converted = TileableGraph(lambda: compose(network))
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


def johnson_network() -> ov.Model:
    """32/64/128 channels, 9x9 ends, five residual blocks, instance norm, reflected borders, nearest upsampling.

    Speed does not depend on the weights, so they are random. Takes and gives ``(1, 3, H, W)``.
    """
    random = np.random.default_rng(0)
    picture = op.parameter([1, 3, -1, -1], np.float32, name="content")

    def convolve(x: Any, inputs: int, outputs: int, size: int, stride: int = 1) -> Any:
        weights = random.normal(0, (inputs * size * size) ** -0.5, (outputs, inputs, size, size)).astype(np.float32)
        edge = np.array([0, 0, size // 2, size // 2])
        x = op.pad(x, edge, edge, "reflect")
        return op.convolution(x, weights, [stride, stride], [0, 0], [0, 0], [1, 1])

    def normalise(x: Any, channels: int) -> Any:
        x = op.mvn(x, np.array([2, 3]), True, 1e-5, "INSIDE_SQRT")
        scale, shift = (random.uniform(0.5, 1.5, (1, channels, 1, 1)).astype(np.float32) for _ in range(2))
        return op.add(op.multiply(x, scale), shift)

    def enlarge(x: Any) -> Any:
        return op.interpolate(x, np.array([2.0, 2.0], np.float32), "nearest", "scales", axes=np.array([2, 3]),
                              coordinate_transformation_mode="asymmetric", nearest_mode="floor")  # fmt: skip

    x: Any = picture
    for inputs, outputs, size, stride in ((3, 32, 9, 1), (32, 64, 3, 2), (64, 128, 3, 2)):
        x = op.relu(normalise(convolve(x, inputs, outputs, size, stride), outputs))
    for _ in range(5):
        y = op.relu(normalise(convolve(x, 128, 128, 3), 128))
        x = op.add(x, normalise(convolve(y, 128, 128, 3), 128))
    for inputs, outputs in ((128, 64), (64, 32)):
        x = op.relu(normalise(convolve(enlarge(x), inputs, outputs, 3), outputs))
    return ov.Model([convolve(x, 32, 3, 9)], [picture], "johnson")
