"""VGG's layout (Simonyan & Zisserman 2014), at any width and depth."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from impasto.encoders.encoder import STYLE_LAYERS, Encoder, Features
from impasto.encoders.padding import pad_edges
from impasto.encoders.tile_layout import Window, windows

__all__ = ["Padding", "Pooling", "VGGLayout"]

Pooling = Literal["max", "average"]
Padding = Literal["zeros", "replicate"]


class VGGLayout(Encoder):
    """Levels of 3x3 convolutions with ReLU, pooled between levels, up to the deepest layer asked for.

    Layers are named as in the papers: ``relu1_1`` ... after the ReLU, ``conv1_1`` ... before it.
    ``pooling`` is ``"max"`` as published, or ``"average"`` (Gatys et al. 2016; not rescaled). ``padding``
    is ``"zeros"`` as published, or ``"replicate"``, which leaves no dark frame around a picture.
    A subclass says how many ``convolutions`` each level has, and how pictures are prepared.
    """

    convolutions: Sequence[int]
    tiled = True

    def __init__(
        self, layers: Iterable[str] = STYLE_LAYERS, *, pooling: Pooling = "max", padding: Padding = "zeros"
    ) -> None:
        """Raises ``ValueError`` for an unknown layer, and for an unknown ``pooling`` or ``padding``."""
        super().__init__()
        self.layers = tuple(dict.fromkeys(layers))
        for what, value, choices in (("pooling", pooling, get_args(Pooling)), ("padding", padding, get_args(Padding))):
            if value not in choices:
                raise ValueError(f"{what} is {value!r}; choose one of {', '.join(choices)}")
        self.pooling, self.padding = pooling, padding
        places, known = self.places(), self.layer_names()
        if not self.layers:
            raise ValueError(f"no layers are asked for; the layers are {', '.join(known)}")
        if unknown := sorted(set(self.layers) - set(known)):
            raise ValueError(f"there is no layer {', '.join(unknown)}; the layers are {', '.join(known)}")
        deepest = max(places.index(layer[4:]) for layer in self.layers)
        self.names = places[: deepest + 1]

    @classmethod
    def places(cls) -> tuple[str, ...]:
        """Every convolution, from the picture down: ``1_1``, ``1_2`` ..."""
        return tuple(f"{level}_{i + 1}" for level, n in enumerate(cls.convolutions, 1) for i in range(n))

    @classmethod
    def layer_names(cls) -> tuple[str, ...]:
        """Every layer, from the picture down: ``conv1_1``, ``relu1_1``, ``conv1_2`` ..."""
        return tuple(f"{kind}{place}" for place in cls.places() for kind in ("conv", "relu"))

    def stride(self, layer: str) -> int:
        """Pixels of the picture between neighbouring features: 1, 2, 4, 8, 16 for the levels.

        Feature ``i`` stands for the pixels ``i * stride`` to ``(i + 1) * stride - 1``. Raises
        ``ValueError`` for an unknown layer.
        """
        return _stride(self._place(layer))

    def reach(self, layer: str) -> int:
        """How many pixels beyond those that it stands for a feature sees, to every side.

        Exactly: each convolution adds one feature of its own level, and what is pooled together is what the
        feature stands for. Tiles that begin at multiples of the stride and have this margin give the same
        features as the whole picture. Raises ``ValueError`` for an unknown layer.
        """
        places = self.places()
        return sum(_stride(place) for place in places[: places.index(self._place(layer)) + 1])

    def windows(self, height: int, width: int, layers: Collection[str], side: int | None) -> Iterator[Window]:
        """The tiles of about ``side`` pixels to look at a picture in, each with all that ``layers`` see around it.

        One for the whole where ``side`` is ``None``.
        """
        margin, stride = max(map(self.reach, layers), default=0), max(map(self.stride, layers), default=1)
        return windows(height, width, side=side, margin=margin, stride=stride)

    def cut(self, layer: str, features: Tensor, window: Window) -> tuple[Tensor, tuple[slice, slice]]:
        """Those of a window's features that count, and which rows and columns of the whole picture's they are."""
        rows, columns = (span.features(self.stride(layer)) for span in (window.rows, window.columns))
        return features[..., rows[0], columns[0]], (rows[1], columns[1])

    def prepare(self, pictures: Tensor) -> Tensor:
        """RGB pictures in 0..1 as the first convolution expects them."""
        raise NotImplementedError

    def forward(self, pictures: Tensor) -> Features:
        """Features of RGB pictures ``(N, 3, H, W)`` in 0..1, as ``{layer: (N, C, h, w)}``."""
        x = self.prepare(pictures).to(next(self.parameters()).dtype)
        x = x.contiguous(memory_format=torch.channels_last)
        features: Features = {}
        for name in self.names:
            if name.endswith("_1") and name != "1_1":
                x = F.max_pool2d(x, 2) if self.pooling == "max" else F.avg_pool2d(x, 2)
            x = self.get_submodule(f"conv{name}")(self._padded(x))
            if f"conv{name}" in self.layers:
                features[f"conv{name}"] = x
            if name == self.names[-1] and f"relu{name}" not in self.layers:
                break
            # Never in place: what was just taken would change.
            x = F.relu(x)
            if f"relu{name}" in self.layers:
                features[f"relu{name}"] = x
        return features

    def _padded(self, x: Tensor) -> Tensor:
        if self.padding == "zeros":
            return x
        # On a graphics card the gradient of torch's own is scattered additions, a quarter of all the time.
        return pad_edges(x) if x.is_cuda else F.pad(x, (1, 1, 1, 1), mode="replicate")

    def _place(self, layer: str) -> str:
        if layer not in self.layer_names():
            raise ValueError(f"there is no layer {layer}; the layers are {', '.join(self.layer_names())}")
        return layer[4:]

    def _draw(self, widths: Sequence[int]) -> None:
        """Random weights (He et al. 2015), the same every time, with ``widths`` channels at each level."""
        random = torch.Generator().manual_seed(0)
        inputs, weights = 3, {}
        for name in self.names:
            outputs = widths[int(name[0]) - 1]
            deviation = (2 / (9 * inputs)) ** 0.5
            weights[f"conv{name}.weight"] = torch.randn(outputs, inputs, 3, 3, generator=random) * deviation
            weights[f"conv{name}.bias"] = torch.zeros(outputs)
            inputs = outputs
        self._fill(weights, "random weights")

    def _fill(self, weights: Mapping[str, Tensor], source: str) -> None:
        """Take ``conv1_1.weight`` (OIHW), ``conv1_1.bias`` ..., whatever their widths.

        Raises ``ValueError`` where one is missing, or does not fit the one before it.
        """
        before = 3
        for name in self.names:
            if f"conv{name}.weight" not in weights or f"conv{name}.bias" not in weights:
                raise ValueError(f"{source} has no conv{name}, which {', '.join(self.layers)} need")
            weight, bias = weights[f"conv{name}.weight"].float(), weights[f"conv{name}.bias"].float()
            if weight.shape[1:] != (before, 3, 3) or bias.shape != weight.shape[:1]:
                raise ValueError(
                    f"conv{name} of {source} is {tuple(weight.shape)} with a bias {tuple(bias.shape)}; "
                    f"it should be (C, {before}, 3, 3) with (C,)"
                )
            before = len(weight)
            layer = nn.Conv2d(weight.shape[1], before, 3, padding=0 if self.padding == "replicate" else 1)
            layer.weight.data = weight.contiguous(memory_format=torch.channels_last)
            layer.bias = nn.Parameter(bias)
            self.add_module(f"conv{name}", layer)


def _stride(place: str) -> int:
    return 1 << int(place[0]) - 1
