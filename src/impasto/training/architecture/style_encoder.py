"""Style encoder: from a picture of a style to its code."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from impasto.encoders.pocket import Pocket
from impasto.models.store import shipped
from impasto.training.architecture.layers import EPSILON, EdgeConv
from impasto.training.architecture.shape import Shape

__all__ = ["StyleEncoder"]

_SHRUNK = 4
"""By how much a style is shrunk before ``pocket`` looks at it: strokes are longer than its features see, and a
sixteenth of the pixels is little work. What is finer the style encoder's own features tell."""
_HIDDEN = 512


class StyleEncoder(nn.Module):
    """Style picture to code: channel means and standard deviations of every feature level, through a small
    perceptron."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        widths = shape.encoder_widths
        self.levels = nn.ModuleList(
            EdgeConv(i, o, stride) for i, o, stride in zip((12, *widths), widths, (1, 2, 2, 2), strict=False)
        )
        self.hidden = nn.Linear(2 * (12 + sum(widths)), _HIDDEN)
        self.code = nn.Linear(_HIDDEN, shape.code)
        self.statistics = Statistics(shape.code) if shape.reader == "pocket" else None

    def forward(self, style: Tensor) -> Tensor:
        """Codes ``(N, 256)`` of style pictures ``(N, 3, H, W)`` in 0..1; sides multiples of 8."""
        x = F.pixel_unshuffle(style, 2) * 2 - 1
        summary = _summary(x)
        for level in self.levels:
            x = F.relu(level(x))
            summary += _summary(x)
        code: Tensor = self.code(F.relu(self.hidden(torch.cat(summary, 1))))
        return code if self.statistics is None else code + self.statistics(style)


class Statistics(nn.Module):
    """Means and standard deviations of ``pocket``'s features of a shrunk style, through a perceptron: 0, until it has
    learnt.

    What the losses compare is then what the code is read from; ``pocket`` itself does not learn.
    """

    def __init__(self, code: int) -> None:
        super().__init__()
        # The one that ships, whatever is installed beside it: its widths are part of the shape.
        # And a new one each: dtype and device of one network are not another's.
        self.pocket = Pocket.read(next(m for m in shipped() if m.name == "pocket").file("encoder"))
        features = 2 * sum(self.pocket.widths)
        self.even = nn.LayerNorm(features)
        self.hidden = nn.Linear(features, _HIDDEN)
        self.code = nn.Linear(_HIDDEN, code)
        nn.init.zeros_(self.code.weight)
        nn.init.zeros_(self.code.bias)

    def forward(self, style: Tensor) -> Tensor:
        """What is added to the codes of ``style`` ``(N, 3, H, W)`` in 0..1, sides at least 32 pixels."""
        with torch.autocast(style.device.type, enabled=False):
            features = self.pocket(F.avg_pool2d(style.float(), _SHRUNK))
        summary = [value for layer in features.values() for value in _summary(layer)]
        # Features of bold pictures are many times those of faint ones.
        told = self.even((torch.cat(summary, 1) + 0.01).log())
        code: Tensor = self.code(F.relu(self.hidden(told)))
        return code


def _summary(x: Tensor) -> list[Tensor]:
    x = x.float()
    mean = x.mean((2, 3))
    return [mean, ((x - mean[..., None, None]).square().mean((2, 3)) + EPSILON).sqrt()]
