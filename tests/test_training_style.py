"""A network for one style: started from the base, learnt, resumed, exported, installed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from click.testing import CliRunner
from PIL import Image

from impasto import Gallery, Picture, Stylizer
from impasto.cli.main import cli
from impasto.encoders.open import open_encoder
from impasto.encoders.padding import EdgePad
from impasto.errors import PictureError, StyleError, StyleExists
from impasto.inference.graph import OpenVinoGraph, open_graph
from impasto.losses.distances import content_distance
from impasto.models import Model, Store, find, models
from impasto.training.architecture.layers import InstanceNorm
from impasto.training.architecture.network import Shape, StyleNetwork, TransferNetwork
from impasto.training.base import BasePlan, load_base, train_base
from impasto.training.data.device_dataset import DeviceCropDataset
from impasto.training.export import export, export_style
from impasto.training.install import install_style, style_name
from impasto.training.loss import StyleCriterion, mean_features, weighted_sum
from impasto.training.per_style import StyleLearner, StylePlan, train_style
from impasto.training.pretrained import read_base, read_instant, read_style

SMALL = Shape(widths=(8, 8, 16), blocks=1)
CPU = torch.device("cpu")


def draw(file: Path, seed: int, size: tuple[int, int] = (160, 120)) -> Path:
    random = np.random.default_rng(seed)
    small = Image.fromarray(random.integers(0, 256, (12, 16, 3), np.uint8))
    file.parent.mkdir(exist_ok=True)
    small.resize(size, Image.Resampling.BICUBIC).save(file)
    return file


@pytest.fixture
def plan(tmp_path: Path) -> StylePlan:
    for i in range(2):
        draw(tmp_path / "photos" / f"{i}.png", i)
    painting = draw(tmp_path / "painting.png", 7)
    return StylePlan((painting,), tmp_path / "photos", tmp_path / "run", minutes=60, sizes=(32,), pictures=1)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("IMPASTO_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_a_folded_network_is_the_conditioned_one_at_its_code() -> None:
    network, shape = read_base()
    code, content = torch.randn(1, shape.code), torch.rand(2, 3, 48, 64)
    folded = StyleNetwork.folded(network, shape, code)
    with torch.no_grad():
        expected = network(content, code.expand(2, -1))[0]
        assert torch.allclose(folded(content)[0], expected, atol=1e-5)
    # The way that keeps gradients computes the same, and they reach every weight.
    painted = folded(content)[0]
    assert torch.allclose(painted, expected, atol=1e-4)
    painted.square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in folded.parameters())


def test_borders_are_repeated_and_their_gradient_is_right() -> None:
    x = torch.randn(2, 3, 5, 7, dtype=torch.double, requires_grad=True)
    assert torch.equal(EdgePad.apply(x), F.pad(x, (1, 1, 1, 1), mode="replicate"))  # type: ignore[no-untyped-call]
    assert torch.autograd.gradcheck(EdgePad.apply, (x,))
    affine = [torch.randn(2, 3, dtype=torch.double, requires_grad=True) for _ in range(2)]
    assert torch.autograd.gradcheck(InstanceNorm.apply, (x, *affine))


def test_what_ships_is_read_back_as_it_was_exported() -> None:
    network, model = read_instant(), find("instant", kind="arbitrary")
    style = torch.rand(1, 3, 64, 96)
    code = network.encoder(style)
    graph = open_graph(model.file("encoder"), ["code"], precision="f32")
    assert np.abs(graph(style=style.numpy())["code"] - code.numpy()).max() < 1e-4
    assert not any(p.requires_grad for p in network.parameters())


def test_a_style_is_learnt_saved_and_goes_on_where_it_was(plan: StylePlan, tmp_path: Path) -> None:
    learner = StyleLearner(plan)
    before = [p.clone() for p in learner.network.parameters()]
    plan.run.mkdir()
    losses = [learner.step() for _ in range(25)]
    assert np.mean([x["style"] for x in losses[-5:]]) < np.mean([x["style"] for x in losses[:5]])
    assert any(not torch.equal(a, b) for a, b in zip(before, learner.network.parameters(), strict=True))
    learner.minutes = 59.99
    learner.save()

    again = StyleLearner(plan)
    assert (again.number, again.target, again.content_weight) == (25, learner.target, learner.content_weight)
    for a, b in zip(learner.network.parameters(), again.network.parameters(), strict=True):
        assert torch.equal(a, b)
    steps = list(train_style(plan))
    assert steps[0].number == 26
    assert steps[0].left < 0.6
    assert (steps[-1].done, steps[-1].left) == (1, 0)
    logged = [json.loads(line) for line in (plan.run / "log.jsonl").read_text().splitlines()]
    assert [entry["step"] for entry in logged] == [step.number for step in steps]
    assert list(train_style(plan)) == []
    model = Model.read(export(plan.run, tmp_path / "model", name="mine"))
    assert (model.identity, model.kind) == ("mine@1", "per-style")


def test_samples_are_there_from_the_start_and_after_a_stop(plan: StylePlan) -> None:
    running = train_style(plan)
    next(running)
    with Image.open(plan.run / "sample.jpg") as first:
        assert first.size == (2 * 320, 2 * 320)  # two photographs, and below them their pastiches
    next(running)
    running.close()
    assert StyleLearner(plan).number == 2
    assert sorted(f.name for f in plan.run.glob("samples-*")) == ["samples-000000.jpg", "samples-000002.jpg"]
    assert not list(plan.run.glob("*.part"))


def test_the_drawing_counts_for_more_where_it_is_lost(plan: StylePlan) -> None:
    plan.run.mkdir()
    learner = StyleLearner(plan)
    learner.target = 1e-3
    learner.step()
    assert learner.content_weight > 1
    learner.target = 10.0
    for _ in range(2):
        learner.step()
    assert learner.content_weight < 1


def test_one_photograph_and_several_paintings_will_do(plan: StylePlan, tmp_path: Path) -> None:
    one = replace(
        plan,
        paintings=(*plan.paintings, draw(tmp_path / "wide.png", 8, (200, 90))),
        photos=draw(tmp_path / "one" / "photo.png", 3, (40, 30)).parent,
    )
    step = next(train_style(one))
    assert np.isfinite(step.losses["loss"])


def test_a_folder_without_photographs_is_refused(plan: StylePlan, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="holds no picture"):
        next(train_style(replace(plan, photos=tmp_path / "empty")))


def test_a_broken_photograph_is_named(plan: StylePlan) -> None:
    (plan.photos / "torn.jpg").write_bytes(b"\xff\xd8\xff")
    with pytest.raises(PictureError, match=r"torn\.jpg cannot be read"):
        next(train_style(plan))


def test_the_exported_graph_paints_what_torch_paints(tmp_path: Path) -> None:
    base, shape = read_base()
    network = StyleNetwork.folded(base, shape, torch.randn(1, shape.code)).eval()
    model = Model.read(export_style(network, shape, tmp_path / "model", name="mine", version="3", source="own"))
    file = model.file("network")
    assert file.stat().st_size < 550_000
    assert (model.kind, model.identity, model.rules["form"]) == ("per-style", "mine@3", "own")
    content = torch.rand(1, 3, 64, 80)
    stored, _ = read_style(model)
    with torch.no_grad():
        expected, trained = (paint(content)[0].numpy() for paint in (stored, network))
    for mine, theirs in zip(network.state_dict().values(), stored.state_dict().values(), strict=True):
        # Half a step of 127 from 0 to the largest of a channel, or what half precision leaves.
        assert float((mine - theirs).abs().max()) <= float(mine.abs().max()) / 250
    assert 0 < np.abs(expected - trained).mean() < 2 / 255
    graph = OpenVinoGraph(file, ["pastiche", "measured"], precision="f32")
    blank = np.ones((1, int(model.rules["statistics"])), np.float32)
    found = graph(content=content.numpy(), statistics=blank, given=np.array([[False]]))
    assert np.abs(found["pastiche"] - expected).max() < 1 / 255
    given = graph(content=content.numpy(), statistics=found["measured"], given=np.array([[True]]))
    assert np.abs(given["pastiche"] - expected).max() < 1 / 255
    other = graph(content=content.numpy() * 0.3, statistics=found["measured"], given=np.array([[True]]))
    alone = graph(content=content.numpy() * 0.3, statistics=blank, given=np.array([[False]]))
    assert np.abs(other["pastiche"] - alone["pastiche"]).max() > 0.01


def test_the_networks_that_ship_are_small_whole_and_of_public_domain_paintings() -> None:
    shipped = [model for model in models() if model.kind == "per-style" and "shipped" in model.path.parts]
    assert len(shipped) >= 12
    for model in shipped:
        model.verify()
        assert model.file("network").stat().st_size < 1_000_000
        manifest = json.loads((model.path / "manifest.json").read_text("utf-8"))
        assert manifest["licence"] == "Apache-2.0"
        assert "public domain" in manifest["source"]
        assert (model.path / "MODEL_CARD.md").is_file()


def test_the_base_learns_goes_on_and_is_a_model(plan: StylePlan, tmp_path: Path) -> None:
    draw(tmp_path / "styles" / "0.png", 5)
    base = BasePlan(
        plan.photos,
        tmp_path / "styles",
        tmp_path / "base",
        sizes=(32,),
        photos_per_step=1,
        styles_per_step=2,
        textures=1,
        learning_rate=1e-2,
    )
    running = train_base(base, SMALL)
    losses = [next(running).losses["loss"] for _ in range(20)]
    running.close()
    assert np.mean(losses[-5:]) < np.mean(losses[:5])
    assert next(train_base(base, SMALL)).number == 21
    model = Model.read(export(base.run, tmp_path / "base-model"))
    assert (model.identity, model.kind) == ("base@1", "base")
    network, shape = read_base(model)
    trained, _ = load_base(base.run)
    assert shape == SMALL
    for name, value in trained.state_dict().items():
        assert torch.allclose(network.state_dict()[name], value, atol=1e-3)
    # A style is started from it as well as from the one that ships.
    learner = StyleLearner(replace(plan, base=model.path))
    assert learner.shape == SMALL
    assert isinstance(network, TransferNetwork)


def test_several_pictures_of_a_style_count_as_one() -> None:
    criterion = StyleCriterion(open_encoder())
    pictures = torch.rand(2, 3, 48, 48) * torch.tensor([0.3, 1.0])[:, None, None, None]
    both = mean_features([criterion.features(picture[None]) for picture in pictures])
    joined = {k: v.transpose(0, 1).flatten(1)[None] for k, v in criterion.encoder(pictures).items()}
    for layer, value in joined.items():
        mean, std = both.moments[0][layer]
        assert torch.allclose(mean, value.mean(2), rtol=1e-3, atol=1e-3)
        assert torch.allclose(std, value.std(2, correction=0), rtol=1e-2, atol=1e-2)
    alone = criterion.features(pictures[:1])
    assert torch.equal(mean_features([alone]).grams[0]["relu1_1"], alone.grams[0]["relu1_1"])


def test_a_photograph_is_its_own_drawing_and_terms_add_up_by_weight() -> None:
    criterion, photos = StyleCriterion(open_encoder()), torch.rand(2, 3, 48, 48)
    look = criterion.features(photos)
    terms = criterion.compare(photos, look.repeat_interleave(1), criterion.features(photos.flip(0)).repeat(1))
    assert float(terms["content"]) == pytest.approx(0, abs=1e-4)
    assert float(terms["style"]) > 0
    assert float(content_distance(look.drawing, look.drawing).max()) < 1e-4
    assert float(weighted_sum({"a": torch.tensor(2.0), "b": torch.tensor(3.0)}, {"a": 5.0})) == 13


def test_an_album_cuts_from_its_pictures() -> None:
    dark, light = (Image.new("RGB", (40, 30), (v, v, v)) for v in (51, 204))
    dataset = DeviceCropDataset([dark], CPU, 0).with_more([light])
    assert len(dataset) == 2
    batch = dataset.batch(12, 16, 20, 60)
    assert batch.shape == (12, 3, 16, 16)
    found = {round(float(v), 3) for v in batch.mean((1, 2, 3))}
    assert found == {0.2, 0.8}
    dataset.reseed(3)
    first = dataset.batch(4, 16, 20, 60)
    dataset.reseed(3)
    assert torch.equal(first, dataset.batch(4, 16, 20, 60))


@pytest.mark.parametrize(
    ("file", "name"),
    [("La Danse (1910).jpg", "la-danse-1910"), ("Épicerie_N°3.png", "epicerie-n3"), ("x" * 80 + ".png", "x" * 64)],
)
def test_a_style_is_called_after_its_file(file: str, name: str) -> None:
    assert style_name(Path(file)) == name


def test_a_file_without_latin_letters_needs_a_name() -> None:
    with pytest.raises(StyleError, match="--name"):
        style_name(Path("富士.jpg"))


def test_the_command_trains_installs_and_the_style_paints(plan: StylePlan, home: Path) -> None:
    command = ["train", "style", str(plan.paintings[0]), "--photos", str(plan.photos), "--sizes", "32"]
    command += ["--pictures", "1", "--minutes", "0.02", "--title", "Mine"]
    done = CliRunner().invoke(cli, command, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert "holds 2 pictures" in done.stderr
    assert done.stdout == "painting\n"
    model = find("painting", kind="per-style")
    assert model.identity == "painting@1"
    assert model.path.parent == home / "models"
    assert Store().problems() == ()
    card = Gallery().get("painting")
    assert (card.title, card.network) == ("Mine", "painting@1")
    assert card.thumbnail
    run = home / "models" / ".training" / "painting"
    assert (run / "sample.jpg").is_file()
    pastiche = Stylizer().stylize(Picture.open(plan.photos / "0.png"), "painting").pastiche
    assert pastiche.size == (160, 120)

    taken = CliRunner().invoke(cli, command)
    assert isinstance(taken.exception, (StyleExists, SystemExit))
    assert taken.exit_code != 0
    # What there is already makes the next version.
    again = CliRunner().invoke(cli, [*command, "--overwrite"], catch_exceptions=False)
    assert again.exit_code == 0, again.output
    assert [m.identity for m in Store().models()] == ["painting@1", "painting@2"]
    assert Gallery().get("painting").network == "painting@2"


def test_a_shipped_styles_name_is_refused_before_the_training(plan: StylePlan, home: Path) -> None:
    command = ["train", "style", str(plan.paintings[0]), "--photos", str(plan.photos), "--name", "starry-night"]
    done = CliRunner().invoke(cli, command)
    assert done.exit_code != 0
    assert not home.exists()


def test_a_card_that_cannot_be_made_leaves_no_model(
    plan: StylePlan, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = train_style(plan)
    next(running)
    running.close()
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    with pytest.raises(Exception, match="broken"):
        install_style(plan.run, "mine", [broken], Stylizer())
    assert Store().models() == []
    assert "mine" not in Gallery()
