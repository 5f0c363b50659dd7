"""Coarse to fine: the sizes, what a pass is given, and that strokes belong to the picture."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage import data

from impasto import Picture, Stylizer
from impasto.evaluation.metrics.evenness import evenness
from impasto.instant import coarse_to_fine
from impasto.instant.coarse_to_fine import PassBlend, keep_coarse_strokes, levels, pass_input
from impasto.picture import row_strips as strips_of_rows

BOLD = PassBlend.of(0.5, 1.0)


def random_picture(height: int, width: int, seed: int = 0, dtype: type = np.uint8) -> Picture:
    peak = np.iinfo(dtype).max
    return Picture(np.random.default_rng(seed).integers(0, peak + 1, (height, width, 3)).astype(dtype))


@given(st.integers(1, 12000), st.integers(1, 12000), st.floats(0.25, 4))
def test_levels_grow_to_the_size_and_keep_the_proportions(width: int, height: int, scale: float) -> None:
    found = levels((width, height), scale)
    assert found[-1] == (width, height)
    longest = [max(size) for size in found]
    assert longest == sorted(longest)
    for one, next_ in pairwise(longest):
        assert 1.4 <= next_ / one < 2.9, "each about twice the last"
    if len(found) > 1:
        # Whatever the size, so that a preview and the full picture get the same strokes.
        assert longest[0] == pytest.approx(max(48, 192 / scale), abs=1)
    for size in found:
        assert abs(size[0] - size[1] * width / height) <= 1 + width / height
    # The coarser passes together cost less than half of the finest.
    assert sum(w * h for w, h in found[:-1]) < 0.75 * width * height + 1e4


def test_nothing_is_done_at_boldness_0_and_less_and_less_towards_strength_0() -> None:
    photograph, coarser = random_picture(50, 70), random_picture(25, 35, 1)
    assert pass_input(photograph, coarser, PassBlend.of(0, 1), 0) is photograph
    flat = Picture(np.full((64, 64, 3), 128, np.uint8))
    away = [
        np.abs(pass_input(flat, coarser, PassBlend.of(0.5, strength), 0).pixels - 128.0).mean()
        for strength in (0.01, 0.25, 0.5, 1)
    ]
    assert away == sorted(away)
    assert away[0] < 2 < away[-1]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("size", [(1, 1), (1, 300), (37, 41), (600, 21), (513, 300)])
def test_strips_are_the_whole(size: tuple[int, int], dtype: type, monkeypatch: pytest.MonkeyPatch) -> None:
    smooth = random_picture(9, 11, 3, dtype).resized(size[::-1])
    coarser = random_picture(8, 8, 4, dtype)
    whole = pass_input(smooth, coarser, BOLD, 7)
    assert whole.pixels.dtype == dtype
    assert whole.size == size[::-1]
    monkeypatch.setattr(coarse_to_fine, "_STRIP", 16)
    strips = pass_input(smooth, coarser, BOLD, 7)
    assert np.abs(strips.pixels.astype(int) - whole.pixels).max() <= 1


def test_grain_goes_where_the_photograph_is_flat_and_is_the_same_for_the_same_seed() -> None:
    pixels = np.full((128, 256, 3), 128, np.uint8)
    pixels[:, 128:] = np.random.default_rng(0).integers(0, 256, (128, 128, 1))
    photograph = Picture(pixels)
    one, again, other = (pass_input(photograph, None, BOLD, seed).pixels for seed in (1, 1, 2))
    assert (one == again).all()
    assert (one != other).any()
    flat, drawn = one[16:-16, 16:112].astype(float) - 128, one[16:-16, 144:240].astype(float) - pixels[16:-16, 144:240]
    assert 4 < flat.std() < 16
    assert np.abs(drawn).max() == 0


def test_a_drawing_is_kept_where_there_is_one() -> None:
    pixels = np.full((256, 512, 3), 128, np.uint8)
    # Lettering, or nearly: strokes with gaps between them, over a third of the picture.
    pixels[64:192:8, 320:480] = 0
    photograph, coarser = Picture(pixels), Picture(np.full((32, 64, 3), 255, np.uint8))
    made = pass_input(photograph, coarser, BOLD, 0).pixels.astype(float)
    in_the_sky, in_the_letters = (255 - made)[96:160, 32:160].mean() / 127, None
    in_the_letters = ((made - pixels) / (255 - pixels.astype(float)))[96:160, 360:440].mean()
    assert in_the_sky < 0.55, "half of it is covered"
    assert in_the_letters < 0.4, "most of it is left"


def test_a_sky_gets_no_stamped_grid_and_larger_strokes(stylizer: Stylizer) -> None:
    sky = Picture(np.repeat(np.linspace(120, 200, 512).astype(np.uint8), 512 * 3).reshape(512, 512, 3))

    def found(boldness: float) -> tuple[float, float]:
        grey = stylizer.stylize(sky, "starry-night", boldness=boldness, precision="f32").pastiche.pixels.mean(2)
        grey -= grey.mean(1, keepdims=True)
        spectrum = np.abs(np.fft.fft2(grey[64:-64, 64:-64])) ** 2
        frequency = np.hypot(*np.meshgrid(*[np.fft.fftfreq(384)] * 2))
        coarse = spectrum[(frequency > 0) & (frequency < 1 / 24)].sum() / spectrum.sum()
        repeated = np.fft.ifft2(spectrum).real
        return coarse, max(abs(repeated[8, 0]), abs(repeated[0, 8]), abs(repeated[8, 8])) / repeated[0, 0]

    plain, bold = found(0), found(0.5)
    assert bold[0] > 3 * plain[0], "strokes wider than a network paints in one pass"
    assert bold[1] < 0.5 * plain[1], "what repeats every eight pixels"


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("size", [(1, 1), (1, 300), (37, 41), (600, 21), (513, 300)])
def test_strips_of_strokes_are_the_whole(size: tuple[int, int], dtype: type, monkeypatch: pytest.MonkeyPatch) -> None:
    finer = random_picture(9, 11, 3, dtype).resized(size[::-1])
    coarser = random_picture(8, 8, 4, dtype).resized((max(1, size[1] // 2), max(1, size[0] // 2)))
    whole = keep_coarse_strokes(finer, coarser, 0.7)
    assert (whole.size, whole.pixels.dtype) == (finer.size, np.dtype(dtype))
    monkeypatch.setattr(strips_of_rows, "_STRIP", 16)
    strips = keep_coarse_strokes(finer, coarser, 0.7)
    assert np.abs(strips.pixels.astype(float) - whole.pixels).max() <= finer.peak / 255


def test_strokes_that_are_seen_stay_and_fine_ones_are_added() -> None:
    """The large picture has grain of its own and a light of its own: the one stays, the other goes."""
    coarser = random_picture(16, 16, 1).resized((128, 128))
    grain = np.random.default_rng(2).integers(-40, 41, (512, 512, 1))
    finer = Picture((coarser.resized((512, 512)).pixels * 0.5 + 60 + grain).clip(0, 255).astype(np.uint8))
    held, half, free = (keep_coarse_strokes(finer, coarser, hold) for hold in (1.0, 0.5, 0.0))

    def away(picture: Picture) -> float:
        return float(np.abs(picture.resized((64, 64)).pixels.astype(float) - coarser.resized((64, 64)).pixels).mean())

    assert np.array_equal(free.pixels, finer.pixels)
    assert away(held) < 0.1 * away(finer)
    assert away(half) == pytest.approx(0.5 * away(finer), rel=0.15)

    def fine(picture: Picture) -> np.ndarray:
        return picture.pixels.astype(float)[..., 1] - picture.resized((64, 64)).resized((512, 512)).pixels[..., 1]

    middle = np.s_[64:-64, 64:-64]
    assert np.corrcoef(fine(held)[middle].ravel(), fine(finer)[middle].ravel())[0, 1] > 0.9


@pytest.mark.slow
def test_strokes_belong_to_the_picture(stylizer: Stylizer) -> None:
    """A large picture, shrunk, has the strokes of the small one; painted in one pass, it does not."""
    small = Picture.of(data.rocket()).resized((512, 512))
    large = small.resized((1536, 1536))

    def strokes(pastiche: Picture) -> np.ndarray:
        """How much light and dark there is by the width of strokes, from 64 to 4 pixels of 256."""
        grey = pastiche.resized((256, 256)).pixels.mean(2)
        spectrum = np.abs(np.fft.fft2((grey - grey.mean()) * np.outer(np.hanning(256), np.hanning(256)))) ** 2
        frequency = np.hypot(*np.meshgrid(*[np.fft.fftfreq(256)] * 2))
        bands = [1 / 64, 1 / 32, 1 / 16, 1 / 11, 1 / 8, 1 / 6, 1 / 4]
        return np.log([spectrum[(frequency > a) & (frequency <= b)].sum() for a, b in pairwise(bands)])

    def apart(boldness: float) -> float:
        one, other = (stylizer.stylize(p, "starry-night", boldness=boldness).pastiche for p in (small, large))
        return float(np.abs(strokes(other) - strokes(one)).mean())

    assert apart(0.5) < 0.65 * apart(0)


def test_boldness_goes_in_even_steps(stylizer: Stylizer) -> None:
    photograph = Picture.of(data.astronaut())
    made = [
        stylizer.stylize(photograph, "starry-night", boldness=b, precision="f32").pastiche.pixels.astype(float)
        for b in (0, 0.25, 0.5, 0.75, 1)
    ]
    away = [float(np.abs(m - made[0]).mean()) for m in made]
    assert away == sorted(away)
    assert evenness((0, 0.25, 0.5, 0.75, 1), away).departure < 0.15


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 90), st.integers(1, 90), st.floats(0, 1))
def test_any_size_at_any_boldness(stylizer: Stylizer, width: int, height: int, boldness: float) -> None:
    picture = random_picture(height, width)
    assert stylizer.stylize(picture, "starry-night", boldness=boldness).pastiche.size == (width, height)
