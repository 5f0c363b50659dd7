"""Seam ratio: whether the borders between tiles can be seen."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from impasto.inference.tiles import Tile
from impasto.picture.raster import Pixels

__all__ = ["seam_ratio"]


def seam_ratio(pixels: Pixels, plan: Iterable[Tile], reference: Pixels | None = None, period: int = 8) -> float:
    """Mean absolute gradient across the borders of tiles over the mean one elsewhere; 1 where nothing shows.

    ``pixels`` is ``(H, W, 3)``. A border is compared with the places 1, 2 and 3 times ``period``
    pixels to either side: close by, so that what the picture shows there does not count, and in
    the same phase of the network's own grid. That leaves a hundredth or two to chance; with a
    ``reference``, the same picture painted in other tiles, the very same places are compared.
    Raises ``ValueError`` for a plan without inner borders.
    """
    kept = [tile.keep for tile in plan]
    across: list[float] = []
    beside: list[float] = []
    for axis in (0, 1):
        length = pixels.shape[axis]
        borders = {k[axis].start for k in kept if 0 < k[axis].start < length}
        for border in borders:
            across.append(_gradient(pixels, border, axis))
            if reference is not None:
                beside.append(_gradient(reference, border, axis))
            else:
                places = (border + step * period for step in (-3, -2, -1, 1, 2, 3))
                beside += [_gradient(pixels, at, axis) for at in places if 0 < at < length]
    if not across:
        raise ValueError("the plan has one tile, and so no border to look at")
    return float(np.mean(across) / max(float(np.mean(beside)), 1e-9))


def _gradient(pixels: Pixels, at: int, axis: int) -> float:
    here, before = (np.take(pixels, i, axis).astype(np.float64) for i in (at, at - 1))
    return float(np.abs(here - before).mean())
