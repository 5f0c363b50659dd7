"""The measure of speed: a Johnson et al. 2016 network with random weights, in our own runtime."""

from __future__ import annotations

from typing import Any

import numpy as np

from impasto.inference.openvino import op, ov

__all__ = ["johnson_network"]


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
