"""The strength curve: how far a code must move so that every step of strength looks as large as the next."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from impasto.encoders.encoder import Encoder
from impasto.encoders.open import open_encoder
from impasto.inference.graph import Array
from impasto.instant.engine import InstantEngine
from impasto.instant.painter import to_network_input
from impasto.losses.distances import content_distance
from impasto.models import Model
from impasto.models.model import read_manifest, write_manifest
from impasto.picture import Picture
from impasto.picture.scaling import fit
from impasto.request import Request
from impasto.styles import Style
from impasto.training.data.dataset import training_files

__all__ = ["calibrate", "even_curve", "measure_curve"]

_LAYER = "relu4_1"
_SIDE = 384


def measure_curve(
    model: Model, photos: Path, styles: Path, weights: Path | None = None, *, pairs: int = 12, steps: int = 9
) -> Array:
    """Mean content distance from the photograph as the code moves from its own to the style's.

    Returns ``(2, steps)``: how far the code moved, 0..1, and the distance at
    relu4_1 of VGG19 or of a pocket, whose ``weights`` these are.
    """
    engine = InstantEngine(model)
    encoder = open_encoder(weights, (_LAYER,))
    moved = np.linspace(0, 1, steps)
    distances = np.zeros(steps)
    for photo, painting in zip(_some(photos, pairs), _some(styles, pairs), strict=True):
        content = Picture.open(photo)
        content = content.resized(fit(content.size, _SIDE))
        style = Style.from_picture(painting)
        own = _features(encoder, content)
        for i, share in enumerate(moved):
            # The curve in force bends the strength; asking for the bent value's origin takes that out.
            strength = float(np.interp(share, engine.curve[1], engine.curve[0]))
            result = engine.finish(Request(content=content, style=style, strength=strength, precision="f32"))
            distances[i] += content_distance(_features(encoder, result.pastiche), own).item() / pairs
    return np.stack([moved, distances])


def even_curve(measured: Array, steps: int = 9) -> list[list[float]]:
    """``[[strength, how far to move the code], ...]`` along which the measured distance grows evenly."""
    moved, distance = measured
    growing = np.maximum.accumulate(distance) + np.linspace(0, 1e-6, len(distance))
    strengths = np.linspace(0, 1, steps)
    even = np.interp(strengths * (growing[-1] - growing[0]) + growing[0], growing, moved)
    return [[round(float(s), 4), round(float(m), 4)] for s, m in zip(strengths, even, strict=True)]


def calibrate(
    folder: Path, photos: Path, styles: Path, weights: Path | None = None, *, pairs: int = 12
) -> list[list[float]]:
    """Measure the curve of the model in ``folder`` and write it into its manifest."""
    curve = even_curve(measure_curve(Model.read(folder), photos, styles, weights, pairs=pairs))
    manifest = read_manifest(folder)
    manifest["rules"]["strength"] = curve
    write_manifest(folder, manifest)
    return curve


def _some(folder: Path, count: int) -> list[Path]:
    files = training_files(folder)
    return [files[i] for i in np.linspace(0, len(files) - 1, count).astype(int)]


@torch.no_grad()
def _features(encoder: Encoder, picture: Picture) -> torch.Tensor:
    features: torch.Tensor = encoder(torch.from_numpy(to_network_input(picture.pixels)))[_LAYER]
    return features
