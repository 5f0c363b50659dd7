"""What a network is given to paint over while it learns, and what its criterion says of the result."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from encoders import random_vgg19
from painting import vgg_file
from torch import Tensor

from impasto.encoders.encoder import STYLE_LAYERS
from impasto.encoders.open import open_encoder
from impasto.training.data.network_input import blend, coarse_to_fine, detail, grain
from impasto.training.loss import StyleCriterion, grid_losses, repetition_loss, shift_loss


def halves() -> Tensor:
    """A picture that is flat to the left and busy to the right, ``(1, 3, 64, 192)``."""
    torch.manual_seed(1)
    busy = (torch.rand(1, 1, 64, 64) > 0.5).float().expand(-1, 3, -1, -1)
    return torch.cat([torch.full((1, 3, 64, 128), 0.5), busy], 3)


def test_grain_lies_where_a_picture_is_flat_and_is_grey() -> None:
    picture = halves()
    spread = detail(picture)
    assert float(spread[..., :112].max()) < 1e-3
    assert float(spread[..., 144:].min()) > 0.2
    changed = grain(picture, 0.04, torch.Generator().manual_seed(0)) - picture
    assert torch.equal(changed[:, 0], changed[:, 1])
    assert 0.02 < float(changed[..., :112].std()) < 0.05
    assert float(changed[..., 144:].abs().max()) == 0
    # Two pixels wide: neighbours are alike, pixels further apart are not.
    flat = changed[0, 0, :, :112]
    assert float((flat[:, 1:] * flat[:, :-1]).mean()) > 0.5 * float(flat.square().mean())
    assert abs(float((flat[:, 8:] * flat[:, :-8]).mean())) < 0.2 * float(flat.square().mean())


def test_a_blend_keeps_the_photograph_where_it_has_detail() -> None:
    picture, coarser = halves(), torch.ones(1, 3, 64, 192)
    mixed = blend(picture, coarser, 0.5, 1.0)
    assert torch.allclose(mixed[..., :112], torch.full_like(mixed[..., :112], 0.75), atol=1e-3)
    assert torch.allclose(mixed[..., 144:], picture[..., 144:])
    everywhere = blend(picture, coarser, 0.5, 0.0)
    assert torch.allclose(everywhere, (picture + coarser) / 2)


def test_every_second_photograph_is_blended_with_a_smaller_one_repainted() -> None:
    photos, asked = torch.full((4, 3, 32, 32), 0.5), []

    def paint(small: Tensor, chosen: slice) -> Tensor:
        asked.append((tuple(small.shape), chosen))
        return torch.ones_like(small)

    prepared = coarse_to_fine(photos, paint, torch.Generator().manual_seed(0))
    assert asked == [((2, 3, 16, 16), slice(1, None, 2))]
    means = prepared.mean((1, 2, 3))
    assert bool((means[0::2] - 0.5).abs().max() < 0.02)
    assert bool((means[1::2] > 0.6).all())
    one = coarse_to_fine(photos[:1], paint, torch.Generator().manual_seed(0))
    assert len(asked) == 1
    assert not torch.equal(one, photos[:1])


def test_strokes_are_seen_at_every_scale() -> None:
    criterion = StyleCriterion(open_encoder())
    torch.manual_seed(2)
    fine = torch.rand(1, 3, 128, 128)
    coarse = F.interpolate(torch.rand(1, 3, 16, 16), scale_factor=8.0)
    goal = criterion.features(coarse)
    near = criterion.compare(fine, criterion.features(fine), criterion.features(fine))
    far = criterion.compare(fine, criterion.features(fine), goal)
    assert float(near["style"]) == pytest.approx(0, abs=1e-4)
    assert float(near["gram"]) == pytest.approx(0, abs=1e-4)
    assert float(far["style"]) > 0.1
    one, three = (StyleCriterion(open_encoder(), scales).features(fine) for scales in ((1,), (1, 2, 4)))
    assert (len(one.moments), len(three.moments)) == (1, 3)


def test_a_critic_looks_as_deep_as_its_encoder_reaches(tmp_path: Path) -> None:
    deep = StyleCriterion.through(Path(vgg_file(tmp_path, "vgg19", "caffe")), torch.device("cpu"))
    shallow = StyleCriterion.through(random_vgg19(tmp_path), torch.device("cpu"))
    picture = torch.rand(1, 3, 64, 64)
    for criterion, layers in ((deep, [*STYLE_LAYERS, "relu5_1"]), (shallow, [*STYLE_LAYERS])):
        look = criterion.features(picture)
        assert [list(moments) for moments in look.moments] == [layers] * 3
        assert torch.equal(look.drawing, criterion.encoder(picture)["relu4_1"])


def test_content_counts_where_there_is_a_drawing() -> None:
    criterion, picture = StyleCriterion(open_encoder()), halves()
    look = criterion.features(picture)
    stroked, smeared = picture.clone(), picture.clone()
    stroked[..., :112] += 0.1 * torch.randn(1, 1, 64, 112)
    smeared[..., 144:] = picture[..., 144:].roll(5, 2).flip(3)
    strokes, loss = (float(criterion.compare(x, look, look)["content"]) for x in (stroked, smeared))
    assert loss > 3 * strokes


def test_light_may_move_a_little_and_in_the_sky_more() -> None:
    criterion, picture = StyleCriterion(open_encoder()), halves() * 0.5
    look = criterion.features(picture)

    def light(change: Tensor) -> float:
        return float(criterion.compare(picture + change, look, look)["light"])

    left, right = torch.zeros(1, 1, 64, 192), torch.zeros(1, 1, 64, 192)
    left[..., :32], right[..., 160:] = 0.4, 0.4
    assert light(torch.full((1, 1, 1, 1), 0.07)) == 0
    assert light(right) > 10 * light(left) > 0


def test_a_lattice_of_sixteen_pixels_is_seen_too() -> None:
    torch.manual_seed(0)
    stamp = torch.rand(1, 3, 16, 16)
    stamped, free = stamp.repeat(1, 1, 8, 8), torch.rand(1, 3, 128, 128)
    assert float(grid_losses(stamped)["lattice"]) > 10 * float(grid_losses(free)["lattice"])
    assert float(grid_losses(torch.rand(1, 3, 32, 32))["lattice"]) > 0


def test_what_hangs_on_a_grid_does_not_move_with_the_picture() -> None:
    torch.manual_seed(4)
    pictures, stamp = torch.rand(1, 3, 64, 64), torch.rand(8, 8)

    def steady(x: Tensor) -> Tensor:
        return 1 - x

    def stamped(x: Tensor) -> Tensor:
        return x + stamp.repeat(x.shape[2] // 8, x.shape[3] // 8)

    assert float(shift_loss(steady, pictures, steady(pictures))) == 0
    assert float(shift_loss(stamped, pictures, stamped(pictures))) > 0.05


def test_a_stamp_counts_where_the_photograph_is_flat_however_faint() -> None:
    torch.manual_seed(5)
    flat, busy = torch.zeros(1, 24, 24), torch.full((1, 24, 24), 0.2)
    stamp = torch.rand(1, 1, 8, 8).repeat(1, 3, 24, 24)
    free = torch.rand(1, 1, 192, 192).expand(-1, 3, -1, -1)
    bold, faint = (float(repetition_loss(0.5 + amount * stamp, flat)) for amount in (0.5, 0.1))
    assert bold > 0.9
    assert faint > 0.8 * bold
    assert float(repetition_loss(free, flat)) < 0.1
    assert float(repetition_loss(stamp, busy)) == 0
    assert float(repetition_loss(stamp[..., :96, :96], flat)) == 0
    # Hatching that drifts along is not a lattice, but stamped all the same.
    places = torch.arange(192.0)
    drifting = (torch.outer(places, torch.ones(192)) * (2 * torch.pi / 8.3)).sin().expand(1, 3, -1, -1)
    assert float(repetition_loss(drifting, flat)) > 0.5
