"""Packing: statistics as one short vector."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from painting import drawn, pocket
from skimage import data

from impasto import Picture
from impasto.encoders.encoder import STYLE_LAYERS
from impasto.encoders.open import open_encoder
from impasto.iterative.targets import Targets, card_code
from impasto.losses.statistics import RANK, LayerStatistics, Statistics, mean_statistics, measure, pack, unpack
from impasto.losses.terms import GramTerm
from impasto.styles import Style, StyleCard


def widths(statistics: Statistics) -> dict[str, int]:
    return {name: len(layer.mean) for name, layer in statistics.items()}


def test_what_has_few_directions_comes_back_whole() -> None:
    # The first layer has fewer channels than directions are kept; in the second they lie in so many directions.
    random = torch.Generator().manual_seed(0)
    mix = torch.randn(RANK, 40, generator=random)
    features = {
        "a": torch.randn(1, 7, 20, 20, generator=random) + 0.5,
        "b": torch.einsum("ncyx,cd->ndyx", torch.randn(1, RANK, 20, 20, generator=random), mix),
    }
    statistics = measure(features)
    vector = pack(statistics)
    assert vector.dtype == np.float32
    assert vector.shape == (7 * (2 + 7) + 40 * (2 + RANK),)
    again = unpack(vector, widths(statistics))
    assert list(again) == ["a", "b"]
    for name, found in again.items():
        expected = statistics[name]
        for part in ("mean", "std", "gram", "covariance"):
            value, goal = getattr(found, part), getattr(expected, part)
            assert (value - goal).norm() < 1e-4 * goal.norm(), (name, part)


def test_packing_twice_is_packing_once() -> None:
    statistics = measure(pocket().float()(drawn(60, 70, 1).float()))
    once = unpack(pack(statistics), widths(statistics))
    twice = unpack(pack(once), widths(statistics))
    for name in statistics:
        assert torch.allclose(twice[name].mean, once[name].mean)
        assert torch.allclose(twice[name].std, once[name].std, rtol=1e-4)


@pytest.fixture(scope="module")
def astronaut() -> Statistics:
    encoder, picture = open_encoder(), Picture.from_array(data.astronaut())
    return Targets(encoder, "pocket@1").style(Style.of(picture), STYLE_LAYERS, 1.0)


def test_a_real_picture_loses_little(astronaut: Statistics) -> None:
    packed = unpack(pack(astronaut), widths(astronaut))
    for name, expected in astronaut.items():
        found = packed[name]
        # Means and standard deviations are kept as they are.
        assert torch.allclose(found.mean, expected.mean, rtol=1e-5)
        assert torch.allclose(found.std, expected.std, rtol=1e-3, atol=1e-5)
        error = float((found.gram - expected.gram).norm() / expected.gram.norm())
        assert error < 0.1, f"{name}: {error:.2%} of the Gram matrix is lost"
        error = float((found.covariance - expected.covariance).norm() / expected.covariance.norm())
        assert error < 0.2, f"{name}: {error:.2%} of the covariance is lost"
    # As losses see it: nothing beside what pictures are apart.
    other = Targets(open_encoder(), "").style(Style.of(Picture.from_array(data.coffee())), STYLE_LAYERS, 1.0)
    term = GramTerm(astronaut, dict.fromkeys(STYLE_LAYERS, 1.0))
    assert term(packed).item() < 0.01 * term(other).item()


def test_a_card_holds_what_was_packed(astronaut: Statistics) -> None:
    encoder, picture = open_encoder(), Picture.from_array(data.astronaut())
    code = card_code(encoder, [picture], 1.0)
    assert np.array_equal(code, pack(astronaut))
    # In half precision, as cards keep codes.
    card = StyleCard.from_bytes(StyleCard("astronaut", {"pocket@1": {1.0: code}}).to_bytes())
    found = Targets(encoder, "pocket@1").style(Style.of(card), STYLE_LAYERS, 1.0)
    packed = unpack(code, widths(astronaut))
    for name, expected in packed.items():
        assert (found[name].gram - expected.gram).norm() < 2e-3 * expected.gram.norm()
        assert torch.allclose(found[name].std, expected.std, rtol=2e-3, atol=1e-4)


def test_several_pictures_of_one_style_are_packed_as_their_mean() -> None:
    encoder = open_encoder()
    pictures = [Picture.from_array(x).resized((80, 80)) for x in (data.astronaut(), data.coffee())]
    parts = [(Targets(encoder, "")._picture(picture, STYLE_LAYERS, 0.25), 1.0) for picture in pictures]
    assert np.array_equal(card_code(encoder, pictures, 0.25), pack(mean_statistics(parts)))


def test_a_vector_of_another_length_is_told() -> None:
    statistics = measure({"a": torch.rand(1, 5, 9, 9), "b": torch.rand(1, 30, 9, 9)})
    vector, known = pack(statistics), widths(statistics)
    needed = 5 * (2 + 5) + 30 * (2 + RANK)
    for wrong in (vector[:-1], np.append(vector, np.float32(0)), vector[:0]):
        with pytest.raises(ValueError, match=f"the vector has {len(wrong)} numbers where {needed} are needed"):
            unpack(wrong, known)
    first = unpack(vector, {"a": 5}, more=True)
    assert torch.equal(first["a"].gram, unpack(vector, known)["a"].gram)
    with pytest.raises(ValueError, match="the vector has 34 numbers where 35 are needed"):
        unpack(vector[:34], {"a": 5}, more=True)


def test_variances_below_nothing_are_none() -> None:
    statistics = {"a": LayerStatistics.of_moments(torch.zeros(3), torch.eye(3))}
    vector = pack(statistics)
    vector[3:6] = -1e-3  # as rounding may leave them
    assert (unpack(vector, {"a": 3})["a"].std >= 0).all()
