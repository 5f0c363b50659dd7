"""A style loss: how strong each texture is, on a scale of ratios."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from impasto.losses import LayerStatistics, StyleTerm

__all__ = ["Contrast"]


class Contrast(StyleTerm):
    """Distance of the logarithms of standard deviations: a faint texture counts as much as a strong one."""

    # Of the sums, squares and products of features, only the first two are asked for: products cost most.
    needs: ClassVar[frozenset[str]] = frozenset(("moments",))

    def distance(self, found: LayerStatistics, aim: LayerStatistics) -> Tensor:
        """The distance at one layer, a scalar: of the picture's statistics from the painting's."""
        return (found.std.log() - aim.std.log()).square().mean()
