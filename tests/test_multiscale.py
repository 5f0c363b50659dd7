"""Several scales of the same picture in one objective."""

from __future__ import annotations

from typing import get_args

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from painting import Narrow, directions, drawn, slope

from impasto.encoders.encoder import STYLE_LAYERS
from impasto.encoders.vgg_layout import Padding
from impasto.losses.multiscale import MultiScale, scale_size, shrink
from impasto.losses.objective import Objective, StyledRegion
from impasto.losses.statistics import measure
from impasto.losses.terms import ContentTerm, GramTerm, MomentTerm, TotalVariation

LAYERS = dict.fromkeys(STYLE_LAYERS, 1.0)


def parts(
    size: tuple[int, int], tile: int | None, *, count: int = 3, padding: Padding = "replicate", regions: bool = False
) -> list[tuple[int, Objective]]:
    """Style at every scale, content and variation at the first."""
    encoder, found = Narrow(STYLE_LAYERS, padding=padding), []
    picture = drawn(*size, 1)
    left = torch.linspace(3, -2.5, size[1], dtype=torch.float64).clamp(0, 1).expand(*size)
    for i in range(count):
        factor = 2**i
        target = measure(encoder(drawn(96 // factor, 80 // factor, 2)))
        masks = [shrink(m[None, None], factor)[0, 0] for m in (left, 1 - left)] if regions else [None]
        styled = [
            StyledRegion({"gram": GramTerm(target, LAYERS), "moments": MomentTerm(target, LAYERS)}, m) for m in masks
        ]
        content = ContentTerm(encoder(picture), {"relu4_1": 1.0}, distance="mse", relative=True) if i == 0 else None
        variation = TotalVariation(weight=0.3) if i == 0 else None
        found.append((factor, Objective(encoder, styled, content, variation, tile=tile)))
    return found


@pytest.mark.parametrize("factor", [1, 2, 4])
@pytest.mark.parametrize("size", [(64, 48), (65, 47), (33, 70)])
def test_a_smaller_picture_keeps_what_is_coarse_and_loses_what_is_fine(size: tuple[int, int], factor: int) -> None:
    height, width = size
    rows, columns = (torch.linspace(0, 1, side, dtype=torch.float64) for side in size)
    slope_of = (rows[:, None] + columns) / 2
    # A checkerboard finer than any smaller picture can hold.
    checks = (torch.arange(height)[:, None] + torch.arange(width)) % 2 - 0.5
    found = shrink((slope_of + checks)[None, None], factor)
    assert (found.shape[3], found.shape[2]) == scale_size((width, height), factor)
    if factor > 1:
        assert (found - shrink(slope_of[None, None], factor))[..., 2:-2, 2:-2].abs().max() < 0.05
    assert float(found.mean()) == pytest.approx(float(slope_of.mean()), abs=0.01)


@pytest.mark.parametrize("tile", [None, 24])
@pytest.mark.parametrize("regions", [False, True])
def test_the_gradient_is_that_of_the_loss(tile: int | None, regions: bool) -> None:
    evaluate, picture = MultiScale(parts((73, 66), tile, regions=regions)), drawn(73, 66, 4)
    found = evaluate(picture)
    for direction in directions(picture, 4):
        expected = float((found.gradient * direction).sum())
        measured = slope(lambda x: torch.tensor(evaluate(x).loss, dtype=torch.float64), picture, direction)
        assert measured == pytest.approx(expected, rel=1e-3, abs=1e-4 * float(found.gradient.norm()))


@settings(max_examples=20, suppress_health_check=[HealthCheck.too_slow])
@given(
    height=st.integers(70, 150),
    width=st.integers(70, 150),
    tile=st.integers(16, 64),
    padding=st.sampled_from(get_args(Padding)),
    regions=st.booleans(),
)
def test_tiles_give_what_the_whole_gives(height: int, width: int, tile: int, padding: Padding, regions: bool) -> None:
    picture = drawn(height, width, 4)
    whole, tiled = (
        MultiScale(parts((height, width), side, padding=padding, regions=regions))(picture) for side in (None, tile)
    )
    assert tiled.losses == pytest.approx(whole.losses, rel=1e-8)
    assert (tiled.gradient - whole.gradient).abs().max() < 1e-8 * whole.gradient.abs().max()


def test_terms_of_one_name_are_summed_over_the_scales() -> None:
    picture, scales = drawn(73, 66, 4), parts((73, 66), None)
    found = MultiScale(scales)(picture)
    single = [objective(shrink(picture, factor)) for factor, objective in scales]
    assert list(found.losses) == ["gram", "moments", "content", "variation"]
    for name in ("gram", "moments"):
        assert found.losses[name] == pytest.approx(sum(x.losses[name] for x in single))
    assert found.losses["content"] == pytest.approx(single[0].losses["content"])
    assert found.loss == pytest.approx(sum(x.loss for x in single))


def test_one_scale_is_the_objective_itself() -> None:
    picture, scales = drawn(41, 36, 4), parts((41, 36), None, count=1)
    found, expected = MultiScale(scales)(picture), scales[0][1](picture)
    assert found.losses == expected.losses
    assert torch.equal(found.gradient, expected.gradient)


def test_it_prints_its_scales() -> None:
    assert "scales=1, 1/2, 1/4" in repr(MultiScale(parts((73, 66), None)))
