"""Shape: the sizes of an ``instant`` network, as its manifest has them."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Literal

__all__ = ["Shape"]


@dataclass(frozen=True)
class Shape:
    """Sizes of an ``instant`` network. ``widths`` are channels at 1/2, 1/4 and 1/8 of the picture's size."""

    widths: tuple[int, int, int] = (32, 64, 128)
    blocks: int = 4
    code: int = 256
    encoder_widths: tuple[int, ...] = (32, 64, 128, 256)
    deep: int = 0
    """Channels of a level at 1/16, where strokes are long and the light is laid out; none by default."""
    deep_blocks: int = 2
    """Residual blocks of that level."""
    rank: int = 0
    """Channels that a style mixes, by a matrix of its own, in every residual block and before the last convolutions;
    none by default."""
    reader: Literal["own", "pocket"] = "own"
    """What the code is read from: the style encoder's own features, or ``pocket``'s statistics too."""

    @property
    def multiple(self) -> int:
        """What sides of pictures must be multiples of."""
        return 16 if self.deep else 8

    @property
    def single_style(self) -> Shape:
        """Of a network for one style that this one is folded into: what styles mix is part of its weights."""
        return Shape(self.widths, self.blocks, deep=self.deep, deep_blocks=self.deep_blocks)

    def to_dict(self) -> dict[str, Any]:
        """As JSON values, without what is off: a network as it always was is described as it always was."""
        off = {"deep": self.deep == 0, "deep_blocks": self.deep == 0, "rank": self.rank == 0}
        off["reader"] = self.reader == "own"
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if not off.get(name)}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Shape:
        """From what :meth:`to_dict` gave, lists for tuples allowed."""
        arguments: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
        return cls(**arguments)
