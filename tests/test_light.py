from __future__ import annotations

import numpy as np
import pytest
from pictures import noise
from PIL import Image

from impasto.evaluation.metrics import mean_luma, sharpness
from impasto.picture.luma import luma


def test_luma_weighs_the_channels_as_the_eye_does() -> None:
    pixels = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [80, 80, 80]]], np.uint8)
    assert luma(pixels)[0] == pytest.approx([0.2126 * 255, 0.7152 * 255, 0.0722 * 255, 80])


def test_light_is_that_of_the_box_alone() -> None:
    pixels = np.zeros((20, 30, 3), np.uint8)
    pixels[5:10, 10:20] = 200
    pixels[5:10, 15:20] = 100
    assert mean_luma(pixels, (slice(5, 10), slice(10, 20))) == pytest.approx(150)
    assert mean_luma(pixels, (slice(10, 20), slice(0, 30))) == 0
    with pytest.raises(ValueError, match="has no pixel"):
        mean_luma(pixels, (slice(5, 5), slice(10, 20)))


def test_sharpness_is_a_mean_gradient() -> None:
    ramp = np.broadcast_to((np.arange(40) * 3)[:, None, None], (40, 50, 3)).astype(np.uint8)
    assert sharpness(ramp) == pytest.approx(3)
    assert sharpness(np.swapaxes(ramp, 0, 1)) == pytest.approx(3)
    assert sharpness(np.full((40, 50, 3), 7, np.uint8)) == 0


def test_sharpness_does_not_depend_on_how_many_rows_there_are() -> None:
    tile = noise(16, 16)
    first, second = (sharpness(np.tile(tile, (rows, 2, 1))) for rows in (17, 65))
    assert first == pytest.approx(second, rel=0.01)
    y = luma(np.tile(tile, (17, 2, 1)))
    right, down = y[:-1, 1:] - y[:-1, :-1], y[1:, :-1] - y[:-1, :-1]
    assert first == pytest.approx(float(np.hypot(right, down).mean()), rel=1e-5)


def test_an_enlarged_picture_is_less_sharp() -> None:
    own = noise(300, 300)
    enlarged = np.asarray(Image.fromarray(own[:150, :150]).resize((300, 300), Image.Resampling.BICUBIC))
    assert sharpness(enlarged) < 0.7 * sharpness(own)
    y, x = np.mgrid[0:64, 0:64]
    checkered = np.repeat(((y + x) % 2 * 100).astype(np.uint8)[..., None], 3, 2)
    assert sharpness(checkered) == pytest.approx(100 * 2**0.5), "detail of two pixels is seen"


def test_a_line_has_no_sharpness() -> None:
    with pytest.raises(ValueError, match="30 x 1 pixels"):
        sharpness(noise(30, 1))
