"""The losses of iterative style transfer, one by one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
import pytest
import torch
from painting import Narrow, directions, drawn, pocket, slope
from torch import Tensor

from impasto.losses.statistics import measure
from impasto.losses.terms import ContentTerm, GramTerm, MomentTerm, StyleTerm, TotalVariation, WassersteinTerm

LAYERS = {"relu1_1": 1.0, "relu2_1": 0.5, "relu3_1": 2.0}
STYLE_TERMS: list[type[StyleTerm]] = [GramTerm, MomentTerm, WassersteinTerm]
ENCODER, NARROW = pocket(LAYERS), Narrow(["conv1_1", "conv2_1", "conv3_1"])
DEEP = Narrow(["relu5_1", "conv4_2"])
PAINTING, PHOTOGRAPH, PICTURE = drawn(30, 26, 1), drawn(24, 28, 2), drawn(24, 28, 3)


def assert_gradient(loss: Callable[[Tensor], Tensor], at: Tensor) -> None:
    variable = at.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(loss(variable), variable)
    assert gradient.abs().max() > 0
    for direction in directions(at):
        expected = float((gradient * direction).sum())
        assert slope(loss, at, direction) == pytest.approx(expected, rel=1e-5, abs=1e-6 * float(gradient.norm()))


@pytest.mark.parametrize("relative", [True, False])
@pytest.mark.parametrize("kind", STYLE_TERMS)
def test_style_losses_have_right_gradients_and_are_zero_at_their_aim_alone(
    kind: type[StyleTerm], relative: bool
) -> None:
    # Dead channels, whose roots are noise at so small a step, are there behind a ReLU alone.
    encoder = NARROW if kind is WassersteinTerm else ENCODER
    layers = dict(zip(encoder.layers, LAYERS.values(), strict=True))
    term = kind(measure(encoder(PAINTING)), layers, relative=relative, weight=3.0)

    def loss(picture: Tensor) -> Tensor:
        found: Tensor = term(measure(encoder(picture)))
        return found

    assert_gradient(loss, PICTURE)
    far, near, there = loss(PICTURE).item(), loss(PAINTING + 1e-3 * drawn(30, 26, 4)).item(), loss(PAINTING).item()
    assert abs(there) < 1e-7 * far
    assert 10 * abs(there) < near < far


@pytest.mark.parametrize("relative", [True, False])
@pytest.mark.parametrize("kind", STYLE_TERMS)
def test_style_losses_add_up_over_layers_and_follow_their_weights(kind: type[StyleTerm], relative: bool) -> None:
    target, found = measure(ENCODER(PAINTING)), measure(ENCODER(PICTURE))
    single = {name: kind(target, {name: 1.0}, relative=relative)(found).item() for name in LAYERS}
    assert min(single.values()) > 0
    whole = kind(target, LAYERS, relative=relative, weight=0.25)(found).item()
    assert whole == pytest.approx(0.25 * sum(share * single[name] for name, share in LAYERS.items()))
    with pytest.raises(KeyError, match="relu4_1"):
        kind(target, {"relu4_1": 1.0})


def test_a_relative_loss_does_not_see_how_strong_features_are() -> None:
    target, found = ENCODER(PAINTING), ENCODER(PICTURE)
    for kind in STYLE_TERMS:
        losses = []
        for strength in (1.0, 10.0):
            scaled = [measure({name: strength * value for name, value in x.items()}) for x in (target, found)]
            losses.append([kind(scaled[0], LAYERS, relative=r)(scaled[1]).item() for r in (True, False)])
        assert losses[1][0] == pytest.approx(losses[0][0], rel=1e-4), kind
        assert losses[1][1] > 90 * losses[0][1], kind


def test_the_gram_loss_is_the_papers() -> None:
    target, found = measure(ENCODER(PAINTING)), measure(ENCODER(PICTURE))
    apart, gram = (x["relu2_1"].gram.numpy() for x in (found, target))
    apart = ((apart - gram) ** 2).sum()
    assert GramTerm(target, {"relu2_1": 1.0}, relative=False)(found).item() == pytest.approx(apart / gram.size)
    assert GramTerm(target, {"relu2_1": 1.0})(found).item() == pytest.approx(apart / (gram**2).sum())


def test_the_moment_loss_is_that_of_means_and_deviations() -> None:
    target, found = measure(ENCODER(PAINTING))["relu2_1"], measure(ENCODER(PICTURE))["relu2_1"]
    pairs = [(x.numpy(), y.numpy()) for x, y in ((found.mean, target.mean), (found.std, target.std))]
    losses = [MomentTerm({"a": target}, {"a": 1.0}, relative=r)({"a": found}).item() for r in (False, True)]
    assert losses[0] == pytest.approx(sum(((x - y) ** 2).mean() for x, y in pairs))
    assert losses[1] == pytest.approx(sum(((x - y) ** 2).mean() / (y**2).mean() for x, y in pairs))


def test_the_wasserstein_loss_is_the_closed_form_of_gaussians() -> None:
    sqrtm = pytest.importorskip("scipy.linalg").sqrtm
    target, found = measure(ENCODER(PAINTING)), measure(ENCODER(PICTURE))
    for name in LAYERS:
        (m, a), (n, b) = ((s[name].mean.numpy(), s[name].covariance.numpy()) for s in (found, target))
        root = sqrtm(b).real
        expected = ((m - n) ** 2).sum() + np.trace(a + b - 2 * sqrtm(root @ a @ root).real)
        loss = WassersteinTerm(target, {name: 1.0}, relative=False)(found).item()
        assert loss == pytest.approx(expected, rel=1e-5), name
        energy = (n**2).sum() + np.trace(b)
        assert WassersteinTerm(target, {name: 1.0})(found).item() == pytest.approx(expected / energy, rel=1e-5)
        # A Gaussian moved by a vector is away by the length of it.
        moved = {name: type(target[name]).of_moments(target[name].mean + 0.3, target[name].covariance)}
        loss = WassersteinTerm(target, {name: 1.0}, relative=False)(moved).item()
        assert loss == pytest.approx(0.3**2 * len(m), rel=1e-5)


@pytest.mark.parametrize("layer", ["relu2_1", "relu3_1"])
def test_the_wasserstein_gradient_is_right_with_dead_channels_and_fewer_places_than_channels(layer: str) -> None:
    encoder = pocket([layer])
    term, features = WassersteinTerm(measure(encoder(PAINTING)), {layer: 1.0}), encoder(PICTURE)[layer]
    assert (features.amax((0, 2, 3)) == 0).any()

    def loss(features: Tensor) -> Tensor:
        found: Tensor = term(measure({layer: features}))
        return found

    variable = features.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(loss(variable), variable)
    for direction in directions(features):
        expected = float((gradient * direction).sum())
        assert slope(loss, features, direction, 1e-4) == pytest.approx(expected, rel=2e-3, abs=1e-5)


def test_the_wasserstein_loss_is_sound_in_single_precision_with_fewer_places_than_channels() -> None:
    deep = Narrow(["relu5_1"]).float()
    wide = pocket(["relu4_1"]).float()
    for encoder, name in ((deep, "relu5_1"), (wide, "relu4_1")):
        target, other = (measure(encoder(drawn(40, 40, seed).float())) for seed in (1, 2))
        term = WassersteinTerm(target, {name: 1.0})
        assert term(target).item() == pytest.approx(0, abs=3e-6), name
        exact = WassersteinTerm(measure(encoder.double()(drawn(40, 40, 1))), {name: 1.0})
        expected = exact(measure(encoder(drawn(40, 40, 2)))).item()
        assert term(other).item() == pytest.approx(expected, rel=1e-4), name


def test_weights_mean_the_same_at_every_size() -> None:
    random = torch.Generator().manual_seed(3)
    square = torch.rand(1, 3, 48, 48, generator=random, dtype=torch.float64)
    # Only what is the same: nothing of the border, which a larger picture has less of.
    encoder = pocket(LAYERS, padding="replicate")
    target = measure(encoder(PAINTING))
    for kind in STYLE_TERMS:
        term = kind(target, LAYERS)
        one = term(measure(encoder(square.repeat(1, 1, 2, 2)))).item()
        four = term(measure(encoder(square.repeat(1, 1, 4, 4)))).item()
        assert four == pytest.approx(one, rel=0.03), kind
    own = measure(encoder(square))
    photo = drawn(48, 48, 5)
    small, large = ContentTerm(encoder(photo), LAYERS), ContentTerm(encoder(photo.repeat(1, 1, 2, 2)), LAYERS)
    assert large(encoder(square.repeat(1, 1, 2, 2))).item() == pytest.approx(small(encoder(square)).item(), rel=0.05)
    assert own["relu1_1"].places == 48 * 48


CONTENT: list[tuple[Literal["mse", "cosine"], bool, bool]] = [
    ("mse", False, False),
    ("mse", True, False),
    ("cosine", False, False),
    ("cosine", False, True),
]


@pytest.mark.parametrize(("distance", "relative", "normalised"), CONTENT)
@pytest.mark.parametrize("deep", [False, True])
def test_content_losses_have_right_gradients_and_are_zero_at_their_aim_alone(
    distance: Literal["mse", "cosine"], relative: bool, normalised: bool, deep: bool
) -> None:
    encoder, layers = (DEEP, {"conv4_2": 1.0}) if deep else (ENCODER, {"relu2_1": 1.0, "relu3_1": 0.5})
    own, goal = (measure(encoder(x)) if normalised else None for x in (PHOTOGRAPH, PAINTING))
    target = encoder(PHOTOGRAPH)
    term = ContentTerm(target, layers, distance=distance, own=own, goal=goal, relative=relative, weight=2.0)

    def loss(picture: Tensor) -> Tensor:
        found: Tensor = term(encoder(picture))
        return found

    assert_gradient(loss, PICTURE)
    far = loss(PICTURE).item()
    same = ContentTerm(target, layers, distance=distance, own=own, goal=own, relative=relative)
    assert same(encoder(PHOTOGRAPH)).item() == pytest.approx(0, abs=1e-10)
    assert 0 < same(encoder(PHOTOGRAPH + 1e-3 * drawn(24, 28, 4))).item() < far
    halved = ContentTerm(target, layers, distance=distance, own=own, goal=goal, relative=relative, weight=1.0)
    assert halved(encoder(PICTURE)).item() == pytest.approx(far / 2)


def test_content_losses_are_what_their_names_say() -> None:
    target, found = ENCODER(PHOTOGRAPH), ENCODER(PICTURE)
    x, y = (features["relu2_1"].numpy() for features in (found, target))
    square = ((x - y) ** 2).mean()
    assert ContentTerm(target, {"relu2_1": 1.0})(found).item() == pytest.approx(square)
    relative = ContentTerm(target, {"relu2_1": 1.0}, relative=True)(found).item()
    assert relative == pytest.approx(square / (y**2).mean())
    cosine = (x * y).sum(1) / np.linalg.norm(x, axis=1) / np.linalg.norm(y, axis=1)
    loss = ContentTerm(target, {"relu2_1": 1.0}, distance="cosine")(found).item()
    assert loss == pytest.approx(1 - cosine.mean())


def test_the_cosine_of_normalised_features_sees_neither_contrast_nor_colour() -> None:
    target = ENCODER(PHOTOGRAPH)
    own = measure(target)
    # Every channel stronger and brighter, as in another style; the goal's statistics know of it.
    random = torch.Generator().manual_seed(1)
    repainted = {
        name: value * (0.5 + torch.rand(1, value.shape[1], 1, 1, generator=random, dtype=torch.float64)) + 0.7
        for name, value in target.items()
    }
    knowing = ContentTerm(target, LAYERS, distance="cosine", own=own, goal=measure(repainted))
    assert knowing(repainted).item() == pytest.approx(0, abs=1e-3)
    assert ContentTerm(target, LAYERS, distance="cosine", own=own, goal=own)(repainted).item() > 0.1


def test_content_losses_of_tiles_add_up() -> None:
    target, found = ENCODER(PHOTOGRAPH), ENCODER(PICTURE)
    for distance in ("mse", "cosine"):
        term = ContentTerm(target, {"relu2_1": 1.0}, distance=distance, relative=True)
        total = 0.0
        for rows in (slice(0, 5), slice(5, 12)):
            for columns in (slice(0, 14), slice(14, 14)):
                total += term({"relu2_1": found["relu2_1"][..., rows, columns]}, {"relu2_1": (rows, columns)}).item()
        assert total == pytest.approx(term(found).item())


def test_a_photograph_without_features_gives_no_nan() -> None:
    dead = {"a": torch.zeros(1, 4, 3, 3)}
    for relative in (True, False):
        for distance in ("mse", "cosine"):
            term = ContentTerm(dead, {"a": 1.0}, distance=distance, relative=relative)
            assert term({"a": torch.rand(1, 4, 3, 3)}).isfinite()
    target = measure(dead)
    for kind in STYLE_TERMS:
        variable = torch.rand(1, 4, 3, 3, requires_grad=True)
        loss = kind(target, {"a": 1.0})(measure({"a": variable}))
        (gradient,) = torch.autograd.grad(loss, variable)
        assert loss.isfinite()
        assert gradient.isfinite().all()


@pytest.mark.parametrize("power", [0.5, 1.0, 1.25, 2.0])
def test_total_variation_has_right_gradients_and_is_that_of_neighbours(power: float) -> None:
    term = TotalVariation(power=power, weight=2.0)
    assert_gradient(term, PICTURE)
    x = PICTURE.numpy()
    down, right = x[..., 1:, :-1] - x[..., :-1, :-1], x[..., :-1, 1:] - x[..., :-1, :-1]
    assert term(PICTURE).item() == pytest.approx(2 * ((down**2 + right**2) ** power).mean())
    even = torch.full((1, 3, 9, 7), 0.4, dtype=torch.float64, requires_grad=True)
    loss = term(even)
    (gradient,) = torch.autograd.grad(loss, even)
    assert loss.item() < 1e-5
    assert gradient.abs().max() == 0


def test_terms_print_what_they_are() -> None:
    target, features = measure(ENCODER(PAINTING)), ENCODER(PHOTOGRAPH)
    layers = {"relu1_1": 1.0, "relu2_1": 0.5}
    listed = "relu1_1 1, relu2_1 0.5"
    for kind in STYLE_TERMS:
        assert repr(kind(target, layers, weight=2.5)) == f"{kind.__name__}({listed}, relative=True, weight=2.5)"
    content = ContentTerm(features, layers, distance="cosine", weight=3.0)
    assert repr(content) == f"ContentTerm({listed}, distance=cosine, relative=False, weight=3)"
    assert repr(TotalVariation(power=1.25, weight=1e-3)) == "TotalVariation(power=1.25, weight=0.001)"
