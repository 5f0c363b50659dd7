"""The runtime's memory: pictures of ever new sizes, in a process that lives long, take no more and more of it."""

from __future__ import annotations

import subprocess
import sys

_PAINTS = """
import numpy as np, openvino as ov, psutil
from openvino import opset13 as op
from impasto.inference.graph import Compiled

random = np.random.default_rng(0)
x = content = op.parameter([-1, 3, -1, -1], np.float32, name="content")
for inputs in (3, *[16] * 11):
    weight = random.normal(0, 0.1, (16, inputs, 3, 3)).astype(np.float32)
    x = op.mvn(op.relu(op.convolution(x, weight, [1, 1], [1, 1], [1, 1], [1, 1])), np.array([2, 3]), True, 1e-5,
               "INSIDE_SQRT")
network = Compiled(ov.Model([op.result(x)], [content], "network"), "f32")
sizes = [(height, width) for height in range(16, 48) for width in range(16, 48)]
before = 0
for number, size in enumerate(sizes):
    network([np.zeros((1, 3, *size), np.float32)])
    if number == len(sizes) // 2:
        before = psutil.Process().memory_info().rss
print((psutil.Process().memory_info().rss - before) // 2**20)
"""


def test_memory_does_not_grow_with_every_new_size_of_pictures() -> None:
    """512 sizes more: 90 MiB where all that is made for a size is kept."""
    done = subprocess.run([sys.executable, "-c", _PAINTS], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 40
