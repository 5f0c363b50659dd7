"""The engine ``iterative``, with the encoder that ships, on small pictures."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from painting import BLUE, RED, Stuck, asked, assert_same, drained, painted, photograph
from torch import nn

from impasto import Picture, Style, StyleCard, Stylizer
from impasto.encoders import open
from impasto.encoders.encoder import Encoder
from impasto.encoders.open import open_encoder
from impasto.encoders.pocket import Pocket
from impasto.errors import ModelError, PictureTooLarge, RequestError
from impasto.inference.machine import describe
from impasto.iterative import engine as engine_module
from impasto.iterative.engine import IterativeEngine
from impasto.iterative.objective_builder import ObjectiveBuilder, chosen_layers, scale_factors
from impasto.iterative.optimisers import Optimiser
from impasto.iterative.targets import Targets
from impasto.losses.objective import Evaluation
from impasto.models import find
from impasto.request import Region

ADAM: dict[str, Any] = {"optimiser": "adam", "learning_rate": 0.01}


@pytest.fixture(scope="module")
def engine() -> IterativeEngine:
    return IterativeEngine()


def test_it_paints_at_the_photographs_size_and_says_with_what(engine: IterativeEngine) -> None:
    request = asked()
    result = engine.finish(request)
    assert result.pastiche.size == (64, 48)
    assert result.pastiche.alpha is None
    assert result.pastiche.pixels.dtype == np.uint8
    assert result.model == find("pocket", kind="encoder").identity
    assert result.complete
    assert result.request is request
    assert np.abs(result.pastiche.pixels.astype(int) - request.content.pixels).mean() > 1
    assert engine.finish(replace(request, resize=30)).pastiche.size == (30, 22)
    assert engine.finish(replace(request, size=40)).pastiche.size == (64, 48)


def test_alpha_and_depth_stay_and_what_is_hidden_does_not_show(engine: IterativeEngine) -> None:
    plain, hidden = photograph(64, 48, 1), photograph(64, 48, 2)
    alpha = np.full((48, 64), 255, np.uint8)
    alpha[:, :20] = 0
    pixels = plain.pixels.copy()
    pixels[:, :20] = hidden.pixels[:, :20]
    one, two = (engine.finish(asked(content=Picture(x, alpha))) for x in (plain.pixels, pixels))
    assert one.pastiche.alpha is not None
    assert np.array_equal(one.pastiche.alpha, alpha)
    assert_same(one, two)
    deep = engine.finish(asked(bits=16))
    assert deep.pastiche.pixels.dtype == np.uint16
    assert len(np.unique(deep.pastiche.pixels % 257)) > 100, "it has more than 8 bits in it"
    shallow = engine.finish(asked()).pastiche.as_type(np.dtype(np.uint16)).pixels.astype(int)
    assert np.abs(deep.pastiche.pixels - shallow).mean() < 257


def test_a_mask_keeps_the_photograph_where_it_is_black(engine: IterativeEngine) -> None:
    mask = np.zeros((48, 64, 3), np.uint8)
    mask[:, 32:] = 255
    request = asked()
    whole, half = engine.finish(request), engine.finish(replace(request, mask=Picture(mask)))
    assert np.array_equal(half.pastiche.pixels[:, :32], request.content.pixels[:, :32])
    assert np.array_equal(half.pastiche.pixels[:, 32:], whole.pastiche.pixels[:, 32:])
    assert not np.array_equal(whole.pastiche.pixels[:, :32], request.content.pixels[:, :32])


def test_the_photographs_colours_may_be_kept(engine: IterativeEngine) -> None:
    request = asked(steps=10, learning_rate=0.03)
    kept, plain = engine.finish(replace(request, colors="keep")).pastiche, engine.finish(request).pastiche

    def colourful(picture: Picture) -> Any:
        values = picture.pixels.astype(int)
        return values[..., 0] - values[..., 2]

    distances = [np.abs(colourful(x) - colourful(request.content)).mean() for x in (kept, plain)]
    assert distances[0] < 0.3 * distances[1]


def test_no_strength_gives_the_photograph_and_more_strength_is_farther_from_it(engine: IterativeEngine) -> None:
    alpha = np.tile(np.arange(64, dtype=np.uint8) * 4, (48, 1))
    content = Picture(photograph(64, 48, 1).pixels, alpha)
    for bits in (8, 16):
        reports, result = drained(engine.run(asked(content=content, strength=0.0, bits=bits)))
        expected = content.as_type(np.dtype(np.uint8 if bits == 8 else np.uint16))
        assert np.array_equal(result.pastiche.to_array(), expected.to_array())
        assert not painted(reports)
    request = asked(steps=12, optimiser="lbfgs")
    distances = []
    for strength in (0.05, 0.2, 0.5, 0.8):
        found = engine.finish(replace(request, strength=strength)).pastiche
        distances.append(np.abs(found.pixels.astype(int) - request.content.pixels).mean())
    assert all(2 * one < 1.5 * two for one, two in pairwise(distances)), distances
    assert distances[0] < 8


@pytest.mark.parametrize(
    ("optimiser", "style_loss"),
    [("adam", "moments:5,gram:2"), ("lbfgs", "gram"), ("scipy", "moments"), ("adam", "wasserstein")],
)
def test_losses_fall(engine: IterativeEngine, optimiser: str, style_loss: str) -> None:
    request = asked(steps=15 if optimiser != "scipy" else 3, optimiser=optimiser, style_loss=style_loss, tv_weight=0.01)
    reports, _ = drained(engine.run(request))
    losses = [report.losses for report in painted(reports)]
    assert len(losses) == request.steps
    names = {part.partition(":")[0] for part in style_loss.split(",")}
    assert set(losses[0]) == names | {"content", "variation"}
    totals = [sum(x.values()) for x in losses]
    # SciPy's first report is of a picture that took 20 evaluations.
    assert totals[-1] < (0.8 if optimiser != "scipy" else 0.95) * totals[0]


@pytest.mark.parametrize("count", [1, 2])
def test_reports_tell_how_far_it_is(engine: IterativeEngine, count: int) -> None:
    reports, _ = drained(engine.run(asked(64, 64, steps=4, levels=count, coarse_steps=1.0)))
    assert [report.stage for report in reports] == ["style", "plan"] + ["paint"] * 4 * count
    plan, paint = reports[1], reports[2:]
    assert plan.memory is not None
    assert plan.memory > 64 * 64 * 3 * 4
    assert plan.seconds_left is not None
    assert [report.step for report in reports[1:]] == list(range(4 * count + 1))
    assert {report.steps for report in reports[1:]} == {4 * count}
    assert [report.size for report in paint] == [(32, 32)] * 4 * (count - 1) + [(64, 64)] * 4
    shares = [report.done for report in reports]
    assert shares[0] == 0
    assert all(before < after for before, after in pairwise(shares[1:]))
    assert shares[-1] == pytest.approx(1)
    # A step at half the size is a quarter of the work.
    assert paint[3].done == pytest.approx(1 if count == 1 else 0.2)
    assert all(before.seconds <= after.seconds for before, after in pairwise(reports))
    assert all(report.seconds_left is not None and report.seconds_left >= 0 for report in paint[1:])
    assert paint[-1].seconds_left == pytest.approx(0, abs=1e-9)
    assert all(report.losses and report.preview is None for report in paint)


def test_previews_come_as_often_as_asked_for(engine: IterativeEngine) -> None:
    reports, result = drained(engine.run(asked(64, 64, steps=5, levels=2, coarse_steps=1.0, preview_every=2, **ADAM)))
    shown = [(report.step, report.preview.size) for report in reports if report.preview is not None]
    # Before the first step of each level, and after every second.
    small, large = (32, 32), (64, 64)
    assert shown == [(0, small), (2, small), (4, small), (5, large), (7, large), (9, large)]
    last = [report.preview for report in reports if report.preview is not None][-1]
    assert np.abs(last.pixels.astype(int) - result.pastiche.pixels).mean() < 4
    wide, _ = drained(engine.run(asked(1100, 40, steps=1, preview_every=1)))
    assert wide[-1].preview is not None
    assert wide[-1].preview.size == (1024, 37)


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (40, 1), (33, 32)])
@pytest.mark.parametrize("start", ["content", "noise", "style", "instant"])
def test_the_smallest_pictures_are_painted(engine: IterativeEngine, size: tuple[int, int], start: str) -> None:
    result = engine.finish(asked(*size, start=start))
    assert result.pastiche.size == size
    tiny = engine.finish(asked(style=Style.of(photograph(*size, 2)), start=start))
    assert tiny.pastiche.size == (64, 48)


@pytest.mark.parametrize("regions", [False, True])
def test_tiles_come_close_to_the_whole(engine: IterativeEngine, regions: bool) -> None:
    mask = np.zeros((150, 170, 3), np.uint8)
    mask[40:, :100] = 255
    extra: dict[str, Any] = {"regions": (Region(Picture(mask), Style.of(BLUE)),)} if regions else {}
    # L-BFGS's search for a step would make much of what rounding leaves.
    request = asked(170, 150, steps=5, coarse_steps=1.0, bits=16, **ADAM, **extra)
    (whole, expected), (tiled, found) = (drained(engine.run(replace(request, tile=tile))) for tile in (None, 64))
    for one, two in zip(painted(tiled), painted(whole), strict=True):
        assert dict(one.losses) == pytest.approx(dict(two.losses), rel=1e-4)
    apart = found.pastiche.pixels.astype(int) - expected.pastiche.pixels
    assert np.abs(apart).mean() < 2
    # Adam takes a whole step, one way or the other, where rounding decides which way a slope of nearly nothing goes.
    assert np.sort(np.abs(apart), axis=None)[-10] < 2 * 257
    assert not np.array_equal(found.pastiche.pixels, expected.pastiche.pixels), "it was not tiled at all"
    assert tiled[1].memory is not None
    assert whole[1].memory is not None
    assert tiled[1].memory < whole[1].memory


def test_a_picture_too_large_for_the_memory_is_refused_at_once(
    engine: IterativeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = describe()
    monkeypatch.setattr(engine_module, "describe", lambda: replace(machine, memory_free=10**6))
    steps = engine.run(asked(300, 280))
    next(steps)
    with pytest.raises(PictureTooLarge, match="300 x 280 pixels need"):
        next(steps)


class Branch(nn.Module):
    """An encoder of somebody's own."""

    def __init__(self) -> None:
        super().__init__()
        random = torch.Generator().manual_seed(0)
        self.features = nn.Sequential(nn.Conv2d(3, 8, 5, stride=2), nn.ReLU(), nn.Conv2d(8, 12, 3), nn.ReLU())
        for parameter in self.parameters():
            parameter.data = torch.randn(parameter.shape, generator=random) * 0.2

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.features(x)
        return found


def test_an_encoder_of_the_callers_own_looks_instead() -> None:
    # Names such as nn.Sequential gives them, which no text of weights could hold.
    encoder = Encoder.from_module(Branch().features, ["1", "3"])
    stylizer = Stylizer("iterative", encoder=encoder)
    request = replace(asked(steps=12, learning_rate=0.02), content=photograph(64, 48, 1))
    reports, result = drained(stylizer.run(request))
    losses = [sum(report.losses.values()) for report in painted(reports)]
    assert losses[-1] < 0.7 * losses[0]
    assert result.model == "own"
    named = Encoder.from_module(Branch(), {"early": "features.1", "late": "features.3"})
    engine = IterativeEngine(named)
    same = engine.finish(replace(request, style_layers="early,late", content_layers="late"))
    assert_same(same, result)
    with pytest.raises(RequestError, match="there is no layer relu1_1; the layers are early, late"):
        engine.finish(replace(request, style_layers="relu1_1"))
    for settings in ({"tile": 64}, {"regions": (Region(RED, Style.of(BLUE)),)}):
        with pytest.raises(RequestError, match="tiles and regions need an encoder with known strides"):
            engine.finish(asked(128, 128, **settings))
    pocket = IterativeEngine(open_encoder(padding="replicate"))
    assert_same(pocket.finish(asked()), IterativeEngine().finish(asked()))


def test_a_level_is_left_once_it_is_flat_and_when_the_time_is_up(engine: IterativeEngine) -> None:
    reports, _ = drained(engine.run(asked(64, 64, levels=2, steps=30, coarse_steps=1.0, flat=1.0)))
    assert [report.step for report in painted(reports)] == [*range(1, 12), *range(31, 42)]
    reports, result = drained(engine.run(asked(seconds=0.0)))
    assert not painted(reports)
    assert result.complete
    assert np.array_equal(result.pastiche.pixels, asked().content.pixels)
    reports, result = drained(engine.run(asked(steps=0)))
    assert not painted(reports)
    assert np.array_equal(result.pastiche.pixels, asked().content.pixels)


class Counting(Optimiser):
    """Paints all of the picture grey, brighter at every step."""

    average = 0.5

    def step(self, picture: torch.Tensor, evaluate: Any) -> Evaluation:
        found: Evaluation = self._evaluate(evaluate, picture)
        picture.fill_(0.2 * self.evaluations)
        return found


def test_the_result_is_an_average_of_the_pictures_in_which_later_ones_count_more(
    engine: IterativeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_module, "make_optimiser", lambda *_: Counting())
    expected = {0.0: 0.6, 0.5: 0.2 * (0.25 * 1 + 0.5 * 2 + 3) / 1.75, None: 0.2 * (0.25 * 1 + 0.5 * 2 + 3) / 1.75}
    for average, grey in expected.items():
        pixels = engine.finish(asked(steps=3, average=average, skin="free")).pastiche.pixels
        assert set(np.unique(pixels)) == {round(255 * grey)}


def test_half_precision_comes_close_and_gives_way_where_it_leads_nowhere(
    engine: IterativeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    half, single = (
        painted(drained(engine.run(asked(deterministic=False, precision=precision, steps=8)))[0])
        for precision in ("bf16", "f32")
    )
    assert dict(half[0].losses) == pytest.approx(dict(single[0].losses), rel=0.05)
    assert dict(half[0].losses) != dict(single[0].losses)
    assert sum(half[-1].losses.values()) == pytest.approx(sum(single[-1].losses.values()), rel=0.1)
    monkeypatch.setattr(engine_module, "make_optimiser", lambda *_: Stuck())
    counts = [
        len(painted(drained(engine.run(asked(deterministic=False, precision=precision, steps=9)))[0]))
        for precision in ("bf16", "f32")
    ]
    assert counts == [4, 2]


def test_noise_is_the_seeds(engine: IterativeEngine) -> None:
    one, same, other = (engine.finish(asked(start="noise", seed=seed)) for seed in (1, 1, 2))
    assert_same(one, same)
    assert not np.array_equal(one.pastiche.pixels, other.pastiche.pixels)


def test_boldness_takes_from_the_weight_of_content_and_a_half_leaves_it(engine: IterativeEngine) -> None:
    weights = {}
    for boldness in (0.0, 0.25, 0.5, 0.75, 1.0):
        reports, _ = drained(engine.run(asked(steps=1, levels=1, boldness=boldness, **ADAM)))
        weights[boldness] = painted(reports)[0].losses["content"]
    steps = [one / two for one, two in pairwise(weights.values())]
    assert steps == pytest.approx([8**0.5] * 4, rel=1e-4), "by the same share at every step"
    explicit, _ = drained(engine.run(asked(steps=1, levels=1, content_weight=24.0, **ADAM)))
    assert painted(explicit)[0].losses["content"] == pytest.approx(weights[0.0], rel=1e-4)


def test_every_level_looks_at_as_many_scales_as_make_sense_or_are_asked_for(
    engine: IterativeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert [scale_factors((512, 384), count) for count in (None, 1, 2)] == [[1, 2, 4, 8], [1], [1, 2]]
    assert scale_factors((95, 300), None) == [1, 2]
    assert scale_factors((94, 300), None) == [1]
    seen: list[float] = []
    style = Targets.style

    def spied(self: Targets, given: Style, layers: Any, scale: float, *rest: Any) -> Any:
        seen.append(scale)
        return style(self, given, layers, scale, *rest)

    monkeypatch.setattr(Targets, "style", spied)
    engine.finish(asked(200, 100, steps=0, style_scale=2.0, levels=2))
    # 100 x 50 at one scale, 200 x 100 at two: a scale half as large shows the painting half as large.
    assert seen == [1.0, 2.0, 1.0]


def test_beyond_a_size_strokes_grow_with_the_picture() -> None:
    def looked(longest: int) -> dict[int, float]:
        """How large the painting is looked at, by the side of the scale."""
        request = asked(16, 16, size=longest, style_scale=2.0)
        working = Picture(np.zeros((longest // 2, longest, 3), np.uint8))
        builder = ObjectiveBuilder(request, Targets(open_encoder(), ""), chosen_layers(request, Pocket), working)
        return {
            side: builder._style_scale((side, side // 2))
            for side in (longest, longest // 2, longest // 4, longest // 8)
        }

    assert looked(512) == {512: 2.0, 256: 1.0, 128: 0.5, 64: 0.25}
    assert looked(768) == {768: 2.0, 384: 1.0, 192: 0.5, 96: 0.25}
    assert looked(3072) == {3072: 2.0, 1536: 2.0, 768: 2.0, 384: 1.0}


def test_the_best_encoder_is_vgg19_where_it_is_there_and_the_style_is_a_picture(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    card = StyleCard("blue", {"pocket": {1.0: np.ones(3, np.float32)}})
    pictured, carded = asked(encoder="best"), asked(encoder="best", style=Style.of(card))
    pocket = find("pocket", kind="encoder")

    def there(name: str, *, kind: str) -> Any:
        if name == "vgg19":
            return replace(pocket, name="vgg19")
        return find(name, kind=kind)

    def missing(name: str, *, kind: str) -> Any:
        raise ModelError(f"there is no {kind} {name}")

    monkeypatch.setattr(open, "find", there)
    assert open.encoder_name(pictured).startswith("vgg19@")
    assert open.encoder_name(carded) == "pocket"
    assert open.encoder_name(asked(encoder="vgg16")) == "vgg16"
    monkeypatch.setattr(open, "find", missing)
    assert open.encoder_name(pictured) == "pocket"
