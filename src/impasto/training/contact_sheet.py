"""Sheet: pictures side by side, to look at while a network learns."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from impasto.picture.files import write_atomically

__all__ = ["sheet", "write_sheet"]


def sheet(rows: Sequence[Sequence[Tensor]]) -> Image.Image:
    """One picture of rows of pictures ``(3, H, W)`` in 0..1: all of a row are of one height, all rows of one width."""
    whole = torch.cat([torch.cat(list(row), 2) for row in rows], 1).float().clamp(0, 1)
    return Image.fromarray((whole.permute(1, 2, 0).cpu().numpy() * 255 + 0.5).astype(np.uint8))


def write_sheet(rows: Sequence[Sequence[Tensor]], *files: Path) -> None:
    """Write it as JPEG, whole at every moment."""
    stream = io.BytesIO()
    sheet(rows).save(stream, "JPEG", quality=88)
    for file in files:
        write_atomically(file, stream.getvalue())
