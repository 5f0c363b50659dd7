from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from encoders import random_vgg19
from PIL import Image

from impasto.encoders.encoder import STYLE_LAYERS
from impasto.encoders.open import open_encoder
from impasto.encoders.pocket import Pocket
from impasto.evaluation.metrics.encoder_agreement import agreement, rank_correlation
from impasto.instant.engine import InstantEngine
from impasto.models import Model
from impasto.training.architecture.network import Shape
from impasto.training.data.dataset import training_files, vary_colors
from impasto.training.data.device_dataset import DeviceCropDataset
from impasto.training.export import export
from impasto.training.instant import Plan, Trainer, load_network, train
from impasto.training.pocket import PocketPlan, distil, load_pocket
from impasto.training.pruning import prune

SMALL = Shape(widths=(8, 8, 16), blocks=1, code=16, encoder_widths=(8, 8, 8, 8))


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    """A diet of six drawn pictures, and VGG19 with random weights."""
    random = np.random.default_rng(0)
    for kind in ("photos", "styles"):
        (tmp_path / kind).mkdir()
        for i in range(3):
            small = Image.fromarray(random.integers(0, 256, (12, 16, 3), np.uint8))
            small.resize((160, 120), Image.Resampling.BICUBIC).save(tmp_path / kind / f"{i}.png")
    return Plan(
        tmp_path / "photos",
        tmp_path / "styles",
        tmp_path / "run",
        random_vgg19(tmp_path, (64, 128, 256, 512)),
        textures=2,
        minutes=60,
        sizes=(32,),
        photos_per_step=1,
        styles_per_step=2,
        learning_rate=0.03,
    )


def test_training_learns_saves_and_goes_on_where_it_was(plan: Plan) -> None:
    trainer = Trainer(plan, SMALL)
    plan.run.mkdir()
    losses = [trainer.step() for _ in range(30)]
    assert losses[-1]["read"] < 0.9 * losses[0]["read"]
    assert all(np.isfinite(value) for step in losses for value in step.values())
    trainer.minutes = 59.99
    trainer.save()
    assert (plan.run / "samples-000030.jpg").is_file()
    assert not list(plan.run.glob("*.part"))

    again = Trainer(plan, SMALL)
    assert again.number == 30
    for a, b in zip(trainer.network.parameters(), again.network.parameters(), strict=True):
        assert torch.equal(a, b)
    steps = list(train(plan, SMALL))
    assert steps[0].number == 31
    assert steps[-1].done == 1
    logged = [json.loads(line) for line in (plan.run / "log.jsonl").read_text().splitlines()]
    assert [entry["step"] for entry in logged] == [step.number for step in steps]
    assert list(train(plan, SMALL)) == []


def test_codes_are_kept_where_cards_must_stay_valid(plan: Plan, tmp_path: Path) -> None:
    list(train(replace(plan, minutes=0.01), SMALL))
    start = export(plan.run, tmp_path / "model", name="mine", version="1")
    for keeps in (True, False):
        trainer = Trainer(replace(plan, run=tmp_path / f"{keeps}", start=start, keep_codes=keeps), SMALL)
        halves = trainer.network.encoder, trainer.network.transfer
        before = [[p.clone() for p in half.parameters()] for half in halves]
        for _ in range(3):
            trainer.step()
        codes, strokes = (
            all(torch.equal(a, b) for a, b in zip(was, half.parameters(), strict=True))
            for was, half in zip(before, halves, strict=True)
        )
        assert (codes, strokes) == (keeps, False)


def test_a_stopped_training_keeps_what_it_learnt(plan: Plan) -> None:
    running = train(plan, SMALL)
    for _ in range(3):
        next(running)
    running.close()
    assert Trainer(plan, SMALL).number == 3


def test_what_was_trained_can_be_exported_and_painted_with(plan: Plan, tmp_path: Path) -> None:
    list(train(replace(plan, minutes=0.02), SMALL))
    model = Model.read(export(plan.run, tmp_path / "model", name="mine", version="7"))
    assert model.identity == "mine@7"
    engine = InstantEngine(model)
    assert engine.painter("f32").runtime == ("openvino", "f32")
    network = load_network(plan.run)
    content, code = torch.rand(1, 3, 32, 40), torch.rand(1, 16)
    with torch.no_grad():
        ours = network.transfer(content, code)[0].numpy()
    assert np.abs(engine.painter("f32").forward(content.numpy(), code.numpy()) - ours).max() < 0.02


def test_pocket_is_distilled_goes_on_and_is_a_model(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    list(train(replace(plan, minutes=0.02), SMALL))
    assert plan.encoder
    distillation = PocketPlan(
        plan.photos,
        plan.styles,
        plan.encoder,
        painter=plan.run,
        run=tmp_path / "pocket",
        size=32,
        pictures=2,
        learning_rate=2e-2,
    )
    random = torch.Generator().manual_seed(0)

    def blurred(*arguments: Any) -> Any:
        # Pruning alone leaves little to learn in a few steps.
        weights, chosen = prune(*arguments)
        noise = {k: torch.randn(v.shape, generator=random) * v.std(correction=0) for k, v in weights.items()}
        return {k: v + 0.3 * noise[k] for k, v in weights.items()}, chosen

    monkeypatch.setattr("impasto.training.pocket.prune", blurred)
    running = distil(distillation)
    losses = [next(running).losses for _ in range(25)]
    running.close()
    assert np.mean([x["loss"] for x in losses[-5:]]) < 0.9 * np.mean([x["loss"] for x in losses[:5]])
    assert next(distil(distillation)).number == 26

    model = Model.read(export(distillation.run, tmp_path / "model"))
    assert (model.identity, model.kind) == ("pocket@1", "encoder")
    trained, read = load_pocket(distillation.run), open_encoder(model.file("encoder"))
    picture = torch.rand(1, 3, 32, 32)
    for layer, value in trained(picture).items():
        assert torch.allclose(read(picture)[layer], value, rtol=0.02, atol=0.02 * float(value.max()))
    # It serves as the loss, from where VGG19 left off.
    step = next(train(replace(plan, encoder=model.file("encoder")), SMALL))
    assert np.isfinite(step.losses["loss"])


def test_agreement_is_a_matter_of_order() -> None:
    assert rank_correlation(np.array([1.0, 2, 3, 9]), np.array([0.1, 0.5, 0.6, 0.61])) == pytest.approx(1)
    assert rank_correlation(np.array([1.0, 2, 3]), np.array([3.0, 2, 1])) == pytest.approx(-1)
    random = np.random.default_rng(0)
    pictures = [random.integers(0, 256, (32, 32, 3), np.uint8) // (i + 1) for i in range(6)]
    pairs = [(a, b) for i, a in enumerate(pictures) for b in pictures[:i]]
    found = agreement(Pocket(), Pocket(), pairs, pairs)
    assert found.style == found.gram == found.content == pytest.approx(1)
    other = Pocket()
    for weight in other.parameters():
        torch.nn.init.normal_(weight, std=0.2, generator=torch.Generator().manual_seed(1))
    assert agreement(Pocket(), other, pairs, pairs).content < 0.999


def test_held_out_pictures_are_never_trained_on(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    for name in ("a.jpg", "b.jpg", "c.txt"):
        (tmp_path / "photos" / name).touch()
    assert [f.name for f in training_files(tmp_path / "photos")] == ["a.jpg", "b.jpg"]
    records = [{"file": "photos/a.jpg", "split": "val"}, {"file": "photos/b.jpg", "split": "train"}]
    (tmp_path / "index.json").write_text(json.dumps(records))
    assert [f.name for f in training_files(tmp_path / "photos")] == ["b.jpg"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="empty holds no picture"):
        training_files(tmp_path / "empty")


def test_crops_have_the_size_asked_for_and_differ(tmp_path: Path) -> None:
    y, x = np.mgrid[0:50, 0:90]
    Image.fromarray(np.stack([x * 2, y * 4, x + y], 2).astype(np.uint8)).save(tmp_path / "a.png")
    batch = DeviceCropDataset.read([tmp_path / "a.png"], torch.device("cpu"), 0, 640).batch(6, 48, 48, 300)
    assert batch.shape == (6, 3, 48, 48)
    assert 0 <= batch.min() < batch.max() <= 1
    assert len({float(crop.mean()) for crop in batch}) == 6


def test_colours_vary_within_range_and_only_in_a_share() -> None:
    pictures = torch.rand(200, 3, 4, 4)
    varied = vary_colors(pictures, np.random.default_rng(0), share=0.5)
    assert varied.min() >= 0
    assert varied.max() <= 1
    same = (varied == pictures).flatten(1).all(1).float().mean()
    assert 0.4 < same < 0.8
    assert torch.equal(vary_colors(pictures, np.random.default_rng(0), share=0.0), pictures)


def test_the_styles_layers_are_the_ones_scored() -> None:
    assert STYLE_LAYERS == ("relu1_1", "relu2_1", "relu3_1", "relu4_1")
