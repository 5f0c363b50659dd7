"""Intervals: how far a mean would move if other pairs had been drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["CONFIDENCE", "RESAMPLES", "Interval", "interval"]

RESAMPLES = 2000
CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean, and the bounds between which it lies with the confidence asked for."""

    mean: float
    low: float
    high: float


def interval(
    values: Sequence[float], *, confidence: float = CONFIDENCE, resamples: int = RESAMPLES, seed: int = 0
) -> Interval:
    """The mean of ``values`` with its percentile bootstrap interval (Efron 1979).

    The same seed draws the same resamples, so that what is measured on the same pairs is drawn alike.
    Raises ``ValueError`` without values, and for a confidence outside 0..1.
    """
    given = np.asarray(values, np.float64)
    if given.ndim != 1 or not len(given):
        raise ValueError(f"the values have shape {given.shape}; give a list of at least one number")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence is {confidence}; give a number between 0 and 1")
    random = np.random.default_rng(seed)
    means = [given[random.integers(0, len(given), len(given))].mean() for _ in range(resamples)]
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(float(given.mean()), float(low), float(high))
