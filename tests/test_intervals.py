from __future__ import annotations

import numpy as np
import pytest

from impasto.evaluation.metrics import interval


def test_a_mean_lies_in_its_interval_as_often_as_it_says() -> None:
    random = np.random.default_rng(1)
    found = [interval(random.normal(3, 1, 30).tolist(), resamples=200, seed=i) for i in range(200)]
    covered = sum(i.low <= 3 <= i.high for i in found)
    assert 0.87 * 200 <= covered < 200
    narrower = [interval(random.normal(3, 1, 30).tolist(), resamples=200, confidence=0.5) for _ in range(200)]
    assert 0.35 * 200 < sum(i.low <= 3 <= i.high for i in narrower) < 0.65 * 200


def test_it_is_drawn_the_same_again_and_grows_with_the_spread() -> None:
    values = [0.1, 0.4, 0.2, 0.9]
    assert interval(values) == interval(values) != interval(values, seed=1)
    found, wider = interval(values), interval([10 * v for v in values])
    assert found.mean == pytest.approx(0.4)
    assert found.low < found.mean < found.high
    assert wider.high - wider.low == pytest.approx(10 * (found.high - found.low))
    alone = interval([0.3])
    assert alone.low == alone.mean == alone.high == 0.3


def test_what_has_no_interval_is_told() -> None:
    with pytest.raises(ValueError, match="at least one number"):
        interval([])
    for confidence in (0, 1, 95):
        with pytest.raises(ValueError, match=f"confidence is {confidence}"):
            interval([1, 2], confidence=confidence)
