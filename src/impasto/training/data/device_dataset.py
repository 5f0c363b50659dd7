"""DeviceCropDataset: pictures on the device that learns, cropped there."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from impasto.training.data.dataset import read_picture, training_files
from impasto.training.data.textures import KINDS, texture

__all__ = ["DeviceCropDataset", "fixed_crops", "picture_bytes", "read_datasets"]


class DeviceCropDataset:
    """Pictures as bytes in the device's memory: cutting, scaling and mirroring wait for no processor."""

    def __init__(self, pictures: Iterable[Image.Image], device: torch.device, seed: int) -> None:
        self._random = np.random.default_rng(seed)
        self._pictures = [picture_bytes(picture).to(device) for picture in pictures]

    @classmethod
    def read(cls, files: list[Path], device: torch.device, seed: int, short_side: int) -> DeviceCropDataset:
        """From files, larger pictures scaled down."""
        with ThreadPoolExecutor() as readers:  # decoding releases the interpreter's lock
            return cls(readers.map(lambda file: read_picture(file, short_side), files), device, seed)

    def with_more(self, pictures: Iterable[Image.Image]) -> DeviceCropDataset:
        """This dataset with pictures added."""
        device = self._pictures[0].device
        self._pictures += [picture_bytes(picture).to(device) for picture in pictures]
        return self

    def reseed(self, seed: int) -> None:
        """Begin other crops."""
        self._random = np.random.default_rng(seed)

    def __len__(self) -> int:
        return len(self._pictures)

    def batch(self, count: int, size: int, smallest: int, largest: int) -> Tensor:
        """``(count, 3, size, size)`` in 0..1: crops of pictures whose short side was scaled to between the bounds."""
        return torch.stack([self._crop(size, smallest, largest) for _ in range(count)])

    def _crop(self, size: int, smallest: int, largest: int) -> Tensor:
        picture = self._pictures[self._random.integers(len(self._pictures))]
        height, width = picture.shape[1:]
        short = min(height, width)
        # Log-uniform, so that every octave of scale is met as often as every other.
        target = np.exp(self._random.uniform(np.log(max(smallest, size)), np.log(max(largest, size))))
        side = min(short, max(8, round(size * short / target)))
        top = int(self._random.integers(height - side + 1))
        left = int(self._random.integers(width - side + 1))
        cut = picture[None, :, top : top + side, left : left + side].float() / 255
        crop = F.interpolate(cut, (size, size), mode="bicubic", antialias=True)[0].clamp(0, 1)
        return crop.flip(2) if self._random.random() < 0.5 else crop


def read_datasets(
    photos: Path, styles: Path, device: torch.device, textures: int, seed: int, short_side: int = 512
) -> tuple[DeviceCropDataset, DeviceCropDataset]:
    """The photographs and the styles of two folders; ``textures`` made by code join the styles.

    Raises :class:`RequestError` for a folder without pictures, and :class:`PictureError` for what is not a picture.
    """
    random = np.random.default_rng(seed)
    drawn = (texture(random, kind=KINDS[i % len(KINDS)]) for i in range(textures))
    contents = DeviceCropDataset.read(training_files(photos), device, seed, short_side)
    return contents, DeviceCropDataset.read(training_files(styles), device, seed + 1, short_side).with_more(drawn)


def fixed_crops(files: list[Path], count: int, device: torch.device, size: int, short_side: int) -> Tensor:
    """The same few crops every time, ``(count, 3, size, size)`` in 0..1, of files from the whole list."""
    chosen = [files[i] for i in np.linspace(0, len(files) - 1, min(count, len(files))).astype(int)]
    return torch.cat(
        [DeviceCropDataset.read([file], device, 7, 512).batch(1, size, short_side, short_side) for file in chosen]
    )


def picture_bytes(picture: Image.Image) -> Tensor:
    """A picture's bytes ``(3, H, W)``."""
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1).contiguous()
