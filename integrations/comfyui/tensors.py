"""Tensors: ComfyUI's images and masks as Impasto's pictures, and back.

An IMAGE is ``(B, H, W, C)`` float32 in 0..1, of 3 channels or 4; a MASK is ``(B, H, W)``, or ``(H, W)``.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from impasto import Picture

__all__ = ["images", "masks", "pictures"]

_PEAK = 65535


def pictures(images: Tensor) -> list[Picture]:
    """The images of a batch, with 16 bits a channel, so that nothing is rounded that could be seen.

    Raises ``ValueError`` for anything but a batch of images.
    """
    if images.ndim != 4 or images.shape[-1] not in (1, 3, 4):
        raise ValueError(f"the image is {tuple(images.shape)}; connect an IMAGE, (batch, height, width, channels)")
    return [Picture.from_array(array) for array in _whole(images)]


def masks(mask: Tensor | None, count: int) -> list[Picture | None]:
    """A mask for each of ``count`` images: its own, or the one there is. Their sizes are the engines' business.

    Raises ``ValueError`` where there are neither one nor as many.
    """
    if mask is None:
        return [None] * count
    batch = mask[None] if mask.ndim == 2 else mask
    if batch.ndim != 3 or len(batch) not in (1, count):
        raise ValueError(
            f"the mask is {tuple(mask.shape)} for {count} images; connect a MASK of one, or one for each of them"
        )
    found = [Picture.from_array(array) for array in _whole(batch)]
    return [found[0]] * count if len(found) == 1 else [*found]


def images(painted: list[Picture]) -> Tensor:
    """Pictures of one size as a batch."""
    return torch.stack([torch.from_numpy(picture.to_array().astype(np.float32) / picture.peak) for picture in painted])


def _whole(values: Tensor) -> np.ndarray[tuple[int, ...], np.dtype[np.uint16]]:
    # What nodes before this one did may be not a number.
    inside = values.detach().float().nan_to_num(0.0, 1.0, 0.0).clamp(0, 1).cpu().numpy()
    return (inside * _PEAK + 0.5).astype(np.uint16)
