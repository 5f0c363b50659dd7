"""Edges: features with their border repeated, so that frames do not darken as with zeros."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["EdgePad", "pad_edges"]


def pad_edges(x: Tensor) -> Tensor:
    """``(N, C, H, W)`` to ``(N, C, H + 2, W + 2)``: one more pixel on every side, the border's own."""
    if torch.is_grad_enabled():
        padded: Tensor = EdgePad.apply(x)  # type: ignore[no-untyped-call]
        return padded
    return F.pad(x, (1, 1, 1, 1), mode="replicate")


class EdgePad(torch.autograd.Function):
    """One more pixel on every side, the border's own, with its gradient written out: no scattered additions."""

    @staticmethod
    def forward(_: Any, x: Tensor) -> Tensor:
        """``(N, C, H, W)`` to ``(N, C, H + 2, W + 2)``, channels last in memory."""
        n, channels, height, width = x.shape
        wide = torch.empty(
            (n, channels, height + 2, width + 2),
            dtype=x.dtype,
            device=x.device,
            memory_format=torch.channels_last,
        )
        wide[..., 1:-1, 1:-1] = x
        wide[..., 1:-1, 0], wide[..., 1:-1, -1] = x[..., 0], x[..., -1]
        wide[..., 0, :], wide[..., -1, :] = wide[..., 1, :], wide[..., -2, :]
        return wide

    @staticmethod
    def backward(_: Any, *gradients: Tensor) -> Tensor:
        """Of ``x``: a border pixel also answers for its copies."""
        (flow,) = gradients
        result = flow[..., 1:-1, 1:-1].clone(memory_format=torch.channels_last)
        result[..., 0, :] += flow[..., 0, 1:-1]
        result[..., -1, :] += flow[..., -1, 1:-1]
        for side in (0, -1):
            column = flow[..., 1:-1, side].clone()
            column[..., 0] += flow[..., 0, side]
            column[..., -1] += flow[..., -1, side]
            result[..., side] += column
        return result
