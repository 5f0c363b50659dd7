"""Core: OpenVINO, once for the process."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import openvino as ov

__all__ = ["core"]


@cache
def core() -> ov.Core:
    """The OpenVINO core of this process, created at the first use.

    Each puts the stack that signals are handled on elsewhere, and back when it goes; where an older one went before a
    younger, the stack is put back to memory that is free by then, and the next Ctrl-C is a crash.
    """
    from impasto.inference.openvino import ov

    return ov.Core()
