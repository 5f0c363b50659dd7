"""Colour policies and palettes."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest

from impasto.color import keep_colors, luminance, match_colors, palette
from impasto.picture import Picture
from impasto.picture.raster import Metadata, Pixels

POLICIES = [keep_colors, match_colors]


def noise(seed: int, size: tuple[int, int] = (48, 64), dtype: type = np.uint8) -> Picture:
    peak = np.iinfo(dtype).max
    pixels: Pixels = np.random.default_rng(seed).integers(0, peak, (*size, 3), dtype, endpoint=True)
    return Picture(pixels)


def flat(color: tuple[int, int, int], size: tuple[int, int] = (8, 8)) -> Picture:
    return Picture(np.full((*size, 3), color, np.uint8))


def oklab(pixels: Pixels) -> Pixels:
    """Straight from the definition, in float64, to check the strips against."""
    v = pixels / np.iinfo(pixels.dtype).max
    light = np.where(v <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4)
    l, m, s = (  # noqa: E741
        np.cbrt(light @ np.array(row))
        for row in (
            [0.4122214708, 0.5363325363, 0.0514459929],
            [0.2119034982, 0.6806995451, 0.1073969566],
            [0.0883024619, 0.2817188376, 0.6299787005],
        )
    )
    return np.stack(
        [
            0.2104542553 * l + 0.7936177850 * m - 0.0040720468 * s,
            1.9779984951 * l - 2.4285922050 * m + 0.4505937099 * s,
            0.0259040371 * l + 0.7827717662 * m - 0.8086757660 * s,
        ],
        axis=-1,
    )


def blobs(seed: int, mean: tuple[float, float, float], spread: float) -> Picture:
    """Colours well inside sRGB, so that nothing is clipped."""
    rng = np.random.default_rng(seed)
    values = np.array(mean) + spread * rng.standard_normal((64, 64, 3)) @ rng.uniform(-0.6, 0.6, (3, 3))
    return Picture((values.clip(0.1, 0.9) * 255).astype(np.uint8))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_luminance_is_that_of_the_standard(dtype: type) -> None:
    peak = np.iinfo(dtype).max
    pixels: Pixels = np.array([[[0, 0, 0], [peak, peak, peak], [peak, 0, 0], [0, peak, 0], [0, 0, peak]]], dtype)
    found = luminance(pixels)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, [[0, 1, 0.2126, 0.7152, 0.0722]], atol=1e-6)
    grey = luminance(np.full((1, 1, 3), round(peak / 2), dtype))
    assert grey[0, 0] == pytest.approx(0.214, abs=0.002)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize(("dtype", "off"), [(np.uint8, 0), (np.uint16, 12)])
def test_a_picture_with_its_own_colors_stays(policy: Callable[..., Picture], dtype: type, off: int) -> None:
    picture = noise(1, dtype=dtype)
    result = policy(picture, picture)
    assert result.pixels.dtype == dtype
    assert np.abs(result.pixels.astype(int) - picture.pixels).max() <= off


def test_keep_takes_lightness_from_one_and_color_from_the_other() -> None:
    pastiche, photograph = blobs(2, (0.5, 0.5, 0.5), 0.1), blobs(3, (0.5, 0.45, 0.4), 0.05)
    result = oklab(keep_colors(pastiche, photograph).pixels)
    np.testing.assert_allclose(result[..., 0], oklab(pastiche.pixels)[..., 0], atol=0.006)
    np.testing.assert_allclose(result[..., 1:], oklab(photograph.pixels)[..., 1:], atol=0.01)


def test_keep_under_a_grey_photograph_is_grey() -> None:
    result = keep_colors(noise(4), flat((90, 90, 90), (48, 64))).pixels.astype(int)
    assert np.ptp(result, axis=2).max() <= 1
    assert np.ptp(result) > 150


@pytest.mark.parametrize("blue", [(0, 0, 255), (255, 0, 255), (0, 160, 255)])
def test_colors_that_srgb_lacks_keep_lightness_and_hue(blue: tuple[int, int, int]) -> None:
    pastiche = flat((235, 235, 235))
    result = oklab(keep_colors(pastiche, flat(blue)).pixels)[0, 0]
    wanted = oklab(flat(blue).pixels)[0, 0]
    assert result[0] == pytest.approx(oklab(pastiche.pixels)[0, 0, 0], abs=0.005)
    assert 0.02 < np.hypot(*result[1:]) < np.hypot(*wanted[1:])
    turn = np.angle(complex(*result[1:]) / complex(*wanted[1:]))
    assert abs(turn) < 0.08


def test_match_carries_mean_and_covariance_over() -> None:
    photograph, pastiche = blobs(5, (0.4, 0.5, 0.6), 0.2), blobs(6, (0.6, 0.5, 0.4), 0.12)
    result = oklab(match_colors(photograph, pastiche).pixels).reshape(-1, 3)
    wanted = oklab(pastiche.pixels).reshape(-1, 3)
    before = oklab(photograph.pixels).reshape(-1, 3)
    np.testing.assert_allclose(result.mean(0), wanted.mean(0), atol=0.004)
    np.testing.assert_allclose(np.cov(result.T), np.cov(wanted.T), atol=4e-4)
    assert np.abs(before.mean(0) - wanted.mean(0)).max() > 0.03
    assert np.abs(np.cov(before.T) - np.cov(wanted.T)).max() > 1e-3


def test_match_keeps_the_photographs_structure() -> None:
    photograph, pastiche = blobs(7, (0.5, 0.5, 0.5), 0.1), blobs(8, (0.6, 0.4, 0.4), 0.1)
    result = match_colors(photograph, pastiche)
    kept = np.corrcoef(luminance(result.pixels).ravel(), luminance(photograph.pixels).ravel())[0, 1]
    lost = np.corrcoef(luminance(result.pixels).ravel(), luminance(pastiche.pixels).ravel())[0, 1]
    assert kept > 0.8 > 0.2 > lost


def test_match_of_flat_pictures_is_the_other_color() -> None:
    result = match_colors(flat((200, 30, 30)), flat((40, 90, 160)))
    assert np.abs(result.pixels.astype(int) - (40, 90, 160)).max() <= 1


def test_match_ignores_what_is_transparent() -> None:
    pixels = np.full((8, 8, 3), (40, 90, 160), np.uint8)
    pixels[:4] = (255, 0, 0)
    alpha = np.zeros((8, 8), np.uint8)
    alpha[4:] = 255
    result = match_colors(flat((200, 30, 30)), Picture(pixels, alpha))
    assert np.abs(result.pixels.astype(int) - (40, 90, 160)).max() <= 1
    hidden = match_colors(flat((200, 30, 30)), Picture(pixels[4:].repeat(2, 0), np.zeros((8, 8), np.uint8)))
    assert np.abs(hidden.pixels.astype(int) - (40, 90, 160)).max() <= 1


@pytest.mark.parametrize("policy", POLICIES)
def test_alpha_format_and_metadata_are_the_firsts(policy: Callable[..., Picture]) -> None:
    alpha = np.arange(64, dtype=np.uint16).reshape(8, 8)
    first = Picture(noise(9, (8, 8), np.uint16).pixels, alpha, "tiff", Metadata(dpi=(72, 72)))
    result = policy(first, noise(10, (8, 8)))
    assert result.pixels.dtype == np.uint16
    assert (result.format, result.metadata) == ("tiff", first.metadata)
    assert result.alpha is not None
    np.testing.assert_array_equal(result.alpha, alpha)
    assert not np.array_equal(result.pixels, first.pixels)


@pytest.mark.parametrize("policy", POLICIES)
def test_sizes_must_agree(policy: Callable[..., Picture]) -> None:
    with pytest.raises(ValueError, match="8x4 and 4x8"):
        policy(flat((1, 2, 3), (4, 8)), flat((1, 2, 3), (8, 4)))


@pytest.mark.parametrize("policy", POLICIES)
def test_strips_make_no_difference(policy: Callable[..., Picture], monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = noise(11, (37, 20)), blobs(12, (0.5, 0.4, 0.3), 0.1)
    second = Picture(second.pixels[:37, :20].copy())
    whole = policy(first, second).pixels.astype(int)
    monkeypatch.setattr("impasto.color._STRIP", 100)
    assert np.abs(policy(first, second).pixels - whole).max() <= 1


@pytest.mark.parametrize("policy", POLICIES)
def test_memory_is_bounded(policy: Callable[..., Picture]) -> None:
    first, second = noise(13, (1500, 1000)), noise(14, (1500, 1000))
    tracemalloc.start()
    result = policy(first, second)
    peak = tracemalloc.get_traced_memory()[1] - result.pixels.nbytes
    tracemalloc.stop()
    assert peak < 80e6  # all at once would be over 250 MB


def test_palette_names_the_colors_commonest_first() -> None:
    pixels = np.full((60, 60, 3), (20, 40, 160), np.uint8)
    pixels[:20] = (240, 220, 60)
    pixels[:5] = (200, 30, 30)
    assert palette(Picture(pixels)) == ("#1428a0", "#f0dc3c", "#c81e1e")
    assert palette(Picture(pixels), 1) == ("#1428a0",)


def test_palette_has_no_near_duplicates_and_keeps_accents() -> None:
    rng = np.random.default_rng(15)
    pixels = (np.full((128, 128, 3), (60, 90, 140)) + rng.integers(-6, 7, (128, 128, 3))).astype(np.uint8)
    pixels[:, :8] = (230, 120, 20)
    found = palette(Picture(pixels))
    assert len(found) == 2
    assert found[1] == "#e67814"


def test_palette_is_the_same_every_time_and_short_enough() -> None:
    picture = noise(16, (300, 200))
    assert palette(picture) == palette(picture)
    assert len(palette(picture)) == 6
    assert len(set(palette(picture, 12))) == 12
    with pytest.raises(ValueError, match="count is 0"):
        palette(picture, 0)


def test_palette_of_sixteen_bits_and_of_what_can_be_seen() -> None:
    pixels = np.full((8, 8, 3), 65535, np.uint16)
    pixels[:, 4:] = 0
    alpha = np.full((8, 8), 65535, np.uint16)
    assert palette(Picture(pixels)) == ("#ffffff", "#000000")
    alpha[:, 4:] = 0
    assert palette(Picture(pixels, alpha)) == ("#ffffff",)
    assert palette(Picture(pixels, np.zeros_like(alpha))) == ("#ffffff", "#000000")
