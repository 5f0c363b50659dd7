"""The ``instant`` network: a style becomes a code, and the code drives every instance normalisation.

Conditional instance normalisation (Dumoulin et al. 2017) with predicted affine parameters
(Ghiasi et al. 2017), on a transfer network after Johnson et al. 2016 that works at half
resolution outside and an eighth inside. A ``StyleNetwork`` is the same for one style alone: what the code
would say is part of its weights.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["InstantNetwork", "Shape", "StyleEncoder", "StyleNetwork", "TransferNetwork", "Trunk"]

_EPSILON = 1e-5


@dataclass(frozen=True)
class Shape:
    """Sizes of an ``instant`` network. ``widths`` are channels at 1/2, 1/4 and 1/8 of the picture's size."""

    widths: tuple[int, int, int] = (32, 64, 128)
    blocks: int = 4
    code: int = 256
    encoder_widths: tuple[int, ...] = (32, 64, 128, 256)

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Shape:
        """From what :meth:`to_dict` gave, lists for tuples allowed."""
        arguments: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
        return cls(**arguments)


class EdgeConv(nn.Conv2d):
    """A 3x3 convolution that repeats the border pixels, so that frames do not darken as with zeros."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__(inputs, outputs, 3, stride)

    def forward(self, x: Tensor) -> Tensor:
        if torch.is_grad_enabled():
            padded: Tensor = EdgePad.apply(x)  # type: ignore[no-untyped-call]
            return super().forward(padded)
        return super().forward(F.pad(x, (1, 1, 1, 1), mode="replicate"))


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
        rows = flow[..., 1:-1, :].clone(memory_format=torch.channels_last)
        rows[..., 0, :] += flow[..., 0, :]
        rows[..., -1, :] += flow[..., -1, :]
        result = rows[..., 1:-1].clone(memory_format=torch.channels_last)
        result[..., 0] += rows[..., 0]
        result[..., -1] += rows[..., -1]
        return result


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
        std = ((x - mean).square().mean(self._axes, keepdim=True) + _EPSILON).sqrt().flatten(1)
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
        std = (centred.square().mean(1, dtype=wide) + _EPSILON).sqrt()
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


class Trunk(nn.Module):
    """The convolutions, which all styles share. Height and width of pictures must be multiples of 8."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        half, quarter, eighth = shape.widths
        self.down1 = EdgeConv(12, half)
        self.down2 = EdgeConv(half, quarter, 2)
        self.down3 = EdgeConv(quarter, eighth, 2)
        self.blocks = nn.ModuleList(EdgeConv(eighth, eighth) for _ in range(2 * shape.blocks))
        self.up1 = EdgeConv(eighth, quarter)
        self.up2 = EdgeConv(quarter, half)
        self.out = EdgeConv(half, 12)
        # Of every normalisation, in the order in which paint() asks for them.
        self.channels = [half, quarter, eighth, *[eighth] * (2 * shape.blocks), quarter, quarter, half]
        self.statistics = 2 * sum(self.channels)

    def paint(self, content: Tensor, norm: Norms) -> tuple[Tensor, Tensor]:
        """Repaint ``content`` ``(N, 3, H, W)`` in 0..1 with these normalisations.

        Returns the pastiche ``(N, 3, H, W)``, a hair beyond 0..1 at most, and the measured
        statistics ``(N, statistics)``, which are empty unless some are given.
        """
        x = F.relu(norm(self.down1(F.pixel_unshuffle(content, 2))))
        quarter = self.down2(x)
        x = F.relu(norm(quarter))
        x = F.relu(norm(self.down3(x)))
        for first, second in zip(self.blocks[0::2], self.blocks[1::2], strict=True):
            x = x + norm(second(F.relu(norm(first(x)))))
        x = norm(self.up1(F.interpolate(x, scale_factor=2.0, mode="nearest")))
        # The photograph's own edges come past the bottleneck, restyled: faces and lettering need them.
        x = F.relu(x + norm(quarter))
        x = F.relu(norm(self.up2(F.interpolate(x, scale_factor=2.0, mode="nearest"))))
        # A little beyond 0..1, so that pure black and white are within reach of the sigmoid.
        pastiche = torch.sigmoid(F.pixel_shuffle(self.out(x), 2)) * 1.04 - 0.02
        return pastiche, torch.cat(norm.measured, 1) if norm.measured else pastiche.new_empty(0)


class TransferNetwork(Trunk):
    """Content picture and style code to pastiche, in one pass."""

    def __init__(self, shape: Shape) -> None:
        super().__init__(shape)
        self.affine = nn.ModuleList(nn.Linear(shape.code, 2 * n) for n in self.channels)
        for head in self.affine:
            assert isinstance(head, nn.Linear)
            nn.init.normal_(head.weight, std=0.02)
            nn.init.zeros_(head.bias)

    def forward(
        self, content: Tensor, code: Tensor, given: Tensor | None = None, use: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Repaint ``content`` ``(N, 3, H, W)`` in 0..1 by ``code`` ``(N, 256)``; returns what :meth:`paint` does."""
        return self.paint(content, Norms([head(code) for head in self.affine], given, use))


class StyleNetwork(Trunk):
    """Content picture to pastiche in the one style that was learnt."""

    def __init__(self, shape: Shape) -> None:
        super().__init__(shape)
        self.affine = nn.ParameterList(torch.zeros(1, 2 * n) for n in self.channels)

    @classmethod
    def folded(cls, network: TransferNetwork, shape: Shape, code: Tensor) -> StyleNetwork:
        """``network`` for one ``code`` ``(1, codes)``: what its heads make of it becomes part of the weights."""
        result = cls(shape)
        weights = {name: value for name, value in network.state_dict().items() if not name.startswith("affine.")}
        with torch.no_grad():
            weights |= {f"affine.{i}": head(code) for i, head in enumerate(network.affine)}
        result.load_state_dict(weights)
        return result

    def forward(self, content: Tensor, given: Tensor | None = None, use: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Repaint ``content`` ``(N, 3, H, W)`` in 0..1; returns what :meth:`paint` does."""
        return self.paint(content, Norms(list(self.affine), given, use))


class StyleEncoder(nn.Module):
    """Style picture to code: channel means and deviations of every feature level, through a small perceptron."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        widths = shape.encoder_widths
        self.levels = nn.ModuleList(
            EdgeConv(i, o, stride) for i, o, stride in zip((12, *widths), widths, (1, 2, 2, 2), strict=False)
        )
        self.hidden = nn.Linear(2 * (12 + sum(widths)), 512)
        self.code = nn.Linear(512, shape.code)

    def forward(self, style: Tensor) -> Tensor:
        """Codes ``(N, 256)`` of style pictures ``(N, 3, H, W)`` in 0..1; sides multiples of 8."""
        x = F.pixel_unshuffle(style, 2) * 2 - 1
        summary = _summary(x)
        for level in self.levels:
            x = F.relu(level(x))
            summary += _summary(x)
        code: Tensor = self.code(F.relu(self.hidden(torch.cat(summary, 1))))
        return code


def _summary(x: Tensor) -> list[Tensor]:
    x = x.float()
    mean = x.mean((2, 3))
    return [mean, ((x - mean[..., None, None]).square().mean((2, 3)) + _EPSILON).sqrt()]


class InstantNetwork(nn.Module):
    """Both halves, trained together and exported apart."""

    def __init__(self, shape: Shape | None = None) -> None:
        super().__init__()
        self.shape = shape or Shape()
        self.encoder = StyleEncoder(self.shape)
        self.transfer = TransferNetwork(self.shape)
