"""The other measure of speed: Magenta's int8 pair (Ghiasi et al. 2017) in LiteRT, as its tutorials run it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from impasto.errors import MissingExtra
from impasto.inference.machine import cores

__all__ = ["SIDE", "magenta_file", "magenta_transfer"]

SIDE = 384
"""Side of the square picture that the transfer network takes."""


def magenta_transfer(folder: Path) -> Callable[[], object]:
    """A call that runs the transfer network of ``folder/*transfer*.tflite`` once, style numbers given.

    Raises :class:`MissingExtra` without LiteRT and ``FileNotFoundError`` without the file.
    """
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError as error:
        raise MissingExtra("the comparison with Magenta", "bench") from error
    interpreter = Interpreter(model_path=str(magenta_file(folder, "transfer")), num_threads=cores())
    interpreter.allocate_tensors()
    random = np.random.default_rng(0)
    inputs = [(i["index"], random.random(i["shape"], np.float32)) for i in interpreter.get_input_details()]

    def call() -> object:
        for index, value in inputs:
            interpreter.set_tensor(index, value)
        interpreter.invoke()
        return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])

    return call


def magenta_file(folder: Path, part: str) -> Path:
    """The network ``part``, ``prediction`` or ``transfer``, in ``folder``. Raises ``FileNotFoundError``."""
    file = next(iter(sorted(folder.glob(f"*{part}*.tflite"))), None)
    if file is None:
        raise FileNotFoundError(f"{folder} has no *{part}*.tflite")
    return file
