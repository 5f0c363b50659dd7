"""The recipe for a card, on a processor with next to nothing: stages, models, going on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from encoders import random_vgg19
from PIL import Image
from torch.utils._python_dispatch import TorchDispatchMode

from impasto.models import Model
from impasto.training.base import BaseLearner, BasePlan
from impasto.training.cuda_graph import StepRecorder
from impasto.training.data.device_dataset import read_datasets
from impasto.training.instant import Plan, Trainer
from impasto.training.per_style import StyleLearner, StylePlan
from impasto.training.pretrained import read_base, read_instant, read_style
from impasto.training.recipe import Recipe, Style, train_recipe
from impasto.training.trainer import average_share, load_optimiser, make_adam, optimise_step, set_rate, update_average


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    random = np.random.default_rng(0)
    for kind in ("photos", "paintings"):
        (tmp_path / kind).mkdir()
        for i in range(2):
            small = Image.fromarray(random.integers(0, 256, (12, 16, 3), np.uint8))
            small.resize((80, 64), Image.Resampling.BICUBIC).save(tmp_path / kind / f"{i}.png")
    first = tmp_path / "paintings" / "0.png"
    return Recipe(
        tmp_path / "photos",
        tmp_path / "paintings",
        tmp_path / "out",
        tmp_path / "runs",
        {"starry-night": Style(first, "of a test"), "mine": Style(first)},
        minutes=0.001,
        lanes=2,
        rank=4,
        deep=16,
        pairs=2,
        pictures=2,
        sizes=(32,),
        own_sizes=(32,),
        textures=2,
        spare=0,
    )


def test_every_stage_ends_in_models_that_go_together(recipe: Recipe, tmp_path: Path) -> None:
    reports = list(train_recipe(recipe))
    made = [(report.name, report.model) for report in reports if report.model]
    assert [name for name, _ in made] == ["instant", "base", "starry-night", "mine"]
    models = [Model.read(folder) for _, folder in made if folder]
    assert [model.identity for model in models] == ["instant@2", "base@2", "starry-night@2", "mine@2"]
    shape = read_instant(models[0]).shape
    assert (shape.deep, shape.rank, shape.reader) == (16, 24, "pocket"), "a rank that is there stays"
    assert read_base(models[1])[1].deep == 16
    assert models[1].rules["codes"] == "instant@2"
    assert read_style(models[2])[1].deep == 16
    assert "of a test" in (models[2].path / "manifest.json").read_text()
    # What is kept is small, and enough to go on from.
    for name in ("instant", "base", "mine"):
        kept = tmp_path / "out" / name
        assert (kept / "average.pt").stat().st_size < 16 * 2**20
        assert (kept / "log.jsonl").is_file()
    before = torch.load(tmp_path / "out" / "mine" / "average.pt", weights_only=True)
    on = replace(recipe, stages=("styles",), styles={"mine": recipe.styles["mine"]}, runs=tmp_path / "elsewhere")
    steps = [report.step for report in train_recipe(on) if report.step]
    assert steps[0].number == before["number"] + 1
    assert steps[0].minutes > before["minutes"]


def test_an_unknown_stage_is_refused(recipe: Recipe) -> None:
    with pytest.raises(ValueError, match="no stage pocket"):
        next(train_recipe(replace(recipe, stages=("pocket",))))


def test_a_style_goes_on_from_its_weights_alone(recipe: Recipe, tmp_path: Path) -> None:
    painting = recipe.styles["mine"].painting
    plan = StylePlan((painting,), recipe.photos, tmp_path / "one", sizes=(32,), pictures=2, deep=16)
    plan.run.mkdir()
    learner = StyleLearner(plan)
    learner.step()
    learner.save()
    (plan.run / "checkpoint.pt").unlink()
    again = StyleLearner(plan)
    assert (again.number, again.shape.deep) == (1, 16)
    assert again.target > 0
    for a, b in zip(learner.average.parameters(), again.network.parameters(), strict=True):
        assert torch.allclose(a, b, atol=1e-3)


def test_an_endless_gradient_moves_nothing() -> None:
    network = torch.nn.Linear(2, 1)
    optimiser = make_adam(network, 0.1, torch.device("cpu"))
    before = network.weight.clone()
    told = optimise_step(optimiser, network, {}, (network(torch.ones(1, 2)) * torch.inf).sum())
    assert not torch.isfinite(told["gradient"])
    assert torch.equal(network.weight, before)
    optimise_step(optimiser, network, {}, network(torch.ones(1, 2)).sum())
    assert not torch.equal(network.weight, before)


def test_rates_stay_where_the_optimiser_keeps_them() -> None:
    network, other = torch.nn.Linear(2, 1), torch.nn.Linear(2, 1)
    first, second = (make_adam(n, 0.1, torch.device("cpu")) for n in (network, other))
    optimise_step(first, network, {}, network(torch.ones(1, 2)).sum())
    rate = torch.tensor(0.5)
    second.param_groups[0]["lr"] = rate
    load_optimiser(second, first.state_dict())
    assert second.param_groups[0]["lr"] is rate
    set_rate(second, 0.25)
    assert float(rate) == 0.25


def test_an_average_follows_by_its_share() -> None:
    average, network = torch.nn.Linear(2, 1), torch.nn.Linear(2, 1)
    start, goal = average.weight.clone(), network.weight.clone()
    update_average(average, network, torch.tensor(0.25))
    assert torch.allclose(average.weight, start + 0.25 * (goal - start))
    assert average_share(1) > average_share(100) > average_share(10_000) == pytest.approx(1 / 500)


def test_a_lesson_on_a_processor_is_just_run() -> None:
    recorder = StepRecorder(lambda x: {"sum": x.sum(), "most": x.max()}, torch.device("cpu"))
    with recorder.lane():
        assert recorder((torch.tensor([1.0, 2.0]),)) == {"sum": 3.0, "most": 2.0}
    recorder.wait()


class _Waiting(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes what a graphics card would have to wait for, and what a recorded step may therefore not ask."""

    ASKS = ("aten::lift_fresh", "aten::_local_scalar_dense", "aten::nonzero", "aten::masked_select", "aten::_unique2")

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.asked: set[str] = set()
        self.seen = 0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.seen += 1
        if function.name() in self.ASKS:
            self.asked.add(function.name())
        return function(*args, **(kwargs or {}))


def test_a_lesson_asks_nothing_of_the_processors_memory(recipe: Recipe, tmp_path: Path) -> None:
    weights = random_vgg19(tmp_path)
    datasets = read_datasets(recipe.photos, recipe.paintings, torch.device("cpu"), 2, 0)
    folders = (recipe.photos, recipe.paintings)
    instant = Plan(*folders, tmp_path / "i", weights, sizes=(64,))
    base = BasePlan(*folders, tmp_path / "b", weights, sizes=(64,))
    painting = recipe.styles["mine"].painting
    style = StylePlan((painting,), recipe.photos, tmp_path / "s", weights, sizes=(64,), shift_weight=1)
    learners = (Trainer(instant, datasets=datasets), BaseLearner(base, datasets=datasets), StyleLearner(style))
    for learner in learners:
        learner.step()
        batch = learner.batch()
        with _Waiting() as watch:
            learner.batch_step(*batch)
        assert watch.seen > 500
        assert not watch.asked, type(learner).__name__
    with _Waiting() as watch:
        torch.zeros(2).new_tensor([1.0, 2.0]).sum().item()
    assert watch.asked == {"aten::lift_fresh", "aten::_local_scalar_dense"}, "it watches nothing"
