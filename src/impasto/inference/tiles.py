"""Overlapping windows over a picture, so that no pixel is computed near a window's edge."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["Tile", "tiles"]


@dataclass(frozen=True, slots=True)
class Tile:
    """A window to compute and the part of it to keep, both as ``(row, column)`` slices of the picture."""

    window: tuple[slice, slice]
    keep: tuple[slice, slice]

    @property
    def inner(self) -> tuple[slice, slice]:
        """The part to keep, counted from the window's corner."""
        rows, columns = (
            slice(k.start - w.start, k.stop - w.start) for k, w in zip(self.keep, self.window, strict=True)
        )
        return rows, columns


def tiles(height: int, width: int, *, window: int, margin: int, multiple: int) -> Iterator[Tile]:
    """Cover a picture with equal windows that overlap by twice ``margin``.

    Every kept pixel lies at least ``margin`` inside its window, or as far as the picture's own
    border allows. Windows start at multiples of ``multiple`` and are all of one size, at most
    ``window``; height, width and window must be multiples of it.
    """
    for rows, keep_rows in _spans(height, window, margin, multiple):
        for columns, keep_columns in _spans(width, window, margin, multiple):
            yield Tile((rows, columns), (keep_rows, keep_columns))


def _spans(length: int, window: int, margin: int, multiple: int) -> Iterator[tuple[slice, slice]]:
    if length <= window:
        yield slice(0, length), slice(0, length)
        return
    if window <= 2 * margin or any(n % multiple for n in (length, window, margin)):
        raise ValueError(f"length {length}, window {window} and margin {margin} do not fit multiples of {multiple}")
    done = 0
    while done < length:
        # The last window is moved back inside, so that all have one shape and the runtime compiles once.
        start = min(max(0, done - margin), length - window)
        stop = start + window
        end = length if stop == length else stop - margin
        yield slice(start, stop), slice(done, end)
        done = end
