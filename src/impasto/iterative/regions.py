"""Regions: which style applies where, checked to cover the picture once."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from impasto.errors import RequestError
from impasto.iterative.targets import mask_tensor
from impasto.request import Region

__all__ = ["region_weights"]

_SLACK = 0.05
"""What masks may lack or have too much of at a pixel: their soft edges rarely sum to 1 exactly.

A mask that is nowhere whiter than this is black.
"""


def region_weights(regions: Sequence[Region], size: tuple[int, int], *, rest: bool) -> list[Tensor]:
    """How much each region's style applies, ``(H, W)`` in 0..1 of ``size``, and last that of the rest, if asked for.

    They sum to 1 at every pixel. Raises :class:`RequestError`, telling how many pixels and where, for regions that
    overlap, and for pixels in none of them where there is no style for the rest; and for a region that is black
    all over, which at a small size may get next to nothing.
    """
    if black := [r.name for r in regions if float(mask_tensor(r.mask, r.mask.size).max()) <= _SLACK]:
        raise RequestError(f"region {black[0]} is black all over; make its mask white where the style applies")
    shares = [mask_tensor(region.mask, size) for region in regions]
    total = torch.stack(shares).sum(0)
    over = total > 1 + _SLACK
    if over.any():
        touched = [region.name for region, share in zip(regions, shares, strict=True) if share[over].max() > _SLACK]
        raise RequestError(
            f"regions {' and '.join(touched)} overlap on {_describe_pixels(over)}; make their masks disjoint"
        )
    under = total < 1 - _SLACK
    if not rest and under.any():
        raise RequestError(f"the regions leave {_describe_pixels(under)} without a style; give a style for the rest")
    if rest:
        shares.append((1 - total).clamp_min(0))
    whole = torch.stack(shares).sum(0)
    return [share / whole for share in shares]


def _describe_pixels(pixels: Tensor) -> str:
    """``812 pixels (0.5 %), between 10, 20 and 64, 31``: how many, and the rectangle that they lie in."""
    rows, columns = pixels.any(1).nonzero(), pixels.any(0).nonzero()
    count = int(pixels.sum())
    corners = f"{int(columns[0])}, {int(rows[0])} and {int(columns[-1])}, {int(rows[-1])}"
    return f"{count} pixels ({100 * count / pixels.numel():.2g} %), between {corners}"
