from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from impasto.evaluation.metrics import seam_ratio
from impasto.inference.tiles import tiles


@given(st.integers(1, 30), st.integers(1, 30), st.integers(1, 3), st.integers(1, 8))
def test_every_pixel_is_kept_once_and_far_from_its_windows_edge(
    rows: int, columns: int, margin: int, core: int
) -> None:
    height, width, margin, window = rows * 8, columns * 8, margin * 8, (2 * margin + core) * 8
    covered = np.zeros((height, width), int)
    shapes = set()
    for tile in tiles(height, width, window=window, margin=margin, multiple=8):
        covered[tile.keep] += 1
        shapes.add(tuple(s.stop - s.start for s in tile.window))
        for w, k, length in zip(tile.window, tile.keep, (height, width), strict=True):
            assert w.start % 8 == 0
            assert 0 <= w.start <= k.start < k.stop <= w.stop <= length
            assert k.start - w.start >= margin or w.start == 0
            assert w.stop - k.stop >= margin or w.stop == length
        picture = np.arange(height * width).reshape(height, width)
        assert (picture[tile.window][tile.inner] == picture[tile.keep]).all()
    assert (covered == 1).all()
    assert len(shapes) == 1
    assert all(side <= window for side in next(iter(shapes)))


def test_sizes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="do not fit multiples of 8"):
        list(tiles(1000, 1001, window=256, margin=32, multiple=8))
    with pytest.raises(ValueError, match="window 64 and margin 32"):
        list(tiles(1000, 1000, window=64, margin=32, multiple=8))


def test_the_seam_ratio_sees_a_seam_and_nothing_where_there_is_none() -> None:
    random = np.random.default_rng(0)
    smooth = random.integers(0, 255, (512, 512, 3), np.uint8)
    plan = list(tiles(512, 512, window=256, margin=32, multiple=8))
    assert abs(seam_ratio(smooth, plan) - 1) < 0.03
    broken = smooth.astype(int) // 4
    broken[:, : plan[0].keep[1].stop] += 40
    assert seam_ratio(broken.astype(np.uint8), plan) > 1.15
    assert seam_ratio(smooth // 4, plan, smooth // 4) == 1
    assert seam_ratio(broken.astype(np.uint8), plan, smooth // 4) > 1.15
    with pytest.raises(ValueError, match="one tile"):
        seam_ratio(smooth, list(tiles(512, 512, window=512, margin=32, multiple=8)))
