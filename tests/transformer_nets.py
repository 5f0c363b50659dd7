"""Johnson's network in torch, under the two sets of names that PyTorch's users keep it in; weights random."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Conv(nn.Module):
    """A convolution with reflected borders, by the name ``conv2d`` or ``conv_layer``."""

    def __init__(self, inputs: int, outputs: int, size: int, stride: int = 1, name: str = "conv2d") -> None:
        super().__init__()
        self._name, self._border = name, size // 2
        setattr(self, name, nn.Conv2d(inputs, outputs, size, stride))

    def forward(self, x: Tensor) -> Tensor:
        result = getattr(self, self._name)(F.pad(x, [self._border] * 4, mode="reflect"))
        assert isinstance(result, Tensor)
        return result


class Block(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = Conv(channels, channels, 3), Conv(channels, channels, 3)
        self.in1, self.in2 = (nn.InstanceNorm2d(channels, affine=True) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.in2(self.conv2(F.relu(self.in1(self.conv1(x)))))
        return x + y


class Example(nn.Module):
    """With the names of PyTorch's own example: RGB, 0..255."""

    def __init__(self, width: int = 8, blocks: int = 3, size: int = 9) -> None:
        super().__init__()
        self.blocks = blocks
        self.conv1, self.conv2 = Conv(3, width, size), Conv(width, 2 * width, 3, 2)
        self.conv3 = Conv(2 * width, 4 * width, 3, 2)
        for number in range(1, blocks + 1):
            self.add_module(f"res{number}", Block(4 * width))
        self.deconv1, self.deconv2 = Conv(4 * width, 2 * width, 3), Conv(2 * width, width, 3)
        self.deconv3 = Conv(width, 3, size)
        for number, times in enumerate((1, 2, 4, 2, 1), 1):
            self.add_module(f"in{number}", nn.InstanceNorm2d(times * width, affine=True))
        _randomise(self, self.deconv3.conv2d)

    def forward(self, x: Tensor) -> Tensor:
        for number in (1, 2, 3):
            x = F.relu(getattr(self, f"in{number}")(getattr(self, f"conv{number}")(x)))
        for number in range(1, self.blocks + 1):
            x = getattr(self, f"res{number}")(x)
        for number in (1, 2):
            x = getattr(self, f"deconv{number}")(F.interpolate(x, scale_factor=2, mode="nearest"))
            x = F.relu(getattr(self, f"in{number + 3}")(x))
        y: Tensor = self.deconv3(x)
        return y


class Normed(Conv):
    def __init__(self, inputs: int, outputs: int, size: int, stride: int = 1) -> None:
        super().__init__(inputs, outputs, size, stride, "conv_layer")
        self.norm_layer = nn.InstanceNorm2d(outputs, affine=True)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.norm_layer(super().forward(x))
        return y


class NormedBlock(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = Normed(channels, channels, 3), Normed(channels, channels, 3)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv2(F.relu(self.conv1(x)))
        return x + y


class Transposed(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv_transpose = nn.ConvTranspose2d(inputs, outputs, 3, 2, 1, 1)
        self.norm_layer = nn.InstanceNorm2d(outputs, affine=True)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.norm_layer(self.conv_transpose(x))
        return y


class Blocks(nn.Module):
    """With the names of fast-neural-style-pytorch: BGR, 0..255, transposed convolutions."""

    def __init__(self, width: int = 8, blocks: int = 2) -> None:
        super().__init__()
        downs = [Normed(3, width, 9), Normed(width, 2 * width, 3, 2), Normed(2 * width, 4 * width, 3, 2)]
        ups = [Transposed(4 * width, 2 * width), Transposed(2 * width, width)]
        last = Conv(width, 3, 9, name="conv_layer")
        self.ConvBlock = nn.Sequential(*(part for down in downs for part in (down, nn.ReLU())))
        self.ResidualBlock = nn.Sequential(*(NormedBlock(4 * width) for _ in range(blocks)))
        self.DeconvBlock = nn.Sequential(*(part for up in ups for part in (up, nn.ReLU())), last)
        _randomise(self, last.conv_layer)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.DeconvBlock(self.ResidualBlock(self.ConvBlock(x)))
        return y


def _randomise(network: nn.Module, last: object) -> None:
    """Weights that keep the signal's size, and an output spread over 0..255."""
    random = torch.Generator().manual_seed(3)
    for module in network.modules():
        if isinstance(module, nn.InstanceNorm2d):
            module.weight.data.uniform_(0.5, 1.5, generator=random)
            module.bias.data.normal_(0, 0.2, generator=random)
        elif isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
            module.weight.data.normal_(0, 1.4 * module.weight[0].numel() ** -0.5, generator=random)
            assert module.bias is not None
            module.bias.data.normal_(0, 0.1, generator=random)
    assert isinstance(last, nn.Conv2d)
    assert last.bias is not None
    last.weight.data *= 40
    last.bias.data += 120
