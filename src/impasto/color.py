"""Colour: whose colours a pastiche wears, and the palette that stands for a picture.

All of it happens in Oklab (Björn Ottosson, "A perceptual color space for image processing", 2020),
where lightness and colour come apart cleanly. Work goes in strips, so that a picture of 96
megapixels needs little more memory than the result.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from impasto.picture.raster import Raster

if TYPE_CHECKING:
    from impasto.picture import Picture

__all__ = ["keep_colors", "luminance", "match_colors", "palette", "recolour"]

Pixels = np.ndarray[Any, np.dtype[Any]]

_STRIP = 1 << 18  # pixels worked on at once: about 25 MB of temporaries
_TO_LMS = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)
_RGB_TO_LMS = _TO_LMS.T.astype(np.float32)
_LMS_TO_LAB = _TO_LAB.T.astype(np.float32)
_LAB_TO_LMS = np.linalg.inv(_TO_LAB).T.astype(np.float32)
_LMS_TO_RGB = np.linalg.inv(_TO_LMS).T.astype(np.float32)
_GREY = np.array([0.5, 0.0, 0.0])
_SLACK = 1e-4  # of linear light: rounding is not out of gamut
_RIDGE = 1e-4  # variance in Oklab: fainter differences are mostly noise, which must not be stretched
_HUES_FIRST = np.array([1.0, 2.5, 2.5])  # a palette tells hues apart before light and dark
_ALIKE = 0.06  # distance, so stretched, below which two colours of a palette look the same


def luminance(pixels: Pixels) -> Pixels:
    """Relative luminance (ITU-R BT.709, linear light) of sRGB ``pixels``, ``(height, width, 3)``, uint8 or uint16.

    Returns float32 ``(height, width)`` in 0..1.
    """
    light = _decoding(pixels.dtype)
    result = np.empty(pixels.shape[:2], np.float32)
    for rows in _strips(pixels):
        result[rows] = light[pixels[rows]] @ np.array([0.2126, 0.7152, 0.0722], np.float32)
    return result


def keep_colors(pastiche: Picture, photograph: Picture) -> Picture:
    """The lightness of ``pastiche`` under the colours of ``photograph``.

    Oklab's L comes from the one, its a and b from the other; a colour that sRGB cannot show at that
    lightness keeps its hue and loses chroma. Alpha, format and metadata are the pastiche's. Raises
    ``ValueError`` where the sizes differ.
    """
    _check_sizes(pastiche, photograph)

    def strip(rows: slice) -> Pixels:
        lab = _oklab(pastiche.pixels[rows])
        lab[..., 1:] = _oklab(photograph.pixels[rows])[..., 1:]
        return lab

    return _repaint(pastiche, strip)


def match_colors(photograph: Picture, pastiche: Picture) -> Picture:
    """``photograph`` with only its palette moved: its colours spread as those of ``pastiche``.

    The linear Monge-Kantorovich map between the two colour distributions (Pitié and Kokaram, "The
    linear Monge-Kantorovitch linear colour mapping for example-based colour transfer", 2007), here in
    Oklab: of all linear maps that carry mean and covariance over, the one that moves colours least.
    Pixels count as far as they are opaque. Alpha, format and metadata are the photograph's. Raises
    ``ValueError`` where the sizes differ.
    """
    _check_sizes(photograph, pastiche)
    here, source = _distribution(photograph)
    there, target = _distribution(pastiche)
    root = _root(source)
    back = np.linalg.inv(root)
    transport = back @ _root(root @ target @ root) @ back
    matrix = transport.T.astype(np.float32)
    shift = (there - transport @ here).astype(np.float32)
    return _repaint(photograph, lambda rows: _oklab(photograph.pixels[rows]) @ matrix + shift)


def palette(picture: Picture, count: int = 6) -> tuple[str, ...]:
    """Up to ``count`` colours that stand for ``picture``, as ``"#rrggbb"``, the commonest first.

    Fewer where the picture has fewer that differ visibly. The same picture always gives the same
    palette. Raises ``ValueError`` where ``count`` is not positive.
    """
    if count < 1:
        raise ValueError(f"count is {count}; give 1 or more")
    step = max(1, int(max(picture.size) // 128))
    sample = picture.pixels[::step, ::step].reshape(-1, 3)
    if picture.alpha is not None:
        seen = picture.alpha[::step, ::step].reshape(-1) > 0
        sample = sample[seen] if seen.any() else sample
    points = _oklab(sample).astype(np.float64) * _HUES_FIRST
    centres, sizes = _merge_clusters(*_clusters(points, 4 * count), count)
    order = np.argsort(-sizes, kind="stable")
    shown = _encode(_linear((centres[order] / _HUES_FIRST).astype(np.float32)), np.dtype(np.uint8))
    return tuple(f"#{r:02x}{g:02x}{b:02x}" for r, g, b in shown.tolist())


def _check_sizes(first: Picture, second: Picture) -> None:
    if first.size != second.size:
        (w, h), (v, k) = first.size, second.size
        raise ValueError(f"the pictures are {w}x{h} and {v}x{k}; scale one to the other's size first")


def _strips(pixels: Pixels) -> Iterator[slice]:
    rows = max(1, _STRIP // pixels.shape[1])
    for top in range(0, pixels.shape[0], rows):
        yield slice(top, top + rows)


def _repaint(picture: Picture, strip: Callable[[slice], Pixels]) -> Picture:
    """``picture`` with the pixels that ``strip`` gives in Oklab for each slice of rows."""
    pixels = np.empty_like(picture.pixels)
    for rows in _strips(pixels):
        pixels[rows] = _encode(_in_gamut(strip(rows)), pixels.dtype)
    return replace(picture, pixels=pixels)


@cache
def _decoding(dtype: np.dtype[Any]) -> Pixels:
    """Linear light, float32 in 0..1, by sRGB value."""
    peak = np.iinfo(dtype).max
    v = np.arange(peak + 1) / peak
    return np.where(v <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4).astype(np.float32)


@cache
def _encoding() -> Pixels:
    """The sRGB byte by linear light in 0..65535: fine enough, for the darkest byte step spans 20 entries."""
    return _companded(np.arange(65536) / 65535, 255).astype(np.uint8)


def _companded(light: Pixels, peak: int) -> Pixels:
    curve = 1.055 * np.maximum(light, 0.0031308) ** (1 / 2.4) - 0.055
    return np.where(light <= 0.0031308, light * 12.92, curve) * peak + 0.5


def _encode(light: Pixels, dtype: np.dtype[Any]) -> Pixels:
    light = light.clip(0, 1)
    if dtype == np.uint8:
        return _encoding()[(light * 65535 + 0.5).astype(np.uint16)]
    return _companded(light, 65535).astype(dtype)


def _oklab(pixels: Pixels) -> Pixels:
    """Float32 Oklab of sRGB pixels ``(..., 3)``: L in 0..1, a and b about -0.4..0.4."""
    return np.asarray(np.cbrt(_decoding(pixels.dtype)[pixels] @ _RGB_TO_LMS) @ _LMS_TO_LAB)


def _linear(lab: Pixels) -> Pixels:
    lms = lab @ _LAB_TO_LMS
    return np.asarray(lms * lms * lms @ _LMS_TO_RGB)


def _in_gamut(lab: Pixels) -> Pixels:
    """Linear light of ``lab``; where sRGB ends, chroma is taken back at the same lightness and hue."""
    lab[..., 0].clip(0, 1, out=lab[..., 0])
    light = _linear(lab)
    outside = ~_fits_srgb(light[..., 0], light[..., 1], light[..., 2])
    if outside.any():
        # Channel by channel, where NumPy is fastest: halving steps towards the most chroma that fits.
        far = lab[outside].T
        grey, tint = _LAB_TO_LMS[:1].T * far[:1], _LAB_TO_LMS[1:].T @ far[1:]
        chroma = np.zeros(far.shape[1], np.float32)
        for step in 0.5 ** np.arange(1, 9, dtype=np.float32):
            lms = grey + (chroma + step) * tint
            chroma += step * _fits_srgb(*(_LMS_TO_RGB.T @ (lms * lms * lms)))
        lms = grey + chroma * tint
        light[outside] = (_LMS_TO_RGB.T @ (lms * lms * lms)).T
    return light


def _fits_srgb(*channels: Pixels) -> Pixels:
    """Where linear light lies in what sRGB can show."""
    inside = [(c >= -_SLACK) & (c <= 1 + _SLACK) for c in channels]
    return np.asarray(np.logical_and.reduce(inside))


def _distribution(picture: Picture) -> tuple[Pixels, Pixels]:
    """Mean and covariance in Oklab, float64, each pixel weighted by its alpha."""
    alpha = picture.alpha if picture.alpha is not None and picture.alpha.any() else None
    moments = np.zeros((4, 4))
    for rows in _strips(picture.pixels):
        lab = _oklab(picture.pixels[rows]).reshape(-1, 3)
        # Centred on grey, sums of float32 products lose nothing that matters.
        x = np.concatenate([lab - _GREY.astype(np.float32), np.ones((len(lab), 1), np.float32)], axis=1)
        weighted = x if alpha is None else x * (alpha[rows].reshape(-1, 1) / np.float32(picture.peak))
        moments += (weighted.T @ x).astype(np.float64)
    moments /= moments[3, 3]
    mean = moments[3, :3]
    covariance = moments[:3, :3] - np.outer(mean, mean) + _RIDGE * np.eye(3)
    return mean + _GREY, covariance


def _root(matrix: Pixels) -> Pixels:
    values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
    return np.asarray(vectors * np.sqrt(values.clip(1e-12)) @ vectors.T)


def _clusters(points: Pixels, count: int) -> tuple[Pixels, Pixels]:
    """Centres and sizes of at most ``count`` clusters: k-means from the points farthest apart."""
    centres = points.mean(axis=0)[None]
    nearest = ((points - centres[0]) ** 2).sum(axis=1)
    while len(centres) < count and nearest.max() > 1e-6:
        centres = np.vstack([centres, points[nearest.argmax()]])
        nearest = np.minimum(nearest, ((points - centres[-1]) ** 2).sum(axis=1))
    sizes = np.zeros(len(centres))
    for _ in range(12):
        distances = (centres**2).sum(axis=1) - 2 * points @ centres.T
        owner = distances.argmin(axis=1)
        sizes = np.bincount(owner, minlength=len(centres)).astype(np.float64)
        sums = np.stack([np.bincount(owner, points[:, i], len(centres)) for i in range(3)], axis=1)
        centres = np.where(sizes[:, None] > 0, sums / np.maximum(sizes, 1)[:, None], centres)
    return centres[sizes > 0], sizes[sizes > 0]


def _merge_clusters(centres: Pixels, sizes: Pixels, count: int) -> tuple[Pixels, Pixels]:
    """Join the closest clusters until ``count`` are left and no two look alike."""
    while len(centres) > 1:
        distance = np.sqrt(((centres[:, None] - centres[None]) ** 2).sum(axis=2))
        # Ward's cost of joining, with the fourth root of the sizes: a rare but telling accent stays.
        size = sizes**0.25
        cost = distance * size[:, None] * size[None] / np.hypot(size[:, None], size[None])
        alike = distance < _ALIKE
        np.fill_diagonal(cost, np.inf)
        np.fill_diagonal(alike, False)
        if len(centres) <= count and not alike.any():
            break
        i, j = np.unravel_index((cost if len(centres) > count else np.where(alike, cost, np.inf)).argmin(), cost.shape)
        # The larger one stands for both: a mean of the two would be a muddier colour than either.
        kept, gone = (i, j) if sizes[i] >= sizes[j] else (j, i)
        sizes[kept] += sizes[gone]
        centres, sizes = np.delete(centres, gone, axis=0), np.delete(sizes, gone)
    return centres, sizes


_R = TypeVar("_R", bound=Raster)
_Matrix = NDArray[np.float64]


def recolour(picture: _R, like: Raster) -> _R:
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
