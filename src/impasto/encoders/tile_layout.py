"""Tile layout: the tiles that a picture is encoded in, each with all the surroundings that its features see."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

__all__ = ["Span", "Window", "windows"]


@dataclass(frozen=True, slots=True)
class Span:
    """Rows or columns: what is looked at, and the part of it whose features count."""

    outer: slice
    inner: slice

    def features(self, stride: int) -> tuple[slice, slice]:
        """Which features count, of a layer with that ``stride``: within the window, and of the whole picture."""
        start, stop, begin = self.inner.start // stride, self.inner.stop // stride, self.outer.start // stride
        return slice(start - begin, stop - begin), slice(start, stop)


@dataclass(frozen=True, slots=True)
class Window:
    """One tile."""

    rows: Span
    columns: Span

    @property
    def outer(self) -> tuple[slice, slice]:
        """Rows and columns to look at."""
        return self.rows.outer, self.columns.outer


def windows(height: int, width: int, *, side: int | None, margin: int, stride: int) -> Iterator[Window]:
    """Yield the tiles of a picture, whose inner parts cover it once; one for the whole where ``side`` is ``None``.

    Inner parts are about ``side`` across and begin at multiples of ``stride``, the deepest layer's, so that
    pooling falls on the same pixels as in the whole; ``margin`` pixels around them are looked at, too.
    """
    for rows in _spans(height, side, margin, stride):
        for columns in _spans(width, side, margin, stride):
            yield Window(rows, columns)


def _spans(length: int, side: int | None, margin: int, stride: int) -> Iterator[Span]:
    count = 1 if side is None else max(1, round(length / side))
    around = -(-margin // stride) * stride
    edges = [round(i * length / count / stride) * stride for i in range(count)] + [length]
    for start, stop in pairwise(edges):
        if stop > start:
            yield Span(slice(max(0, start - around), min(length, stop + around)), slice(start, stop))
