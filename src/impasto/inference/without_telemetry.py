"""Imports libraries that have telemetry without it."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from threading import RLock
from typing import Any

__all__ = ["quiet"]

_REPORTER = "openvino_telemetry"
"""The package by which OpenVINO sends an event, and keeps an id in the home folder, when it is imported. Without it
OpenVINO does neither."""
_SWITCH = "ORT_DISABLE_TELEMETRY"
"""What ONNX Runtime looks at when it is imported, before it keeps an id and opens its uploader."""

_COMPILED = "TORCHINDUCTOR_CACHE_DIR"
"""Where torch makes the folder of its compiler when that is imported, which optimisers do though nothing is compiled;
by default a new one among the temporary files."""

_lock = RLock()


@contextmanager
def quiet() -> Iterator[None]:
    """Within, OpenVINO and ONNX Runtime are imported without their telemetry, and torch's optimisers without the folder
    of its compiler; afterwards the process is as it was.

    They ask once, when they are first imported. What a program had imported before it called Impasto is its own.
    """
    # One that is there need not be made.
    folder = os.environ.get(_COMPILED) or tempfile.gettempdir()
    # None makes an import fail as if there were no such package.
    reporter, switch = _replaced_attribute(sys.modules, _REPORTER, None), _replaced_attribute(os.environ, _SWITCH, "1")
    with _lock, reporter, switch, _replaced_attribute(os.environ, _COMPILED, folder):
        yield


@contextmanager
def _replaced_attribute(of: MutableMapping[str, Any], name: str, value: Any) -> Iterator[None]:
    """Let ``of`` have another ``value`` meanwhile."""
    was_there, before = name in of, of.get(name)
    of[name] = value
    try:
        yield
    finally:
        if was_there:
            of[name] = before
        else:
            del of[name]
