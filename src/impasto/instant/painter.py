"""Painter: passes of networks over pixels, whole or in tiles that share one set of statistics."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np

from impasto.inference.graph import Array
from impasto.inference.tiles import Tile, tiles
from impasto.instant.network import Network, Precision, open_network
from impasto.models import Model
from impasto.picture.raster import Pixels

__all__ = ["Painter", "Pass", "to_network_input"]

_WHOLE = 2048 * 2048
"""Pixels up to which a picture is painted in one pass."""
_WINDOW = 1024
"""Side of a tile's window: larger ones waste less on margins, and take more memory than they save time."""
_SAMPLE, _SAMPLES = 512, 4
"""A larger picture's statistics are measured on squares of this side, at most so many across and down."""


@dataclass(frozen=True, slots=True)
class Pass:
    """What one pass applies: ``code`` ``(1, codes)``, None for a network of one style; and how much of what it makes
    counts (may be negative).

    ``network`` paints; by default the painter's own.
    """

    code: Array | None
    weight: float = 1.0
    network: Network | None = None


class Painter:
    """Paints at one precision, with one network or several."""

    def __init__(self, network: Model | Network, precision: Precision = "auto", *, window: int | None = None) -> None:
        """``network`` may be a model that paints, to be opened at ``precision``. ``window`` is the side of a tile, a
        multiple of what the networks work in; every larger picture is then painted in tiles.

        By default only what most machines cannot paint in one pass is.
        """
        self._side = window
        self.network = open_network(network, precision) if isinstance(network, Model) else network

    @property
    def runtime(self) -> tuple[str, str]:
        """Runtime and precision in use."""
        return self.network.runtime

    def paint(self, pixels: Pixels, passes: list[Pass], own: float = 0.0) -> Iterator[tuple[Tile, Array]]:
        """Yield finished parts of the pastiche of ``pixels`` ``(H, W, 3)``: ``(h, w, 3)`` float32 in 0..1.

        Each part is the sum of what the passes make and of the photograph itself, weighted by
        ``own``.
        """
        height, width = pixels.shape[:2]
        networks = [one_pass.network or self.network for one_pass in passes]
        grid = self._grid(passes)
        plan = self._tiles(height, width, grid)
        if len(plan) == 1:
            content = grid.window(pixels)
            made = [network.forward(content, one_pass.code) for network, one_pass in zip(networks, passes, strict=True)]
            yield _kept_part(plan[0], pixels, _sum(content, own, passes, made))
            return
        statistics = [
            _sample_statistics(network, grid, pixels, one_pass.code)
            for network, one_pass in zip(networks, passes, strict=True)
        ]
        try:
            for tile in plan:
                content = grid.window(pixels[tile.window])
                made = [
                    network.apply(content, one_pass.code, measured)
                    for network, one_pass, measured in zip(networks, passes, statistics, strict=True)
                ]
                yield _kept_part(tile, pixels, _sum(content, own, passes, made))
        finally:
            # What the file is encoded with next needs the memory more.
            for network in networks:
                network.release()

    def plan(self, height: int, width: int, passes: list[Pass] | None = None) -> list[Tile]:
        """The tiles for a picture of that size, counted with the rows and columns that make it a multiple."""
        return self._tiles(height, width, self._grid(passes or []))

    def _grid(self, passes: list[Pass]) -> _Grid:
        return _Grid.of([one_pass.network or self.network for one_pass in passes] or [self.network])

    def _tiles(self, height: int, width: int, grid: _Grid) -> list[Tile]:
        rows, columns = grid.side(height), grid.side(width)
        window = self._side or (max(rows, columns) if rows * columns <= _WHOLE else grid.tile)
        return list(tiles(rows, columns, window=window, margin=grid.margin, multiple=grid.multiple))

    def forward(self, content: Array, code: Array | None) -> Array:
        """One bare pass over ``(1, 3, H, W)`` in 0..1, sides multiples of what the network works in."""
        return self.network.forward(content, code)


@dataclass(frozen=True, slots=True)
class _Grid:
    """The sizes that several networks agree on."""

    multiple: int
    margin: int
    smallest: int

    @classmethod
    def of(cls, networks: list[Network]) -> _Grid:
        multiple = math.lcm(*(network.multiple for network in networks))
        margin, smallest = (
            _round_up(max(sizes), multiple) for sizes in zip(*((n.margin, n.smallest) for n in networks), strict=True)
        )
        return cls(multiple, margin, smallest)

    @property
    def tile(self) -> int:
        """The side of a tile's window."""
        # No less than a third of each side is kept.
        return _round_up(max(_WINDOW, 3 * self.margin), self.multiple)

    def side(self, length: int) -> int:
        """Rows or columns that a picture of ``length`` is painted with."""
        return max(self.smallest, _round_up(length, self.multiple))

    def window(self, pixels: Pixels) -> Array:
        """Pixels as a network's input ``(1, 3, H, W)``, the last row and column repeated as often as it takes."""
        content = to_network_input(pixels)
        down, right = (self.side(side) - side for side in pixels.shape[:2])
        return np.pad(content, ((0, 0), (0, 0), (0, down), (0, right)), mode="edge") if down or right else content


def _round_up(length: int, multiple: int) -> int:
    return -(-length // multiple) * multiple


def _sample_statistics(network: Network, grid: _Grid, pixels: Pixels, code: Array | None) -> Any:
    """The statistics of a picture too large for one pass, from samples at full scale that are measured as one."""
    samples = [grid.window(sample) for sample in _samples(pixels, grid.multiple)]
    return network.measure(np.concatenate(samples), code)


def to_network_input(pixels: Pixels) -> Array:
    """Whole numbers ``(H, W, 3)`` as a network takes them: ``(1, 3, H, W)`` float32 in 0..1."""
    result = np.ascontiguousarray(pixels.transpose(2, 0, 1), np.float32)[None]
    result /= np.float32(np.iinfo(pixels.dtype).max)
    return result


def _sum(content: Array, own: float, passes: list[Pass], made: list[Array]) -> Array:
    """What the passes made and the photograph itself, by their weights."""
    layers = [m if b.weight == 1 else np.float32(b.weight) * m for b, m in zip(passes, made, strict=True)]
    return reduce(np.add, [*layers, np.float32(own) * content] if own else layers)


def _kept_part(tile: Tile, pixels: Pixels, made: Array) -> tuple[Tile, Array]:
    """What is kept of a tile, without the rows and columns that only made the size a multiple."""
    rows, columns = (_cut(keep, side) for keep, side in zip(tile.keep, pixels.shape[:2], strict=True))
    inner_rows, inner_columns = tile.inner
    part = made[0, :, inner_rows, inner_columns].clip(0, 1).transpose(1, 2, 0)
    return Tile(tile.window, (rows, columns)), part[: rows.stop - rows.start, : columns.stop - columns.start]


def _cut(span: slice, length: int) -> slice:
    return slice(span.start, min(span.stop, length))


def _samples(pixels: Pixels, multiple: int) -> Iterator[Pixels]:
    """Square samples at full scale on an even grid."""
    height, width = pixels.shape[:2]
    for top in _starts(height, multiple):
        for left in _starts(width, multiple):
            yield pixels[top : top + _SAMPLE, left : left + _SAMPLE]


def _starts(length: int, multiple: int) -> list[int]:
    # As many as fit without overlapping much: what is measured twice would count twice.
    count = min(_SAMPLES, max(1, round(length / _SAMPLE)))
    return [int(start) // multiple * multiple for start in np.linspace(0, max(0, length - _SAMPLE), count)]
