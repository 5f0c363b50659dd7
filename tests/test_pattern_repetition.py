from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pictures import noise
from PIL import Image

from impasto.evaluation.metrics import lattice

SIDE = 160
FLAT = np.full((SIDE, SIDE, 3), 128, np.uint8)
SKY = np.broadcast_to(np.linspace(100, 180, SIDE)[:, None, None], (SIDE, SIDE, 3)).astype(np.uint8)


def on(photograph: Any, grain: Any) -> Any:
    return (photograph + grain).clip(0, 255).astype(np.uint8)


def stamped(period: int, seed: int = 0) -> Any:
    random = np.random.default_rng(seed)
    times = -(-SIDE // period)
    return np.tile(random.normal(0, 12, (period, period, 1)), (times, times, 1))[:SIDE, :SIDE]


@pytest.mark.parametrize("photograph", [FLAT, SKY], ids=["flat", "sky"])
@pytest.mark.parametrize("seed", range(3))
def test_a_stamped_pattern_is_seen_and_noise_is_not(photograph: Any, seed: int) -> None:
    found = lattice(on(photograph, stamped(8, seed)), photograph)
    assert found is not None
    assert found > 0.5
    random = np.random.default_rng(seed).normal(0, 12, (SIDE, SIDE, 1))
    found = lattice(on(photograph, random), photograph)
    assert found is not None
    assert found < 0.15


def test_twice_the_distance_is_seen_too_and_another_is_not() -> None:
    twice, other = (lattice(on(FLAT, stamped(period)), FLAT) for period in (16, 11))
    assert twice is not None
    assert other is not None
    assert twice > 0.5
    assert other < 0.25


@pytest.mark.parametrize("turn", [0, 1])
def test_stripes_are_seen_in_both_directions(turn: int) -> None:
    stripes = np.rot90(np.tile(np.repeat([12.0, -12.0], 4), SIDE // 8)[:, None, None] * np.ones((1, SIDE, 1)), turn)
    found = lattice(on(FLAT, stripes), FLAT)
    assert found is not None
    assert found > 0.5


def test_the_share_of_what_is_stamped_is_what_counts() -> None:
    random = np.random.default_rng(0).normal(0, 12, (SIDE, SIDE, 1))
    half = lattice(on(FLAT, stamped(8) + random), FLAT)
    assert half is not None
    assert 0.3 < half < 0.7


def test_where_nothing_is_painted_nothing_is_stamped() -> None:
    assert lattice(FLAT, FLAT) == 0
    assert lattice(on(FLAT, 30), FLAT) == 0


def test_without_a_flat_area_there_is_nothing_to_say() -> None:
    busy = noise(SIDE, SIDE)
    assert lattice(on(FLAT, stamped(8)), busy) is None
    assert lattice(FLAT[:95], FLAT[:95]) is None, "smaller than a window"


def test_flat_windows_alone_are_looked_at() -> None:
    photograph = np.concatenate([FLAT, noise(SIDE, SIDE)], 1)
    painted = np.concatenate([on(FLAT, stamped(8)), FLAT], 1)
    found, whole = lattice(painted, photograph), lattice(on(FLAT, stamped(8)), FLAT)
    assert found == pytest.approx(whole)


def test_sizes_have_to_be_alike() -> None:
    small = np.asarray(Image.fromarray(FLAT).resize((100, 120)))
    with pytest.raises(ValueError, match=r"\(120, 100, 3\) and its photograph \(160, 160, 3\)"):
        lattice(small, FLAT)
