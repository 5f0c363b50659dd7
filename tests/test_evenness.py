from __future__ import annotations

import pytest

from impasto.evaluation.metrics import evenness

STRENGTHS = (0, 0.25, 0.5, 0.75, 1)


def test_a_straight_line_is_even_whatever_its_slope() -> None:
    found = evenness(STRENGTHS, [0.4 * s for s in STRENGTHS])
    assert found.shares == pytest.approx(STRENGTHS)
    assert found.departure == pytest.approx(0)


def test_the_largest_departure_counts_on_either_side() -> None:
    assert evenness(STRENGTHS, [0, 0.2, 0.1, 0.6, 0.8]).departure == pytest.approx(0.375)
    assert evenness(STRENGTHS, [0, 0.2, 0.7, 0.6, 0.8]).departure == pytest.approx(0.375)
    assert evenness((0, 1), [0.1, 0.5]).departure == pytest.approx(0.2), "a photograph that is not given back"


def test_what_is_no_curve_is_told() -> None:
    with pytest.raises(ValueError, match="5 strengths and 2 distances"):
        evenness(STRENGTHS, [0, 1])
    for strengths in ((0, 0.5), (0.5, 0, 1), (0, 0, 1), ()):
        with pytest.raises(ValueError, match="growing ones that end in 1"):
            evenness(strengths, [0.1] * len(strengths))
    for last in (0, -0.1, float("nan")):
        with pytest.raises(ValueError, match="distance at strength 1"):
            evenness((0, 1), [0, last])
