"""MultiScale: an objective that looks at several scales of the same picture."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from impasto.losses.objective import Evaluation, Objective

__all__ = ["MultiScale", "scale_size", "shrink"]


class MultiScale(nn.Module):
    """Sums objectives, each of the same picture, shrunk by a whole number.

    An encoder sees strokes as long as its deepest features reach, and no longer ones. Shrunk, a picture shows it its
    long strokes, swirls and planes, while the picture itself shows it the fine ones (compare Gatys et al. 2017,
    "Controlling Perceptual Factors", who do so one after the other; here all scales count at once, so that no later
    one spoils what an earlier one made). The gradient is brought back by the adjoint of the shrinking. Every
    objective may look in tiles of its own; one after the other, they take the memory of the largest alone.
    """

    def __init__(self, scales: Sequence[tuple[int, Objective]]) -> None:
        """``scales`` are pairs of what the picture is divided by, 1 or more, and the objective there."""
        super().__init__()
        self.factors = tuple(factor for factor, _ in scales)
        self.objectives: Sequence[Objective] = nn.ModuleList(o for _, o in scales)  # type: ignore[assignment]

    def forward(self, picture: Tensor) -> Evaluation:
        """Loss and gradient of a picture ``(1, 3, H, W)`` in 0..1; terms of one name are summed over scales."""
        gradient = torch.zeros_like(picture)
        losses: dict[str, float] = {}
        for factor, objective in zip(self.factors, self.objectives, strict=True):
            if factor == 1:
                found = objective(picture)
                gradient += found.gradient
            else:
                variable = picture.detach().requires_grad_()
                smaller = shrink(variable, factor)
                found = objective(smaller.detach())
                gradient += torch.autograd.grad(smaller, variable, found.gradient)[0]
            for name, loss in found.losses.items():
                losses[name] = losses.get(name, 0.0) + loss
        return Evaluation(sum(losses.values()), losses, gradient)

    def extra_repr(self) -> str:
        return f"scales={', '.join(f'1/{factor}' if factor > 1 else '1' for factor in self.factors)}"


def shrink(picture: Tensor, factor: int) -> Tensor:
    """A picture ``(1, 3, H, W)`` that many times smaller, without what is too fine for it.

    As sharp as paintings are scaled: plain means over squares would make the painter sharpen what they blur.
    """
    if factor == 1:
        return picture
    size = scale_size((picture.shape[2], picture.shape[3]), factor)
    return F.interpolate(picture, size, mode="bicubic", antialias=True, align_corners=False)


def scale_size(size: tuple[int, int], factor: int) -> tuple[int, int]:
    """Width and height of what :func:`shrink` gives."""
    return -(-size[0] // factor), -(-size[1] // factor)
