"""RunPlan: the memory and time that optimising a picture takes, known before it starts, and the tiles that make it
fit."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn

from impasto.encoders.encoder import Encoder
from impasto.encoders.vgg_layout import VGGLayout
from impasto.errors import PictureTooLarge

__all__ = ["RunPlan", "plan_run", "seconds_per_pixel"]

_FLOAT = 4
_PICTURE = 3 * _FLOAT
_COPIES = 5
"""Tensors of the picture's size beside the optimiser's own: the picture, its average, the start, and the gradient of
all scales and of one."""
_BACKWARD = 3.2
"""Bytes of a forward and backward pass, as a multiple of all activations; measured with pocket and VGG19."""
_PADDED = 1.35
"""What replicated borders multiply that by: every convolution keeps a padded copy of what it is given; measured."""
_TILES = (2048, 1536, 1024, 768, 512, 384, 256)
_USABLE = 0.8
"""How much of the free memory is taken."""
_MOST = 3 << 30
"""Bytes that one pass may take where the memory allows more and tiles are possible: larger ones are hardly faster."""
_AGAIN = 1.4
"""Time of two passes, the first without a gradient, as a multiple of one."""
_PROBE = 160


@dataclass(frozen=True, slots=True)
class RunPlan:
    """Bytes that a run takes beside what the process holds already, the side of its tiles, its time in seconds."""

    memory: int
    tile: int | None
    seconds: float


def plan_run(
    encoder: Encoder,
    size: tuple[int, int],
    content_layers: Sequence[str],
    *,
    tensors: int,
    free: int,
    tile: int | None = None,
    pace: float = 0.0,
    passes: Sequence[tuple[int, int]] = (),
) -> RunPlan:
    """Plan for a picture of ``size``.

    ``tensors`` is how many of its size the optimiser holds, ``free`` the bytes there are, ``pace`` the seconds a
    pixel takes, ``passes`` the pixels and the number of passes of each level; ``tile`` is the side asked for.
    Raises :class:`PictureTooLarge` where no tiles make it fit, or those asked for do not.
    """
    pixels = size[0] * size[1]
    width = 2 if next(encoder.parameters(), torch.zeros(())).dtype == torch.bfloat16 else _FLOAT
    fixed = pixels * (_PICTURE * (tensors + _COPIES) + _content_numbers(encoder, content_layers) * width)
    room = free * _USABLE - fixed
    padded = _PADDED if isinstance(encoder, VGGLayout) and encoder.padding == "replicate" else 1.0
    per_pixel = _activations(encoder) * width * _BACKWARD * padded + 2 * _PICTURE
    if tile is None and encoder.tiled and pixels * per_pixel > min(room, _MOST):
        sides = (side for side in _TILES if _largest_tile(encoder, size, side) * per_pixel <= min(room, _MOST))
        tile = next(sides, _TILES[-1])
    at_once = _largest_tile(encoder, size, tile)
    if at_once * per_pixel > room:
        needed = fixed + at_once * per_pixel
        remedies = ["a smaller tile"] if tile is not None and tile > _TILES[-1] else []
        remedies += ["a smaller size"] + (["the optimiser adam"] if tensors > 2 else [])
        raise PictureTooLarge(
            f"{size[0]} x {size[1]} pixels need {needed / 1e9:.1f} GB, but of {free / 1e9:.1f} GB free memory only "
            f"{_USABLE:.0%} may be taken; give {', or '.join(remedies)}"
        )
    tiled = at_once < pixels
    seconds = pace * sum(area * count for area, count in passes) * (_AGAIN if tiled else 1.0)
    return RunPlan(int(fixed + at_once * per_pixel), tile if tiled else None, seconds)


def seconds_per_pixel(encoder: Encoder) -> float:
    """How long a forward and backward pass takes here, measured on a small picture."""
    picture = torch.rand(1, 3, _PROBE, _PROBE, generator=torch.Generator().manual_seed(0)).requires_grad_()
    best = float("inf")
    for _ in range(3):
        start = time.perf_counter()
        torch.stack([f.float().square().mean() for f in encoder(picture).values()]).sum().backward()  # type: ignore[no-untyped-call]
        best = min(best, time.perf_counter() - start)
    return best / _PROBE**2


def _activations(encoder: Encoder) -> float:
    """Numbers per pixel of the picture that the convolutions make."""
    if not isinstance(encoder, VGGLayout):
        # Not known: as many as VGG19 up to relu4_1 makes, which is more than most.
        return 384.0
    return sum(_channels(encoder, name) / encoder.stride(f"conv{name}") ** 2 for name in encoder.names)


def _content_numbers(encoder: Encoder, layers: Sequence[str]) -> float:
    """Numbers per pixel of the picture that the photograph's features are."""
    if not isinstance(encoder, VGGLayout):
        return 16.0
    return sum(_channels(encoder, layer[4:]) / encoder.stride(layer) ** 2 for layer in layers)


def _channels(encoder: VGGLayout, name: str) -> int:
    convolution = encoder.get_submodule(f"conv{name}")
    assert isinstance(convolution, nn.Conv2d)
    return convolution.out_channels


def _largest_tile(encoder: Encoder, size: tuple[int, int], side: int | None) -> int:
    """Pixels of the largest tile with its surroundings; of the whole picture where there are no tiles."""
    width, height = size
    if not isinstance(encoder, VGGLayout):
        return width * height
    spans = (window.outer for window in encoder.windows(height, width, encoder.layers, side))
    return max(int(rows.stop - rows.start) * int(columns.stop - columns.start) for rows, columns in spans)
