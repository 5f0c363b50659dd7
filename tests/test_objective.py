"""The objective: the loss of a picture and its gradient, whole and in tiles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from painting import Narrow, directions, drawn, pocket, slope
from torch import Tensor, nn

from impasto.encoders.encoder import STYLE_LAYERS, Encoder
from impasto.encoders.vgg_layout import Padding, Pooling, VGGLayout
from impasto.errors import RequestError
from impasto.losses.objective import Evaluation, Objective, StyledRegion
from impasto.losses.statistics import measure
from impasto.losses.terms import ContentTerm, GramTerm, MomentTerm, StyleTerm, TotalVariation, WassersteinTerm

SHALLOW = dict.fromkeys(STYLE_LAYERS, 1.0)
DEEP = {**SHALLOW, "relu5_1": 0.5}


def opened(deep: bool, pooling: Pooling = "max", padding: Padding = "zeros") -> tuple[VGGLayout, dict[str, float], str]:
    """An encoder, the layers of its style losses and that of its content loss."""
    if deep:
        return Narrow([*DEEP, "conv4_2"], pooling=pooling, padding=padding), DEEP, "conv4_2"
    return Narrow(STYLE_LAYERS, pooling=pooling, padding=padding), SHALLOW, "relu4_1"


def styled(
    encoder: Encoder, layers: Mapping[str, float], seed: int, where: Tensor | None = None, *, every: bool = True
) -> StyledRegion:
    target = measure(encoder(drawn(80, 90, seed)))
    terms: dict[str, StyleTerm] = {"gram": GramTerm(target, layers, weight=2.0), "moments": MomentTerm(target, layers)}
    if every:
        terms["wasserstein"] = WassersteinTerm(target, layers, weight=0.5)
    return StyledRegion(terms, where)


def halves(height: int, width: int) -> list[Tensor | None]:
    """Left and right with a soft edge, that is on no tile's."""
    left = torch.linspace(3, -2.5, width, dtype=torch.float64).clamp(0, 1).expand(height, width)
    return [left, 1 - left]


def objective(
    size: tuple[int, int],
    tile: int | None,
    *,
    deep: bool = False,
    regions: bool = False,
    pooling: Pooling = "max",
    padding: Padding = "zeros",
    cosine: bool = True,
    every: bool = True,
) -> Objective:
    encoder, layers, content_layer = opened(deep, pooling, padding)
    photograph = encoder(drawn(*size, 1))
    own, goal = measure(photograph), measure(encoder(drawn(80, 90, 2)))
    content = ContentTerm(
        photograph,
        {content_layer: 1.0, "relu2_1": 0.5},
        distance="cosine" if cosine else "mse",
        own=own,
        goal=goal,
        relative=True,
    )
    shares = halves(*size) if regions else [None]
    return Objective(
        encoder,
        [styled(encoder, layers, 2 + i, share, every=every) for i, share in enumerate(shares)],
        content,
        TotalVariation(power=1.25, weight=0.3),
        tile=tile,
    )


def assert_same(found: Evaluation, expected: Evaluation) -> None:
    assert found.loss == pytest.approx(expected.loss, rel=1e-9)
    assert found.losses == pytest.approx(expected.losses, rel=1e-8)
    assert list(found.losses) == list(expected.losses)
    assert (found.gradient - expected.gradient).abs().max() < 1e-8 * expected.gradient.abs().max()


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(
    height=st.integers(33, 120),
    width=st.integers(33, 120),
    tile=st.integers(16, 64),
    deep=st.booleans(),
    regions=st.booleans(),
    pooling=st.sampled_from(get_args(Pooling)),
    padding=st.sampled_from(get_args(Padding)),
    cosine=st.booleans(),
)
def test_tiles_give_what_the_whole_gives(height: int, width: int, tile: int, **kind: Any) -> None:
    picture = drawn(height, width, 4)
    whole, tiled = (objective((height, width), side, **kind) for side in (None, tile))
    assert_same(tiled(picture), whole(picture))


# A row of pixels that the deepest layers drop, a tile that they see nothing of, tiles of all sizes.
@pytest.mark.parametrize(("height", "width", "tile"), [(33, 120, 16), (97, 64, 64), (65, 49, 17), (112, 33, 24)])
@pytest.mark.parametrize("regions", [False, True])
@pytest.mark.parametrize("deep", [False, True])
def test_tiles_of_odd_sizes_give_what_the_whole_gives(
    height: int, width: int, tile: int, regions: bool, deep: bool
) -> None:
    picture = drawn(height, width, 4)
    whole, tiled = (objective((height, width), side, regions=regions, deep=deep) for side in (None, tile))
    assert len(list(tiled._windows(picture))) > 1
    assert_same(tiled(picture), whole(picture))


def test_tiles_of_a_pocket_give_what_the_whole_gives() -> None:
    encoder, picture = pocket(), drawn(75, 90, 4)
    content = ContentTerm(encoder(drawn(75, 90, 1)), {"relu4_1": 1.0})
    region = styled(encoder, SHALLOW, 2, every=False)
    whole, tiled = (Objective(encoder, [region], content, tile=side) for side in (None, 32))
    assert_same(tiled(picture), whole(picture))


@pytest.mark.parametrize("regions", [False, True])
@pytest.mark.parametrize("tile", [None, 24])
def test_the_gradient_is_that_of_the_loss(tile: int | None, regions: bool) -> None:
    # Without the one loss whose differences are noise at so small a step; it has tests of its own.
    evaluate, picture = objective((41, 36), tile, regions=regions, every=False), drawn(41, 36, 4)
    found = evaluate(picture)
    for direction in directions(picture, 4):
        expected = float((found.gradient * direction).sum())
        measured = slope(lambda x: torch.tensor(evaluate(x).loss, dtype=torch.float64), picture, direction)
        assert measured == pytest.approx(expected, rel=1e-3, abs=1e-4 * float(found.gradient.norm()))


@pytest.mark.parametrize("tile", [None, 24])
def test_the_losses_sum_to_the_loss_and_are_the_terms(tile: int | None) -> None:
    evaluate, picture = objective((41, 36), tile, regions=True), drawn(41, 36, 4)
    found = evaluate(picture)
    assert list(found.losses) == ["gram", "moments", "wasserstein", "content", "variation"]
    assert min(found.losses.values()) > 0
    assert found.loss == pytest.approx(sum(found.losses.values()))
    assert found.gradient.shape == picture.shape
    assert evaluate.content is not None
    assert evaluate.variation is not None
    features = evaluate.encoder(picture)
    assert found.losses["content"] == pytest.approx(evaluate.content(features).item())
    assert found.losses["variation"] == pytest.approx(evaluate.variation(picture).item())
    # Regions count by their area, and are pooled to each layer's size.
    expected = 0.0
    for region in evaluate.regions:
        assert region.mask is not None
        weights = {}
        for name in SHALLOW:
            step = evaluate.encoder.stride(name)  # type: ignore[operator]
            cut = region.mask[: 41 // step * step, : 36 // step * step]
            weights[name] = cut.reshape(41 // step, step, 36 // step, step).mean((1, 3))
        expected += float(region.mask.mean()) * region.terms["gram"](measure(features, weights)).item()
    assert found.losses["gram"] == pytest.approx(expected)


def test_a_region_of_everything_is_like_none_and_one_of_nothing_counts_for_nothing() -> None:
    encoder, layers, _ = opened(deep=False)
    picture = drawn(41, 36, 4)
    everywhere, nowhere = torch.ones(41, 36), torch.zeros(41, 36)
    plain = Objective(encoder, [styled(encoder, layers, 2)])(picture)
    region = [styled(encoder, layers, 2, everywhere), styled(encoder, layers, 3, nowhere)]
    for tile in (None, 24):
        assert_same(Objective(encoder, region, tile=tile)(picture), plain)


def test_the_style_of_a_region_moves_its_pixels_alone() -> None:
    encoder = Narrow(["relu1_1"])
    picture, (left, right) = drawn(40, 44, 4), halves(40, 44)
    region = styled(encoder, {"relu1_1": 1.0}, 2, left)
    gradient = Objective(encoder, [region])(picture).gradient
    assert right is not None
    untouched = (right == 1).nonzero()[:, 1].min() + 1  # what the first layer sees
    assert (gradient[..., untouched:] == 0).all()
    assert (gradient[..., : untouched - 2].abs().amax((0, 1, 2)) > 0).all()


def test_any_part_may_be_left_out() -> None:
    encoder, layers, content_layer = opened(deep=False)
    picture = drawn(41, 36, 4)
    content = ContentTerm(encoder(drawn(41, 36, 1)), {content_layer: 1.0})
    regions, variation = [styled(encoder, layers, 2)], TotalVariation()
    for tile in (None, 24):
        everything = Objective(encoder, regions, content, variation, tile=tile)(picture)
        parts = [
            Objective(encoder, regions, tile=tile),
            Objective(encoder, [], content, tile=tile),
            Objective(encoder, [], None, variation, tile=tile),
        ]
        found = [part(picture) for part in parts]
        assert [list(x.losses) for x in found] == [["gram", "moments", "wasserstein"], ["content"], ["variation"]]
        assert sum(x.loss for x in found) == pytest.approx(everything.loss)
        assert torch.allclose(found[0].gradient + found[1].gradient + found[2].gradient, everything.gradient)
        nothing = Objective(encoder, [], tile=tile)(picture)
        assert (nothing.loss, nothing.losses) == (0, {})
        assert (nothing.gradient == 0).all()


def test_regions_may_look_at_layers_of_their_own() -> None:
    encoder, _, _ = opened(deep=False)
    picture, (left, right) = drawn(60, 52, 4), halves(60, 52)
    regions = [styled(encoder, {"relu1_1": 1.0}, 2, left), styled(encoder, {"relu3_1": 1.0}, 3, right)]
    whole, tiled = (Objective(encoder, regions, tile=side)(picture) for side in (None, 24))
    assert_same(tiled, whole)


def test_losses_are_measured_with_what_they_need_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[bool, bool]] = []

    def spied(*given: Any, moments: bool, products: bool) -> Any:
        asked.append((moments, products))
        return measure(*given, moments=moments, products=products)

    monkeypatch.setattr("impasto.losses.objective.measure", spied)
    encoder, layers, _ = opened(deep=False)
    target = measure(encoder(drawn(80, 90, 2)))
    terms: list[StyleTerm] = [MomentTerm(target, layers), GramTerm(target, layers), WassersteinTerm(target, layers)]
    for term, needs in zip(terms, [(True, False), (False, True), (True, True)], strict=True):
        loss = Objective(encoder, [StyledRegion({"style": term})])(drawn(41, 36, 4)).loss
        assert asked.pop() == needs
        assert loss == pytest.approx(term(measure(encoder(drawn(41, 36, 4)))).item())


def test_a_module_of_any_kind_works_whole_and_neither_in_tiles_nor_regions() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3, stride=3), nn.ReLU(), nn.Conv2d(4, 5, 3, dilation=2)).double()
    encoder = Encoder.from_module(module, ["0", "2"])
    layers, picture = {"0": 1.0, "2": 2.0}, drawn(40, 52, 4)
    content = ContentTerm(encoder(drawn(40, 52, 1)), {"2": 1.0})
    evaluate = Objective(encoder, [styled(encoder, layers, 2, every=False)], content, TotalVariation())
    found = evaluate(picture)
    assert list(found.losses) == ["gram", "moments", "content", "variation"]
    for direction in directions(picture):
        expected = float((found.gradient * direction).sum())
        measured = slope(lambda x: torch.tensor(evaluate(x).loss, dtype=torch.float64), picture, direction)
        assert measured == pytest.approx(expected, rel=1e-3, abs=1e-5)
    message = "tiles and regions need an encoder with known strides, such as vgg19 or pocket"
    with pytest.raises(RequestError, match=message):
        Objective(encoder, [styled(encoder, layers, 2)], tile=64)
    with pytest.raises(RequestError, match=message):
        Objective(encoder, [styled(encoder, layers, 2, torch.ones(40, 52))])


def test_a_region_of_another_size_is_told() -> None:
    encoder, layers, _ = opened(deep=False)
    evaluate = Objective(encoder, [styled(encoder, layers, 2, torch.ones(40, 36))])
    with pytest.raises(ValueError, match=r"a region is \(40, 36\) where the picture is \(41, 36\); scale it first"):
        evaluate(drawn(41, 36, 4))


@pytest.mark.parametrize("tile", [None, 48])
def test_half_precision_comes_close_and_gives_single(tile: int | None) -> None:
    encoder = pocket().float()
    picture = drawn(90, 100, 4).float()
    losses = []
    for half in (False, True):
        encoder = encoder.bfloat16() if half else encoder
        content = ContentTerm(encoder(drawn(90, 100, 1).float()), {"relu4_1": 1.0}, relative=True)
        target = measure(encoder(drawn(80, 90, 2).float()))
        terms: dict[str, StyleTerm] = {"gram": GramTerm(target, SHALLOW), "moments": MomentTerm(target, SHALLOW)}
        losses.append(Objective(encoder, [StyledRegion(terms)], content, tile=tile)(picture))
        assert losses[-1].gradient.dtype == torch.float32
    exact, found = losses
    assert found.losses == pytest.approx(exact.losses, rel=0.03)
    cosine = torch.cosine_similarity(found.gradient.flatten(), exact.gradient.flatten(), 0)
    assert cosine > 0.97


def test_it_prints_what_it_is() -> None:
    printed = repr(objective((41, 36), None))
    for part in (
        "Narrow",
        "(content): ContentTerm(relu4_1 1, relu2_1 0.5, distance=cosine",
        "(gram): GramTerm(relu1_1 1",
    ):
        assert part in printed
