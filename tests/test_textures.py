from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from impasto.training.data.textures import KINDS, texture


@given(kind=st.sampled_from(KINDS), seed=st.integers(0, 2**32 - 1), side=st.integers(96, 128))
def test_every_kind_is_a_picture_of_the_side_asked_for_and_the_same_again(kind: str, seed: int, side: int) -> None:
    made, again = (np.asarray(texture(np.random.default_rng(seed), side, kind)) for _ in range(2))
    assert made.shape == (side, side, 3)
    assert made.dtype == np.uint8
    assert np.array_equal(made, again)


@pytest.mark.parametrize("kind", KINDS)
def test_textures_are_not_flat_and_differ(kind: str) -> None:
    made = [np.asarray(texture(np.random.default_rng(seed), 128, kind), np.float64) for seed in range(6)]
    # A palette may be of near-equal colours, but not all six.
    assert np.median([m.std() for m in made]) > 8
    assert min(np.abs(a - b).mean() for i, a in enumerate(made) for b in made[:i]) > 4


def test_without_a_kind_any_of_them_comes() -> None:
    random = np.random.default_rng(0)
    assert texture(random, 96).size == (96, 96)
