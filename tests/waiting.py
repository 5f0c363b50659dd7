"""Waiting for what must come true, however long a busy machine takes over it."""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["WAIT", "until"]

WAIT = 600.0
"""Seconds after which a test that hangs fails. It is not a limit of speed: the slowest of all ends in a tenth of it."""


def until(holds: Callable[[], object]) -> None:
    """Wait until ``holds`` says so."""
    deadline = time.monotonic() + WAIT
    while not holds():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.02)
