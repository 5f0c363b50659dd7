"""Pictures for tests: noise, and files of it."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from PIL import Image


def noise(width: int, height: int, channels: int = 3, seed: int = 0) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """``(height, width, channels)`` of uint8."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)


def saved(image: Image.Image, format_: str, **options: Any) -> bytes:
    """The bytes of a file; WebP without loss."""
    file = io.BytesIO()
    if format_ == "webp":
        options = {"lossless": True, "exact": True, **options}
    image.save(file, format_.upper(), **options)
    return file.getvalue()
