"""The input of a network in training: a photograph with grain, or its blend with a coarser pastiche.

The same two steps that painting coarse to fine takes between its sizes, on batches of tensors, so that a network
learns on what it will meet.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["blend", "coarse_to_fine", "detail", "grain"]

_WINDOW = 9
"""Side of the box, in pixels, over which detail is measured."""
_BUSY, _FLAT = 0.1, 0.03
"""Detail from which on a blend keeps the photograph, and up to which there is grain."""
_SHARES, _KEEPS, _AMOUNTS = (0.3, 0.8), (0.0, 1.0), (0.02, 0.06)
"""Between which a training draws what :func:`blend` and :func:`grain` are given."""


def detail(pictures: Tensor) -> Tensor:
    """Standard deviation of grey around every pixel, ``(N, 1, H, W)``, of pictures ``(N, 3, H, W)`` in 0..1."""
    grey = pictures.mean(1, keepdim=True)
    return _blur((grey - _blur(grey)).square()).sqrt()


def grain(pictures: Tensor, amount: Tensor | float, random: torch.Generator | None = None) -> Tensor:
    """Grey noise two pixels wide where pictures ``(N, 3, H, W)`` are flat: something for strokes to hold on to.

    ``amount`` is its standard deviation where a picture is quite flat, a number or ``(N, 1, 1, 1)``. Sides are even.
    """
    n, _, height, width = pictures.shape
    noise = torch.randn((n, 1, height // 2, width // 2), generator=random, device=pictures.device)
    noise = F.interpolate(noise, scale_factor=2.0, mode="bicubic")
    return pictures + amount * (1 - detail(pictures) / _FLAT).clamp(0, 1) * noise


def blend(photos: Tensor, coarser: Tensor, share: Tensor | float, keep: Tensor | float) -> Tensor:
    """``photos`` with ``share`` of ``coarser``, the enlarged pastiche of a smaller size; ``(N, 3, H, W)`` in 0..1.

    Where a photograph has detail, as much as ``keep`` of the share is left out: faces and lettering stay.
    """
    return photos + share * (1 - keep * (detail(photos) / _BUSY).clamp(0, 1)) * (coarser - photos)


@torch.no_grad()
def coarse_to_fine(photos: Tensor, paint: Callable[[Tensor, slice], Tensor], random: torch.Generator) -> Tensor:
    """What coarse to fine would have a network paint over: grain on every photograph, a blend of every second one.

    ``paint`` repaints photographs of half the size, those of a slice of the batch; half of a side ``(N, 3, H, W)`` must
    be a size that it takes. A batch of one has only grain.
    """
    chosen = slice(1, None, 2)
    prepared, blended = photos, photos[chosen]
    if len(blended):
        small = grain(F.avg_pool2d(blended, 2), _random_amounts(blended, _AMOUNTS, random), random)
        coarser = F.interpolate(paint(small, chosen).float().clamp(0, 1), scale_factor=2.0, mode="bicubic")
        mixed = blend(
            blended, coarser, _random_amounts(blended, _SHARES, random), _random_amounts(blended, _KEEPS, random)
        )
        prepared = photos.clone()
        prepared[chosen] = mixed.to(photos.dtype)
    return grain(prepared, _random_amounts(photos, _AMOUNTS, random), random).contiguous(
        memory_format=torch.channels_last
    )


def _blur(x: Tensor) -> Tensor:
    half = _WINDOW // 2
    rows = F.avg_pool2d(x, (_WINDOW, 1), 1, (half, 0), count_include_pad=False)
    return F.avg_pool2d(rows, (1, _WINDOW), 1, (0, half), count_include_pad=False)


def _random_amounts(pictures: Tensor, bounds: tuple[float, float], random: torch.Generator) -> Tensor:
    """One number between the bounds for every picture, ``(N, 1, 1, 1)``."""
    low, high = bounds
    return low + (high - low) * torch.rand((len(pictures), 1, 1, 1), generator=random, device=pictures.device)
