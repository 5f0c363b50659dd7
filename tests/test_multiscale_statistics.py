"""Strokes, planes and drawing, through encoders of random weights; and whose painting a pastiche is nearest to."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from pictures import noise
from PIL import Image
from torch import Tensor

from impasto.encoders.encoder import DEEPEST, STYLE_LAYERS
from impasto.encoders.pocket import Pocket
from impasto.encoders.vgg_layout import VGGLayout
from impasto.evaluation.metrics.multiscale_statistics import PaintingIndex, contrast, mean_and_std
from impasto.evaluation.metrics.scorer import Scorer
from impasto.losses.distances import content_distance


class Slim(VGGLayout):
    """As deep as VGG19, but for one convolution a level, and slim."""

    convolutions = (1, 1, 1, 1, 1)

    def __init__(self) -> None:
        super().__init__((*STYLE_LAYERS, DEEPEST))
        self._draw((6, 8, 8, 8, 8))

    def prepare(self, pictures: Tensor) -> Tensor:
        return pictures * 4 - 2


def smooth(seed: int, cells: int = 10, side: int = 128) -> np.ndarray[Any, np.dtype[np.uint8]]:
    small = Image.fromarray(noise(cells, cells, seed=seed))
    return np.asarray(small.resize((side, side), Image.Resampling.BICUBIC))


PHOTOGRAPH, PAINTING, OTHER = (smooth(seed) for seed in range(3))


@pytest.fixture(scope="module")
def scorer() -> Scorer:
    return Scorer(Slim(), name="slim")


def test_the_controls_score_what_they_stand_for(scorer: Scorer) -> None:
    untouched = scorer.score(PHOTOGRAPH, PHOTOGRAPH, PAINTING)
    assert (untouched.coarse, untouched.deep) == (1, 1)
    assert untouched.drawing == pytest.approx(0, abs=1e-5)
    bare = scorer.score(PAINTING, PHOTOGRAPH, PAINTING)
    assert (bare.coarse, bare.deep) == (0, 0)
    assert bare.drawing > 0.1
    other = scorer.score(OTHER, PHOTOGRAPH, PAINTING)
    assert other.coarse > 0
    assert other.deep is not None
    assert other.deep > 0


def test_an_encoder_that_ends_before_has_no_deep_and_four_layers_of_coarse(scorer: Scorer) -> None:
    found = Scorer(Pocket(), name="pocket").score(OTHER, PHOTOGRAPH, PAINTING)
    assert found.deep is None
    assert found.coarse > 0

    slim = Slim()
    slim.layers = STYLE_LAYERS
    four, five = Scorer(slim, name="four").score(OTHER, PHOTOGRAPH, PAINTING), scorer.score(OTHER, PHOTOGRAPH, PAINTING)
    assert four.deep is None
    assert four.style == five.style, "style looks at four layers, whatever else there is"
    assert four.coarse != five.coarse


def test_what_a_smaller_picture_does_not_show_is_no_stroke(scorer: Scorer) -> None:
    y, x = np.mgrid[0:128, 0:128]
    checkered = (PAINTING + 24.0 * ((y + x) % 2 * 2 - 1)[..., None]).clip(0, 255).astype(np.uint8)
    found = scorer.score(checkered, PHOTOGRAPH, PAINTING)
    assert found.style > 10 * found.coarse


def test_a_loss_counts_where_there_is_a_drawing(scorer: Scorer) -> None:
    photograph = PHOTOGRAPH.copy()
    photograph[:, :64] = 128
    sky, drawing = photograph.copy(), photograph.copy()
    sky[:, :64], drawing[:, 64:] = OTHER[:, :64], OTHER[:, 64:]
    for made, costs_more in ((sky, False), (drawing, True)):
        found = scorer.score(made, photograph, PAINTING)
        assert found.content > 0.02
        assert (found.drawing > found.content) == costs_more


def test_contrast_is_the_deviation_in_and_beside_a_place() -> None:
    pixels = np.zeros((32, 32, 3), np.uint8)
    pixels[:8, :8:2] = 100
    weight = contrast(pixels, (4, 4))
    assert weight.shape == (1, 4, 4)
    assert weight[0, :2, :2] == pytest.approx(50.5)
    assert (weight[0, 2:] == 0.5).all()
    assert (weight[0, :, 2:] == 0.5).all()


def test_a_weighed_content_distance_is_a_sum_over_places() -> None:
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.rand(2, 5, 4, 6, generator=generator) for _ in range(2))
    even = content_distance(a, b, torch.full((2, 4, 6), 1 / 24))
    assert torch.allclose(even, content_distance(a, b))
    weight = torch.rand(2, 4, 6, generator=generator)
    places = torch.stack([content_distance(a, b, one(i)) for i in range(24)], 1)
    expected = (places * weight.flatten(1)).sum(1)
    assert torch.allclose(content_distance(a, b, weight), expected, atol=1e-6)


def one(place: int) -> Tensor:
    weight = torch.zeros(2, 24)
    weight[:, place] = 1
    return weight.view(2, 4, 6)


def test_deviations_are_those_of_a_sample() -> None:
    features = {"relu5_1": torch.tensor([0.0, 2.0, 4.0, 6.0]).view(1, 1, 2, 2)}
    mean, std = mean_and_std(features)["relu5_1"]
    assert mean.tolist() == [[3]]
    assert std.item() == pytest.approx(np.std([0, 2, 4, 6], ddof=1))


def test_statistics_do_not_depend_on_what_was_seen_before(scorer: Scorer) -> None:
    scorer.score(OTHER, PHOTOGRAPH, PAINTING)
    fresh = Scorer(Slim(), name="slim")
    found = [scorer.statistics(pixels) for pixels in (PHOTOGRAPH, PAINTING, OTHER)]
    channels = 6 + 4 * 8
    assert [row.shape for row in found] == [(3 * 2 * channels,)] * 3
    for row, pixels in zip(found, (PHOTOGRAPH, PAINTING, OTHER), strict=True):
        assert (row == fresh.statistics(pixels)).all()


@pytest.mark.parametrize(("encoder", "least"), [(Slim, 128), (Pocket, 64)])
def test_a_picture_that_is_too_small_is_told(encoder: type[VGGLayout], least: int) -> None:
    scorer = Scorer(encoder(), name="random")
    scorer.statistics(noise(least, least))
    with pytest.raises(ValueError, match=rf"{least} x {least - 1} pixels; give at least {least} x {least}"):
        scorer.statistics(noise(least, least - 1))


def test_every_painting_recalls_itself_and_no_other(scorer: Scorer) -> None:
    paintings = [smooth(seed, cells) for seed, cells in ((1, 6), (2, 12), (3, 40))]
    shelf = PaintingIndex([scorer.statistics(painting) for painting in paintings])
    for number, painting in enumerate(paintings):
        nearly = scorer.statistics((0.9 * painting + 0.1 * PHOTOGRAPH).astype(np.uint8))
        assert [shelf.recalls(nearly, own) for own in range(3)] == [own == number for own in range(3)]


def test_a_channel_counts_by_how_far_paintings_lie_apart() -> None:
    shelf = PaintingIndex([np.array([1000, 0], np.float32), np.array([1002, 100], np.float32)])
    assert shelf.recalls(np.array([1000, 60], np.float32), 0), "a whole spread of the one, half of the other"
    assert not shelf.recalls(np.array([1000, 60], np.float32), 1)


def test_a_channel_that_is_dead_in_all_paintings_does_not_decide() -> None:
    near, far = np.zeros(4000, np.float32), np.zeros(4000, np.float32)
    near[0], far[0] = 1, 3
    pastiche = np.zeros(4000, np.float32)
    pastiche[:2] = 1.5, 40
    for shelf, own in ((PaintingIndex([near, far]), 0), (PaintingIndex([far, near]), 1)):
        assert shelf.recalls(pastiche, own)
        assert not shelf.recalls(pastiche, 1 - own)


def test_a_shelf_without_paintings_is_told() -> None:
    with pytest.raises(ValueError, match="no paintings"):
        PaintingIndex([])
