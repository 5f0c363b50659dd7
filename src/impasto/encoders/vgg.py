"""VGG16 and VGG19 (Simonyan & Zisserman 2014): the encoders whose distances the papers report."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from impasto.encoders.encoder import IMAGENET_MEAN, IMAGENET_STD, STYLE_LAYERS
from impasto.encoders.vgg_layout import Padding, Pooling, VGGLayout
from impasto.encoders.weights_file import Weights

__all__ = ["ARCHITECTURES", "VGG16", "VGG19", "Convention", "PublishedVGG"]

Convention = Literal["caffe", "torchvision"]
_CONVENTIONS: tuple[Convention, ...] = ("caffe", "torchvision")

# The Caffe weights expect BGR, 0..255, with the ImageNet mean taken off.
_CAFFE_MEAN_BGR = (103.939, 116.779, 123.68)


class PublishedVGG(VGGLayout):
    """VGG as published, frozen.

    There are two sets of weights, which expect pictures in different ways. ``convention`` tells which
    these are: ``"caffe"``, the authors' own, or ``"torchvision"``, trained again on RGB in 0..1 less
    ImageNet's mean, divided by its standard deviation.
    """

    convention: Convention

    def __init__(
        self,
        weights: Path,
        layers: Iterable[str] = STYLE_LAYERS,
        *,
        pooling: Pooling = "max",
        padding: Padding = "zeros",
    ) -> None:
        """Read what ``layers`` need of ``conv1_1.weight`` (OIHW), ``conv1_1.bias`` ...

        An ``.npz`` is of Caffe's convention; a ``.safetensors`` says in its metadata which it is of. Raises
        ``ValueError`` for an unknown layer, for another network's file, and where the file lacks a
        convolution that a layer needs.
        """
        super().__init__(layers, pooling=pooling, padding=padding)
        file = Weights(weights)
        self.convention = _convention(file)
        there = {match[1] for name in file.names if (match := re.fullmatch(r"conv(\d_\d)\.weight", name))}
        if foreign := sorted(there - set(self.places())):
            raise ValueError(f"{weights} has conv{foreign[0]}, which {type(self).__name__} has not; is it another's?")
        wanted = (f"conv{name}.{part}" for name in self.names for part in ("weight", "bias"))
        self._fill(file.read(wanted), str(weights))
        self.requires_grad_(False)

    def prepare(self, pictures: Tensor) -> Tensor:
        # In the pictures' precision: bf16 would round the mean.
        if self.convention == "caffe":
            return pictures.flip(1) * 255 - _planes(pictures, _CAFFE_MEAN_BGR)
        return (pictures - _planes(pictures, IMAGENET_MEAN)) / _planes(pictures, IMAGENET_STD)


class VGG19(PublishedVGG):
    """VGG19, of which Gatys et al. 2016 and most after them take their features."""

    convolutions = (2, 2, 4, 4, 4)


class VGG16(PublishedVGG):
    """VGG16, which Johnson et al. 2016 take their features of."""

    convolutions = (2, 2, 3, 3, 3)


ARCHITECTURES: dict[str, type[PublishedVGG]] = {"vgg16": VGG16, "vgg19": VGG19}


def _convention(file: Weights) -> Convention:
    if file.path.suffix.lower() == ".npz":
        return "caffe"
    said = file.metadata.get("convention")
    for convention in _CONVENTIONS:
        if said == convention:
            return convention
    raise ValueError(f"the metadata of {file.path} says convention {said!r}; write caffe or torchvision there")


def _planes(pictures: Tensor, values: tuple[float, ...]) -> Tensor:
    # Not as one tensor of them: that would come from the processor's memory, which a recorded step must not ask for.
    return torch.cat([pictures.new_full((1, 1, 1, 1), value) for value in values], 1)
