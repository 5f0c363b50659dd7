"""Networks of one style: every door takes them as styles, at any size, whole and in tiles."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from own_networks import drawn, installed
from PIL import Image
from skimage import data

from impasto import Picture, Style, StyleCard, Stylizer
from impasto.cli.main import cli
from impasto.errors import ModelError, RequestError, StyleError
from impasto.instant import engine
from impasto.instant import painter as paintings
from impasto.models import Model
from impasto.models.install import add

EXACT: Mapping[str, Any] = {"deterministic": True, "boldness": 0.0, "skin": "free"}
"""The bare network: one pass over the photograph as it is."""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("IMPASTO_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def candy(home: Path) -> Model:
    """A network of random weights, and the style that it is."""
    return installed("candy", seed=1)


def card(name: str = "candy", **more: Any) -> StyleCard:
    return StyleCard(name, network=name, **more)


def floats(picture: Picture) -> np.ndarray[Any, np.dtype[np.float64]]:
    return picture.pixels.astype(np.float64) / picture.peak


def far(one: Picture, other: Picture) -> float:
    """Mean absolute difference, in 255ths."""
    return float(255 * np.abs(floats(one) - floats(other)).mean())


def test_it_paints_as_torch_does(candy: Model, scene: Picture) -> None:
    result = Stylizer().stylize(scene, card(), **EXACT)
    with torch.no_grad():
        expected = drawn(1)(torch.from_numpy(scene.pixels.transpose(2, 0, 1).copy()).float()[None])[0].numpy()
    assert np.abs(result.pastiche.pixels - expected.clip(0, 255).transpose(1, 2, 0)).mean() < 1
    assert result.model == "candy@1"
    assert result.settings() == {"model": "candy@1", "style": "candy", **EXACT}


@pytest.mark.parametrize("form", ["layers", "graph"])
def test_tiles_are_the_whole(home: Path, scene: Picture, monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    installed("candy", form=form)
    stylizer = Stylizer()
    whole = stylizer.stylize(scene, card(), **EXACT).pastiche
    monkeypatch.setattr(paintings, "_WHOLE", 1)
    monkeypatch.setattr(paintings, "_WINDOW", 64)
    monkeypatch.setattr(engine, "_PREVIEW", 64)
    request = stylizer.request(scene, card(), **EXACT)
    updates = list(stylizer.run(request))
    assert len(updates) > 4
    assert [update.stage for update in updates][:3] == ["style", "paint", "preview"]
    assert updates[2].preview is not None
    tiled = stylizer.stylize(scene, card(), **EXACT).pastiche
    assert far(tiled, whole) < 0.05, "the statistics are those of the whole picture"


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (37, 41), (130, 67)])
def test_any_size_comes_back_at_its_own(candy: Model, scene: Picture, size: tuple[int, int]) -> None:
    small = scene.resized(size)
    painted = Stylizer().stylize(small, card()).pastiche
    assert painted.size == size
    assert painted.pixels.shape == small.pixels.shape


def test_strength_goes_from_the_photograph_to_the_pastiche(candy: Model, scene: Picture) -> None:
    stylizer = Stylizer()
    full, half, none = (stylizer.stylize(scene, card(), strength=s, **EXACT).pastiche for s in (1, 0.5, 0))
    assert np.array_equal(none.pixels, scene.pixels)
    assert far(full, scene) > 20
    between = Picture.from_array((floats(full) + floats(scene)) / 2)
    assert far(half, between) < 1


def test_mask_colours_alpha_and_depth(candy: Model, scene: Picture) -> None:
    stylizer = Stylizer()
    left = np.zeros((*scene.pixels.shape[:2], 3), np.uint8)
    left[:, :160] = 255
    painted = stylizer.stylize(scene, card(), **EXACT).pastiche
    masked = stylizer.stylize(scene, card(), mask=Picture.from_array(left), **EXACT).pastiche
    assert np.array_equal(masked.pixels[:, 160:], scene.pixels[:, 160:])
    assert np.array_equal(masked.pixels[:, :160], painted.pixels[:, :160])
    kept = stylizer.stylize(scene, card(), colors="keep", **EXACT).pastiche
    assert far(kept, painted) > 5
    alpha = np.full(scene.pixels.shape[:2], 90, np.uint8)
    see_through = stylizer.stylize(replace(scene, alpha=alpha), card()).pastiche
    assert see_through.alpha is not None
    assert (see_through.alpha == 90).all()
    deep = stylizer.stylize(scene, card(), bits=16, format="png", **EXACT).pastiche
    assert deep.pixels.dtype == np.uint16
    assert far(deep, painted) < 1


def test_a_scale_of_strokes_is_another_size_to_paint_at(candy: Model, scene: Picture) -> None:
    stylizer = Stylizer()
    bold = stylizer.stylize(scene, card(), style_scale=2, **EXACT).pastiche
    small = stylizer.stylize(scene, card(), size=160, **EXACT).pastiche
    assert bold.size == scene.size
    assert far(bold, small) == 0
    with pytest.raises(RequestError, match=r"style_scale is 0.25, for which this network has to paint"):
        stylizer.stylize(scene, card(), style_scale=0.25, boldness=0, max_pixels=scene.width * scene.height)


def test_networks_mix_with_one_another_and_with_codes(candy: Model, scene: Picture) -> None:
    installed("mint", seed=2)
    stylizer = Stylizer()
    one, other = (stylizer.stylize(scene, card(name), **EXACT).pastiche for name in ("candy", "mint"))
    mixed = stylizer.stylize(scene, Style.mix({Style.of(card()): 3, Style.of(card("mint")): 1}), **EXACT)
    assert far(mixed.pastiche, Picture.from_array(0.75 * floats(one) + 0.25 * floats(other))) < 1
    assert mixed.model == "candy@1, mint@1"
    wave = stylizer.stylize(scene, "the-wave", model="instant", **EXACT).pastiche
    both = stylizer.stylize(scene, Style.mix({Style.of(card()): 1, "the-wave": 1}), **EXACT)
    assert far(both.pastiche, Picture.from_array((floats(one) + floats(wave)) / 2)) < 1
    assert both.model == "instant@2, candy@1"


def test_a_style_with_a_code_mixes_by_its_code(candy: Model, scene: Picture) -> None:
    stylizer = Stylizer()
    wave = stylizer.gallery.get("the-wave")
    own = replace(wave, name="candy", network="candy")
    alone = stylizer.stylize(scene, own, **EXACT)
    assert alone.model == "candy@1"
    mixed = stylizer.stylize(scene, Style.mix({Style.of(own): 1, "starry-night": 1}), **EXACT)
    assert mixed.model == "instant@2"
    as_coded = stylizer.stylize(scene, own, model="instant", **EXACT)
    assert far(as_coded.pastiche, stylizer.stylize(scene, "the-wave", model="instant", **EXACT).pastiche) == 0


def test_a_model_may_be_asked_for_without_a_style(candy: Model, scene: Picture) -> None:
    stylizer = Stylizer()
    by_model = stylizer.stylize(scene, model="candy", **EXACT)
    assert far(by_model.pastiche, stylizer.stylize(scene, card(), **EXACT).pastiche) == 0
    assert by_model.settings() == {"model": "candy@1", **EXACT}
    with pytest.raises(RequestError, match="the model instant paints any style; give one"):
        stylizer.stylize(scene, model="instant")
    with pytest.raises(ModelError, match="there is no model 'nowhere'"):
        stylizer.stylize(scene, model="nowhere")
    with pytest.raises(ModelError, match="base@2 is a model of kind base, which does not paint"):
        stylizer.stylize(scene, "the-wave", model="base")
    with pytest.raises(RequestError, match="give a Style"):
        stylizer.stylize(scene, model="candy", engine="iterative")


def test_a_network_that_is_not_here(home: Path, scene: Picture) -> None:
    stylizer = Stylizer()
    with pytest.raises(ModelError, match="there is no model 'candy'"):
        stylizer.stylize(scene, card())
    # Somebody else's card still has its code.
    wave = replace(stylizer.gallery.get("the-wave"), network="candy")
    assert stylizer.stylize(scene, wave).model == "instant@2"


def test_a_card_keeps_the_name_of_its_network() -> None:
    made = card(title="Candy")
    again = StyleCard.from_bytes(made.to_bytes())
    assert (again.network, again.codes, again.title) == ("candy", {}, "Candy")
    assert again.facts()["network"] == "candy"
    assert "network" not in json.loads(StyleCard("plain", {"instant@2": {1.0: np.ones(4)}}).to_bytes())
    for name in ("../candy", "Candy", "candy@", "candy@x", "/etc", "a b"):
        with pytest.raises(StyleError, match="give a model's name"):
            StyleCard("candy", network=name)
    with pytest.raises(StyleError, match="has a network of its own, candy, not for instant@2"):
        made.code("instant@2")
    with pytest.raises(StyleError, match="needs codes"):
        StyleCard("empty")


def test_a_card_is_made_of_a_network_alone(candy: Model) -> None:
    made = Stylizer().card("sweet", (), network="candy", title="Sweet")
    assert made.network == "candy"
    assert not made.codes
    assert made.palette
    assert made.thumbnail[8:12] == b"WEBP"
    with pytest.raises(ModelError, match="kind"):
        Stylizer().card("sweet", (), network="instant")
    with pytest.raises(RequestError, match="needs pictures"):
        Stylizer().card("sweet", ())


def test_the_command_paints_by_style_and_by_model(candy: Model, scene: Picture, tmp_path: Path) -> None:
    stylizer = Stylizer()
    stylizer.gallery.add(stylizer.card("candy", (), network="candy"))
    photo = tmp_path / "photo.png"
    Image.fromarray(scene.pixels).save(photo)
    made = {}
    for arguments in (["--style", "candy"], ["--model", "candy@1"]):
        out = tmp_path / f"{arguments[0]}.png"
        result = CliRunner().invoke(cli, ["stylize", str(photo), *arguments, "--deterministic", "-o", str(out)])
        assert result.exit_code == 0, result.output
        made[arguments[0]] = Picture.open(out)
    assert far(made["--style"], made["--model"]) == 0
    added = CliRunner().invoke(cli, ["styles", "add", "sweet", "--network", "candy", "--title", "Sweet"])
    assert added.exit_code == 0, added.output
    shown = CliRunner().invoke(cli, ["styles", "show", "sweet", "--json"])
    assert json.loads(shown.output)["network"] == "candy"
    missing = CliRunner().invoke(cli, ["styles", "add", "sour"])
    assert "give a painting's file, or a --network" in missing.output
    beside = CliRunner().invoke(cli, ["stylize", str(photo), "--model", "candy"])
    assert beside.exit_code == 0, beside.output
    assert (tmp_path / "photo.candy.png").is_file()


@pytest.mark.parametrize("precision", ["auto", "f32"])
def test_magentas_pair_paints_any_style(home: Path, shared: Path, scene: Picture, precision: str) -> None:
    add(sorted((shared / "peers" / "magenta").glob("*.tflite")), name="magenta")
    stylizer = Stylizer()
    painting = Picture.from_array(np.roll(scene.pixels, 90, 0)[:, ::-1].copy())
    asked: dict[str, Any] = {"model": "magenta", "precision": precision, "boldness": 0}
    full, half, none = (stylizer.stylize(scene, painting, strength=s, **asked).pastiche for s in (1, 0.5, 0))
    assert np.array_equal(none.pixels, scene.pixels)
    assert far(scene, half) < far(scene, full)
    bold = stylizer.stylize(scene, painting, style_scale=2, **asked).pastiche
    assert far(bold, stylizer.stylize(scene, painting, size=160, **asked).pastiche) == 0
    with pytest.raises(StyleError, match="not for magenta@1; add it again from the picture"):
        stylizer.stylize(scene, "the-wave", **asked)
    # Its cards are as any others.
    made = Stylizer(model="magenta").card("rolled", [painting])
    assert set(made.codes) >= {"magenta@1"}
    assert far(stylizer.stylize(scene, made, **asked).pastiche, full) < 2
    mixed = stylizer.stylize(scene, Style.mix({Style.of(made): 1, Style.of(scene): 1}), **asked)
    assert mixed.model == "magenta@1"


def test_magentas_tiles_are_the_whole(home: Path, shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add(sorted((shared / "peers" / "magenta").glob("*.tflite")), name="magenta")
    # A photograph: where all is flat, eight bits make steps of what differs in the last digit.
    stylizer, photo, painting = Stylizer(model="magenta"), Picture.of(data.astronaut()), Picture.of(data.coffee())
    whole = stylizer.stylize(photo, painting, **EXACT).pastiche
    monkeypatch.setattr(paintings, "_WHOLE", 1)
    monkeypatch.setattr(paintings, "_WINDOW", 64)
    monkeypatch.setattr(engine, "_PREVIEW", 64)
    monkeypatch.setattr(paintings, "_SAMPLE", 1024)
    tiled = stylizer.stylize(photo, painting, **EXACT).pastiche
    assert far(tiled, whole) < 0.05
