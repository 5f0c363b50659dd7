"""Recolouring: one picture in the colours of another."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from impasto.picture.raster import Raster

__all__ = ["recoloured"]

_R = TypeVar("_R", bound=Raster)
_Matrix = NDArray[np.float64]


def recoloured(picture: _R, like: Raster) -> _R:
    """``picture`` with the colours' mean and covariance of ``like``, by the linear map that moves them least.

    The Monge-Kantorovich map between Gaussians (Pitié & Kokaram 2007). Both are taken to be opaque.
    """
    ours, theirs = (p.pixels.reshape(-1, 3).astype(np.float64) / p.peak for p in (picture, like))
    have, want = _covariance(ours), _covariance(theirs)
    half, inverse = _power(have, 0.5), _power(have, -0.5)
    colours = (ours - ours.mean(0)) @ (inverse @ _power(half @ want @ half, 0.5) @ inverse) + theirs.mean(0)
    pixels = (colours.clip(0, 1) * picture.peak + 0.5).astype(picture.pixels.dtype)
    return replace(picture, pixels=pixels.reshape(picture.pixels.shape))


def _covariance(colours: _Matrix) -> _Matrix:
    # Of one colour only, it has no root to divide by.
    found: _Matrix = np.cov(colours.T, bias=True) + 1e-6 * np.eye(3)
    return found


def _power(matrix: _Matrix, exponent: float) -> _Matrix:
    values, vectors = np.linalg.eigh(matrix)
    result: _Matrix = vectors * values.clip(1e-12) ** exponent @ vectors.T
    return result
