"""Layers: what the networks are made of, with gradients written out where that saves time."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from impasto.encoders.padding import pad_edges

__all__ = ["EPSILON", "BlurPool", "EdgeConv", "InstanceNorm", "Norms"]

EPSILON = 1e-5
"""Added to variances, so that a flat picture is divided by something."""


class EdgeConv(nn.Conv2d):
    """A 3x3 convolution that repeats the border pixels, so that frames do not darken as with zeros."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__(inputs, outputs, 3, stride)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(pad_edges(x))


class Norms:
    """The instance normalisations of one forward pass, in order: measured on the features, or given.

    ``given`` holds every mean and standard deviation side by side, ``(1, statistics)``; ``use``
    ``(1, 1)`` says whether they replace the measured ones. With them, a batch counts as samples of
    one large picture and is measured as a whole; without, every picture is measured by itself.
    """

    def __init__(self, affine: list[Tensor], given: Tensor | None, use: Tensor | None) -> None:
        self._affine = iter(affine)
        self._given, self._use = given, use
        self._axes = (2, 3) if given is None else (0, 2, 3)
        self._offset = 0
        self.measured: list[Tensor] = []

    def __call__(self, x: Tensor) -> Tensor:
        scale, shift = next(self._affine).chunk(2, dim=1)
        if self._given is None and torch.is_grad_enabled():
            # A style that is the same for all pictures of the batch comes once.
            scale, shift = scale.expand(len(x), -1), shift.expand(len(x), -1)
            result: Tensor = InstanceNorm.apply(x, 1 + scale, shift)  # type: ignore[no-untyped-call]
            return result
        channels = x.shape[1]
        mean = x.mean(self._axes, keepdim=True)
        std = ((x - mean).square().mean(self._axes, keepdim=True) + EPSILON).sqrt().flatten(1)
        mean = mean.flatten(1)
        if self._given is not None and self._use is not None:
            self.measured += [mean, std]
            mean = torch.where(self._use, self._take(channels), mean)
            std = torch.where(self._use, self._take(channels), std)
        # Centred before it is scaled: the other way round, a flat picture drowns in what bf16 rounds away.
        return (x - mean[..., None, None]) * ((1 + scale) / std)[..., None, None] + shift[..., None, None]

    def _take(self, channels: int) -> Tensor:
        assert self._given is not None
        start, self._offset = self._offset, self._offset + channels
        return self._given[:, start : self._offset]


class InstanceNorm(torch.autograd.Function):
    """Instance normalisation with its gradient written out: a quarter of the time that tracing each step takes."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
        """Normalise ``x`` ``(N, C, H, W)``, then apply ``scale`` and ``shift`` ``(N, C)``."""
        wide = torch.float32 if x.dtype == torch.bfloat16 else x.dtype
        flat = x.permute(0, 2, 3, 1).flatten(1, 2)
        mean = flat.mean(1, dtype=wide)
        centred = flat - mean[:, None].to(x.dtype)
        norm = torch.linalg.vector_norm(centred, dim=1, dtype=wide)
        std = (norm.square() / flat.shape[1] + EPSILON).sqrt()
        gain = (scale / std)[:, None].to(x.dtype)
        ctx.save_for_backward(centred, std, scale)
        return (
            torch.addcmul(shift[:, None].to(x.dtype), centred, gain).view_as(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        )

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Of ``x``, ``scale`` and ``shift``."""
        centred, std, scale = ctx.saved_tensors
        n, channels, height, width = gradients[0].shape
        flow = gradients[0].permute(0, 2, 3, 1).reshape(n, height * width, channels)
        shift = flow.mean(1, dtype=std.dtype)
        slope = (flow * centred).mean(1, dtype=std.dtype) / std
        gain = scale / std
        # gain * (flow - mean(flow) - normalised * mean(flow * normalised))
        result = torch.addcmul((-gain * shift)[:, None].to(flow.dtype), flow, gain[:, None].to(flow.dtype))
        result.addcmul_(centred, (-gain * slope / std)[:, None].to(flow.dtype))
        places = height * width
        return result.view(n, height, width, channels).permute(0, 3, 1, 2), slope * places, shift * places


class BlurPool(nn.Module):
    """Half the size without aliasing (Zhang 2019), by binomial 4x4 weights: a shifted picture gives shifted features.

    Height and width must be even.
    """

    weight: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        line = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
        self.register_buffer("weight", torch.outer(line, line).expand(channels, 1, 4, 4).contiguous(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, C, H, W)`` to ``(N, C, H / 2, W / 2)``."""
        padded = pad_edges(x)
        return F.conv2d(padded, self.weight.to(x.dtype), stride=2, groups=len(self.weight))
