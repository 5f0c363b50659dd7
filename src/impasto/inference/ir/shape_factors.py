"""Factors: what the lengths of an array are made of, kept while an array is reshaped, repeated and taken apart."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

__all__ = ["Dims", "Factor", "count_repeats", "group_factors", "new_dims", "same_factors"]


@dataclass(frozen=True, slots=True, eq=False)
class Factor:
    """A factor of a length: as long as ``axis`` of ``source`` is, by ``divisor``, or a number where that is None.

    ``copies`` says that it counts copies of the same values. Two factors are the same where they are one object.
    """

    value: int
    source: Any = None
    axis: int = 0
    divisor: int = 1
    copies: bool = False

    @property
    def is_free(self) -> bool:
        """Whether it is another for pictures of another size."""
        return self.source is not None

    def split(self, outer: int) -> tuple[Factor, Factor]:
        """Two factors for one. Of a free one the larger is free: networks have strides and factors of a few pixels."""
        inner = self.value // outer
        if self.source is None:
            return Factor(outer, copies=self.copies), Factor(inner, copies=self.copies)
        if outer >= inner:
            return Factor(outer, self.source, self.axis, self.divisor * inner), Factor(inner)
        return Factor(outer), Factor(inner, self.source, self.axis, self.divisor * outer)


Dims = tuple[tuple[Factor, ...], ...]
"""Of every dimension its factors, the outermost first."""


def new_dims(lengths: Sequence[int], source: Any, free: Iterable[int]) -> Dims:
    """Dimensions of which nothing is known but which are ``free``."""
    known = set(free)
    return tuple(
        () if length == 1 else (Factor(length, source, axis) if axis in known else Factor(length),)
        for axis, length in enumerate(lengths)
    )


def group_factors(dims: Dims, lengths: Sequence[int]) -> Dims | None:
    """The factors of ``dims`` as dimensions of those lengths, as reshaping has them; None where they do not fit."""
    rest = deque(factor for dim in dims for factor in dim if factor.value != 1)
    found = []
    for length in lengths:
        dim = list(_take_factors(rest, length))
        if prod(factor.value for factor in dim) != length:
            return None
        found.append(tuple(dim))
    return None if rest else tuple(found)


def _take_factors(rest: deque[Factor], length: int) -> Iterator[Factor]:
    while length > 1 and rest:
        factor = rest.popleft()
        if length % factor.value:
            if factor.value % length:
                return
            factor, inner = factor.split(length)
            rest.appendleft(inner)
        yield factor
        length //= factor.value


def same_factors(some: Iterable[Factor], others: Iterable[Factor]) -> bool:
    """Whether they are the same factors in the same order."""
    first, second = list(some), list(others)
    return len(first) == len(second) and all(a is b for a, b in zip(first, second, strict=True))


def count_repeats(dims: Dims, natural: Dims) -> list[int] | None:
    """How often each value of an array of dimensions ``natural`` stands in a row along each one of ``dims``; None
    where ``dims`` is anything else of it."""
    if len(dims) != len(natural):
        return None
    counts = []
    for dim, before in zip(dims, natural, strict=True):
        own, copies = dim[: len(before)], dim[len(before) :]
        if not same_factors(own, before) or not all(factor.copies for factor in copies):
            return None
        counts.append(prod(factor.value for factor in copies))
    return counts
