"""Evenness: whether equal steps of strength look equally large."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Evenness", "evenness"]


@dataclass(frozen=True, slots=True)
class Evenness:
    """The distance at each strength as a share of that at the last, and the largest departure from a straight line."""

    strengths: tuple[float, ...]
    shares: tuple[float, ...]
    departure: float


def evenness(strengths: Sequence[float], distances: Sequence[float]) -> Evenness:
    """Compare distances from the photograph, one for each of ``strengths``, with a straight line from 0.

    ``strengths`` grow to 1. Raises ``ValueError`` where they do not, where the counts differ, and where the
    last distance is not above 0.
    """
    if len(strengths) != len(distances):
        raise ValueError(f"there are {len(strengths)} strengths and {len(distances)} distances; give as many of each")
    if sorted(set(strengths)) != list(strengths) or strengths[-1:] not in ([1], (1,)):
        raise ValueError(f"the strengths are {list(strengths)}; give growing ones that end in 1")
    if not distances[-1] > 0:
        raise ValueError(f"the distance at strength 1 is {distances[-1]:g}; what does not change has no curve")
    shares = tuple(float(distance / distances[-1]) for distance in distances)
    departure = max(abs(share - strength) for share, strength in zip(shares, strengths, strict=True))
    return Evenness(tuple(map(float, strengths)), shares, float(departure))
