"""The ``instant`` network: a style becomes a code, and the code drives every instance normalisation.

Conditional instance normalisation (Dumoulin et al. 2017) with predicted affine parameters
(Ghiasi et al. 2017), on a transfer network after Johnson et al. 2016 that works at half
resolution outside and an eighth inside, or a sixteenth. A ``StyleNetwork`` is the same for one style alone:
what the code would say is part of its weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from impasto.training.architecture.layers import BlurPool, EdgeConv, Norms
from impasto.training.architecture.shape import Shape
from impasto.training.architecture.style_encoder import StyleEncoder

__all__ = ["InstantNetwork", "Shape", "StyleNetwork", "TransferNetwork", "Trunk", "grow_network"]

T = TypeVar("T")


class Depth(nn.Module):
    """A level at half the size of what it is given, whose output is added to it: nothing, until it has learnt.

    Height and width must be even.
    """

    def __init__(self, outside: int, inside: int, blocks: int) -> None:
        super().__init__()
        self.blur = BlurPool(outside)
        self.down = EdgeConv(outside, inside)
        self.blocks = nn.ModuleList(EdgeConv(inside, inside) for _ in range(2 * blocks))
        self.up = nn.Conv2d(inside, outside, 1)
        nn.init.zeros_(self.up.weight)
        assert self.up.bias is not None
        nn.init.zeros_(self.up.bias)

    def forward(self, x: Tensor, norm: Norms) -> Tensor:
        """``(N, C, H, W)`` with what is seen at half that size."""
        y = F.relu(norm(self.down(self.blur(x))))
        for first, second in zip(self.blocks[0::2], self.blocks[1::2], strict=True):
            y = y + norm(second(F.relu(norm(first(y)))))
        return x + F.interpolate(self.up(y), scale_factor=2.0, mode="bilinear")


class Mixing(nn.Module):
    """Channels mixed by a small matrix of the style's own: ``x + B M A x``. Scale and shift keep channels apart."""

    def __init__(self, channels: int, rank: int, code: int) -> None:
        super().__init__()
        self.rank = rank
        self.into = nn.Conv2d(channels, rank, 1, bias=False)
        self.out = nn.Conv2d(rank, channels, 1, bias=False)
        self.matrix = nn.Linear(code, rank * rank)
        nn.init.zeros_(self.matrix.weight)
        nn.init.zeros_(self.matrix.bias)

    def forward(self, x: Tensor, code: Tensor) -> Tensor:
        """``x`` ``(N, C, H, W)`` mixed as the ``code`` ``(N or 1, codes)`` says."""
        few: Tensor = self.into(x)
        mixed: Tensor = torch.matmul(self.matrix(code).view(-1, self.rank, self.rank).to(few.dtype), few.flatten(2))
        spread: Tensor = self.out(mixed.view_as(few))
        return x + spread

    def folded(self, weight: Tensor, code: Tensor) -> Tensor:
        """The ``weight`` ``(O, C, 3, 3)`` of the convolution behind it, with the mixing of one code in it."""
        matrix = self.matrix(code).view(self.rank, self.rank)
        whole: Tensor = self.out.weight.flatten(1) @ matrix @ self.into.weight.flatten(1)
        return weight + torch.einsum("ojhw,ji->oihw", weight, whole)


class Trunk(nn.Module):
    """The convolutions, which all styles share. Height and width of pictures must be multiples of ``multiple``."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.multiple = shape.multiple
        half, quarter, eighth = shape.widths
        self.down1 = EdgeConv(12, half)
        self.down2 = EdgeConv(half, quarter, 2)
        self.down3 = EdgeConv(quarter, eighth, 2)
        self.blocks = nn.ModuleList(EdgeConv(eighth, eighth) for _ in range(2 * shape.blocks))
        self.up1 = EdgeConv(eighth, quarter)
        self.up2 = EdgeConv(quarter, half)
        self.out = EdgeConv(half, 12)
        self.depth = Depth(eighth, shape.deep, shape.deep_blocks) if shape.deep else None
        # Of every normalisation, in the order in which paint() asks for them; those of the depth come by themselves.
        self.channels = [half, quarter, eighth, *[eighth] * (2 * shape.blocks), quarter, quarter, half]
        self.deep_channels = [shape.deep] * (1 + 2 * shape.deep_blocks) if shape.deep else []
        self.statistics = 2 * sum(self.channels + self.deep_channels)

    def in_order(self, affine: Sequence[T], deep: Sequence[T]) -> list[T]:
        """What belongs to the normalisations of the trunk and of its depth, in the order of :meth:`paint`."""
        return [*affine[:3], *deep, *affine[3:]]

    def paint(self, content: Tensor, norm: Norms, code: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Repaint ``content`` ``(N, 3, H, W)`` in 0..1 with these normalisations, and what ``code`` mixes.

        Returns the pastiche ``(N, 3, H, W)``, a hair beyond 0..1 at most, and the measured
        statistics ``(N, statistics)``, which are empty unless some are given.
        """
        x = F.relu(norm(self.down1(F.pixel_unshuffle(content, 2))))
        quarter = self.down2(x)
        x = F.relu(norm(quarter))
        x = F.relu(norm(self.down3(x)))
        if self.depth is not None:
            x = self.depth(x, norm)
        for i, (first, second) in enumerate(zip(self.blocks[0::2], self.blocks[1::2], strict=True)):
            x = x + norm(second(self.mix(i, F.relu(norm(first(x))), code)))
        x = self.mix(-3, x, code)
        x = norm(self.up1(F.interpolate(x, scale_factor=2.0, mode="nearest")))
        # The photograph's own edges come past the bottleneck, restyled: faces and lettering need them.
        x = self.mix(-2, F.relu(x + norm(quarter)), code)
        x = self.mix(-1, F.relu(norm(self.up2(F.interpolate(x, scale_factor=2.0, mode="nearest")))), code)
        # A little beyond 0..1, so that pure black and white are within reach of the sigmoid.
        pastiche = torch.sigmoid(F.pixel_shuffle(self.out(x), 2)) * 1.04 - 0.02
        return pastiche, torch.cat(norm.measured, 1) if norm.measured else pastiche.new_empty(0)

    def mix(self, _: int, x: Tensor, code: Tensor | None) -> Tensor:
        """What a style makes of the channels: nothing, where it is part of the weights.

        Within each residual block, counted from 0, and before the last three convolutions, counted from the end.
        """
        assert code is None
        return x


class TransferNetwork(Trunk):
    """Content picture and style code to pastiche, in one pass."""

    def __init__(self, shape: Shape) -> None:
        super().__init__(shape)
        self.affine = nn.ModuleList(nn.Linear(shape.code, 2 * n) for n in self.channels)
        self.deep_affine = nn.ModuleList(nn.Linear(shape.code, 2 * n) for n in self.deep_channels)
        for head in (*self.affine, *self.deep_affine):
            assert isinstance(head, nn.Linear)
            nn.init.normal_(head.weight, std=0.02)
            nn.init.zeros_(head.bias)
        for head in self.deep_affine:
            assert isinstance(head, nn.Linear)
            # No two alike: of equal weights the exporter keeps one.
            nn.init.normal_(head.bias, std=0.02)
        half, quarter, eighth = shape.widths
        mixed = [*[eighth] * (shape.blocks + 1), quarter, half] if shape.rank else []
        self.mixings = nn.ModuleList(Mixing(n, min(n, shape.rank), shape.code) for n in mixed)

    def forward(
        self, content: Tensor, code: Tensor, given: Tensor | None = None, use: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Repaint ``content`` ``(N, 3, H, W)`` in 0..1 by ``code`` ``(N, 256)``; returns what :meth:`paint` does."""
        affine, deep = ([head(code) for head in heads] for heads in (self.affine, self.deep_affine))
        return self.paint(content, Norms(self.in_order(affine, deep), given, use), code)

    def mix(self, place: int, x: Tensor, code: Tensor | None) -> Tensor:
        """By the code's own matrix, where the network has a rank."""
        if not len(self.mixings):
            return x
        mixed: Tensor = self.mixings[place](x, code)
        return mixed


class StyleNetwork(Trunk):
    """Content picture to pastiche in the one style that was learnt."""

    def __init__(self, shape: Shape) -> None:
        super().__init__(shape)
        self.affine = nn.ParameterList(torch.zeros(1, 2 * n) for n in self.channels)
        self.deep_affine = nn.ParameterList(0.02 * torch.randn(1, 2 * n) for n in self.deep_channels)

    @classmethod
    def folded(cls, network: TransferNetwork, shape: Shape, code: Tensor) -> StyleNetwork:
        """``network`` for one ``code`` ``(1, codes)``: what its heads make of it becomes part of the weights."""
        result = cls(shape)
        weights = {name: value for name, value in network.state_dict().items() if name in result.state_dict()}
        with torch.no_grad():
            for kind in ("affine", "deep_affine"):
                weights |= {f"{kind}.{i}": head(code) for i, head in enumerate(getattr(network, kind))}
            behind = [*(f"blocks.{2 * i + 1}" for i in range(shape.blocks)), "up1", "up2", "out"]
            for name, mixing in zip(behind, network.mixings, strict=False):
                assert isinstance(mixing, Mixing)
                weights[f"{name}.weight"] = mixing.folded(weights[f"{name}.weight"], code)
        result.load_state_dict(weights)
        return result

    def forward(self, content: Tensor, given: Tensor | None = None, use: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Repaint ``content`` ``(N, 3, H, W)`` in 0..1; returns what :meth:`paint` does."""
        return self.paint(content, Norms(self.in_order(list(self.affine), list(self.deep_affine)), given, use))


class InstantNetwork(nn.Module):
    """Both halves, trained together and exported apart."""

    def __init__(self, shape: Shape | None = None) -> None:
        super().__init__()
        self.shape = shape or Shape()
        self.encoder = StyleEncoder(self.shape)
        self.transfer = TransferNetwork(self.shape)


def grow_network(small: nn.Module, large: nn.Module) -> None:
    """Give ``large`` the weights of ``small``, which is of the same kind and has less: it then paints the same.

    Raises ``ValueError`` where ``small`` has a weight that ``large`` has not, or has in another size.
    """
    weights, places = small.state_dict(), large.state_dict()
    if odd := [name for name, value in weights.items() if name not in places or places[name].shape != value.shape]:
        raise ValueError(f"a network of the other shape has no place for {', '.join(odd[:3])}; keep widths and blocks")
    large.load_state_dict(places | weights)
