"""Optimisers of one picture."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
import torch
from painting import drawn, pocket
from safetensors.torch import load, save
from scipy.optimize import fmin_l_bfgs_b
from torch import Tensor

from impasto.encoders.encoder import IMAGENET_MEAN, IMAGENET_STD
from impasto.errors import MissingExtra
from impasto.iterative.optimisers import LBFGS, Adam, Optimiser, ScipyLBFGS, TorchAdam, make_optimiser
from impasto.losses.objective import Evaluation, Objective, StyledRegion
from impasto.losses.statistics import measure
from impasto.losses.terms import ContentTerm, GramTerm, MomentTerm

Evaluate = Callable[[Tensor], Evaluation]


def plain() -> LBFGS:
    return LBFGS(spectral=False)


def torch_adam() -> TorchAdam:
    return TorchAdam(0.01)


KINDS: list[Callable[[], Optimiser]] = [Adam, LBFGS, plain, ScipyLBFGS, torch_adam]
GOAL = drawn(6, 7, 1).float()


def quadratic(picture: Tensor) -> Evaluation:
    """A long valley: its curvatures are 1 to 100. The least, 0, is at ``GOAL``."""
    curvatures = torch.logspace(0, 2, GOAL.numel()).view_as(GOAL)
    apart = picture - GOAL
    losses = {"one": float((curvatures * apart.square()).sum() / 2), "two": 0.0}
    return Evaluation(sum(losses.values()), losses, curvatures * apart)


@pytest.fixture(scope="module")
def real() -> Objective:
    encoder = pocket(["relu1_1", "relu2_1"]).float()
    layers = {"relu1_1": 1.0, "relu2_1": 1.0}
    aim = measure(encoder(drawn(30, 34, 2).float()))
    content = ContentTerm(encoder(drawn(33, 36, 3).float()), {"relu2_1": 1.0}, relative=True)
    return Objective(
        encoder, [StyledRegion({"gram": GramTerm(aim, layers), "moments": MomentTerm(aim, layers)})], content
    )


def walked(optimiser: Optimiser, picture: Tensor, evaluate: Evaluate, steps: int) -> list[Evaluation]:
    return [optimiser.step(picture, evaluate) for _ in range(steps)]


def start() -> Tensor:
    return drawn(6, 7, 5).float()


@pytest.mark.parametrize("make", KINDS)
def test_every_optimiser_lowers_a_quadratic_and_the_real_objective(
    make: Callable[[], Optimiser], real: Objective
) -> None:
    picture = start()
    before = quadratic(picture).loss
    walked(make(), picture, quadratic, 60)
    assert quadratic(picture).loss < 0.05 * before
    assert picture.dtype == torch.float32
    picture = drawn(33, 36, 4).float()
    first = real(picture).loss
    optimiser = make()
    found = walked(optimiser, picture, real, 15)
    assert real(picture).loss < 0.5 * first
    assert optimiser.evaluations >= 15
    assert optimiser.stalls == 0
    assert found[-1].loss < found[0].loss


@pytest.mark.parametrize("make", [LBFGS, plain, ScipyLBFGS])
def test_lbfgs_reaches_a_quadratics_minimum(make: Callable[[], Optimiser]) -> None:
    picture, optimiser = start(), make()
    before = quadratic(picture).loss
    walked(optimiser, picture, quadratic, 150)
    assert quadratic(picture).loss < 1e-9 * before
    assert (picture - GOAL).abs().max() < 1e-4


def test_lbfgs_mostly_needs_one_evaluation_a_step_and_never_climbs(real: Objective) -> None:
    for evaluate, size in ((quadratic, (6, 7)), (real, (33, 36))):
        picture, optimiser = drawn(*size, 4).float(), LBFGS()
        losses = [evaluate(picture).loss]
        losses += [found.loss for found in walked(optimiser, picture, evaluate, 30)]
        assert all(after <= before for before, after in pairwise(losses))
        assert optimiser.evaluations < 1.4 * 30
        # What it says of the picture is true of where it is.
        assert evaluate(picture).loss == pytest.approx(losses[-1], rel=1e-4)


def test_lbfgs_first_tries_a_step_as_long_as_the_rate() -> None:
    for rate in (0.002, 0.01):
        seen: list[Tensor] = []

        def evaluate(picture: Tensor, seen: list[Tensor] = seen) -> Evaluation:
            seen.append(picture.clone())
            return quadratic(picture)

        LBFGS(rate=rate).step(start(), evaluate)
        assert float((seen[1] - seen[0]).square().mean().sqrt()) == pytest.approx(rate, rel=1e-3)


def test_lbfgs_remembers_so_many_moves_and_no_more() -> None:
    optimiser = LBFGS(memory=3)
    found = walked(optimiser, start(), quadratic, 10)[-1]
    assert float(optimiser.state()["loss"]) == found.loss
    names = sorted(name for name in optimiser.state() if name[:4] in ("move", "turn"))
    assert names == ["move0", "move1", "move2", "turn0", "turn1", "turn2"]
    assert len(optimiser.state()) - 3 <= optimiser.tensors
    assert LBFGS(memory=10).tensors > LBFGS(memory=3).tensors


def test_adam_is_the_papers_and_keeps_the_picture_between_black_and_white() -> None:
    picture, expected = start(), start().requires_grad_()
    optimiser, theirs = Adam(0.02), torch.optim.Adam([expected], 0.02, betas=(0.9, 0.99), eps=1e-12)
    for _ in range(5):
        optimiser.step(picture, quadratic)
        expected.grad = quadratic(expected.detach()).gradient
        theirs.step()
        expected.data.clamp_(0, 1)
    assert torch.allclose(picture, expected, atol=1e-5)

    def outwards(picture: Tensor) -> Evaluation:
        return Evaluation(0.0, {}, torch.where(picture > 0.5, -1.0, 1.0))

    walked(Adam(0.02), picture, outwards, 80)
    assert ((picture == 0) | (picture == 1)).all()


def broken(when: Callable[[int], bool], *, gradient_only: bool = False) -> Evaluate:
    """The quadratic, but not a number at some evaluations."""
    count = -1

    def evaluate(picture: Tensor) -> Evaluation:
        nonlocal count
        count += 1
        found = quadratic(picture)
        if not when(count):
            return found
        hurt = found.gradient.clone()
        hurt[0, 0, 0, 0] = math.nan
        return Evaluation(found.loss if gradient_only else math.nan, found.losses, hurt)

    return evaluate


@pytest.mark.parametrize("gradient_only", [False, True])
@pytest.mark.parametrize("at", [0, 1, 2, 7])
@pytest.mark.parametrize("make", KINDS)
def test_what_is_not_a_number_once_does_not_poison_the_picture(
    make: Callable[[], Optimiser], at: int, gradient_only: bool
) -> None:
    picture, optimiser = start(), make()
    before = quadratic(picture).loss
    walked(optimiser, picture, broken(lambda count: count == at, gradient_only=gradient_only), 60)
    assert quadratic(picture).loss < 0.05 * before


@pytest.mark.parametrize("gradient_only", [False, True])
@pytest.mark.parametrize("make", KINDS)
def test_where_nothing_is_a_number_the_picture_stays_and_stalls_are_counted(
    make: Callable[[], Optimiser], gradient_only: bool
) -> None:
    picture, optimiser = start(), make()
    evaluate = broken(lambda _: True, gradient_only=gradient_only)
    for count in range(1, 4):
        optimiser.step(picture, evaluate)
        assert optimiser.stalls == count
    assert torch.equal(picture, start())
    optimiser.step(picture, quadratic)
    assert optimiser.stalls == 0
    assert not torch.equal(picture, start())


@pytest.mark.parametrize("make", [LBFGS, plain])
def test_lbfgs_stays_where_the_gradient_is_a_number(make: Callable[[], LBFGS]) -> None:
    def fenced(picture: Tensor) -> Evaluation:
        found = quadratic(picture)
        outside = float((picture - start()).abs().max()) > 0.02
        return Evaluation(found.loss, found.losses, found.gradient * math.nan if outside else found.gradient)

    picture, optimiser = start(), make()
    walked(optimiser, picture, fenced, 10)
    assert 0 < (picture - start()).abs().max() <= 0.02 + 1e-6
    assert fenced(picture).loss < fenced(start()).loss


def test_a_step_that_leads_nowhere_is_a_stall() -> None:
    def flat(picture: Tensor) -> Evaluation:
        return Evaluation(1.0, {}, torch.zeros_like(picture))

    def uphill(picture: Tensor) -> Evaluation:
        """Lower nowhere, whatever the gradient says."""
        return Evaluation(float((picture - start()).abs().sum()), {}, torch.ones_like(picture))

    for evaluate in (flat, uphill):
        picture, optimiser = start(), LBFGS()
        for count in range(1, 4):
            optimiser.step(picture, evaluate)
            assert optimiser.stalls == count
        assert torch.equal(picture, start())
    picture, scipy = start(), ScipyLBFGS()
    walked(scipy, picture, flat, 2)
    assert scipy.stalls == 2
    assert torch.equal(picture, start())


def through_file(state: dict[str, Tensor]) -> dict[str, Tensor]:
    found: dict[str, Tensor] = load(save({name: value.contiguous() for name, value in state.items()}))
    return found


def copied(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in state.items()}


@pytest.mark.parametrize("keep", [copied, through_file])
@pytest.mark.parametrize("make", KINDS)
def test_a_run_taken_up_after_any_step_goes_on_to_the_same_bits(
    make: Callable[[], Optimiser], keep: Callable[[dict[str, Tensor]], dict[str, Tensor]], real: Objective
) -> None:
    steps = 14 if make is not ScipyLBFGS else 4
    picture, optimiser = drawn(33, 36, 4).float(), make()
    saved = [(picture.clone(), keep(optimiser.state()))]
    losses = []
    for _ in range(steps):
        losses.append(optimiser.step(picture, real).losses)
        saved.append((picture.clone(), keep(optimiser.state())))
    for number, (then, state) in enumerate(saved):
        again, other = then.clone(), make()
        other.restore({name: value.clone() for name, value in state.items()})
        found = walked(other, again, real, steps - number)
        assert torch.equal(again, picture), number
        assert [x.losses for x in found] == losses[number:]


def test_scipys_picture_is_where_scipy_ended() -> None:
    seen: list[tuple[float, Tensor]] = []

    def evaluate(picture: Tensor) -> Evaluation:
        apart = picture - GOAL
        loss = float((apart.square() * 50 + (apart * 40).sin()).sum())
        seen.append((loss, picture.clone()))
        return Evaluation(loss, {}, 100 * apart + 40 * (apart * 40).cos())

    picture, optimiser = start(), ScipyLBFGS(evaluations=5)
    found = optimiser.step(picture, evaluate)
    assert 5 <= optimiser.evaluations == len(seen) < 30

    def in_255(flat: Any) -> tuple[float, Any]:
        there = evaluate(torch.tensor(flat / 255, dtype=torch.float32).view_as(picture))
        return there.loss, there.gradient.flatten().double().numpy() / 255

    # As the Keras notebook calls it, where white is 255.
    ended, loss, _ = fmin_l_bfgs_b(in_255, start().flatten().double().numpy() * 255, maxfun=5)
    assert found.loss == pytest.approx(loss, rel=1e-6)
    assert torch.allclose(picture.flatten(), torch.tensor(ended / 255, dtype=torch.float32), atol=1e-6)


def test_torch_adam_is_torchs_on_the_picture_in_imagenets_deviations() -> None:
    mean, units = (torch.tensor(x).view(1, 3, 1, 1) for x in (IMAGENET_MEAN, IMAGENET_STD))
    goal, began = 4 * drawn(12, 14, 1).float() - 2, drawn(12, 14, 5).float()
    curvatures = torch.logspace(-9, 2, goal.numel()).view_as(goal)  # some so flat that epsilon counts

    def evaluate(picture: Tensor) -> Evaluation:
        apart = picture - goal
        return Evaluation(float((curvatures * apart.square()).sum() / 2), {}, curvatures * apart)

    target = ((began - mean) / units).requires_grad_()
    theirs = torch.optim.Adam([target], lr=0.003)
    picture, ours = began.clone(), TorchAdam()
    for _ in range(400):
        theirs.zero_grad()
        (curvatures * (target * units + mean - goal).square()).sum().div(2).backward()  # type: ignore[no-untyped-call]
        theirs.step()
        ours.step(picture, evaluate)
    expected = target.detach() * units + mean
    assert torch.allclose(picture, expected, atol=1e-4)
    assert float((picture - began).abs().max()) > 0.2
    assert float(picture.min()) < 0 or float(picture.max()) > 1


def test_optimisers_are_made_by_name() -> None:
    made = [make_optimiser(kind, 0.03, 5) for kind in ("adam", "lbfgs", "scipy", "torch")]
    assert [type(x) for x in made] == [Adam, LBFGS, ScipyLBFGS, TorchAdam]
    assert isinstance(made[0], Adam)
    assert isinstance(made[1], LBFGS)
    assert made[0].rate == made[1].rate == 0.03
    assert made[1].memory == 5
    assert [x.average for x in made] == [0.8, 0.0, 0.0, 0.0]


def test_without_scipy_the_line_that_installs_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scipy.optimize", None)
    with pytest.raises(MissingExtra, match=r"the optimiser scipy .* pip install 'impasto\[iterative\]'"):
        make_optimiser("scipy", 0.01)


@pytest.mark.parametrize("make", [LBFGS, plain])
def test_lbfgs_ends_at_the_border_where_the_way_leads_out(make: Callable[[], LBFGS]) -> None:
    goal = 3 * GOAL - 1
    assert goal.min() < 0
    assert goal.max() > 1

    def evaluate(picture: Tensor) -> Evaluation:
        assert picture.min() >= 0
        assert picture.max() <= 1
        return Evaluation(float((picture - goal).square().sum()), {}, 2 * (picture - goal))

    picture = start()
    walked(make(), picture, evaluate, 30)
    assert torch.allclose(picture, goal.clamp(0, 1), atol=1e-3)
