"""Networks that were exported for one size, as PyTorch's exporters of old wrote them: any size, or that one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from era_graphs import DOUBLINGS, era_network

from impasto import Stylizer
from impasto.cli.main import cli
from impasto.errors import RequestError
from impasto.inference.graph import Array, Compiled
from impasto.inference.ir.sizes import take_any_size
from impasto.inference.ir.statistics import measure_statistics
from impasto.inference.openvino_core import core
from impasto.instant.network import open_network
from impasto.models import Store, find
from impasto.models.install import add

SIZE, OTHER = (64, 48), (40, 72)


def read(data: bytes, folder: Path) -> Any:
    (folder / "read.onnx").write_bytes(data)
    return core().read_model(str(folder / "read.onnx"))


def picture(height: int, width: int) -> Array:
    return np.random.default_rng(0).uniform(0, 255, (1, 3, height, width)).astype(np.float32)


def run(model: Any, content: Array) -> Array:
    return Compiled(model, "f32")([content])[0]


KINDS = [
    *({"doubling": doubling} for doubling in DOUBLINGS),
    {"doubling": "scales", "opset": 7},
    *({"norm": norm, "opset": 8} for norm in ("viewed", "flattened", "expanded", "pooled")),
    {"cropped": True},
    {"norm": "expanded", "doubling": "expanded", "opset": 8},
]


@pytest.mark.parametrize("facts", KINDS, ids=lambda facts: "-".join(map(str, facts.values())))
def test_what_exporters_wrote_of_their_size_is_a_factor(facts: dict[str, Any], tmp_path: Path) -> None:
    data = era_network(*SIZE, **facts)
    expected = run(read(data, tmp_path), picture(*SIZE))
    free = read(data, tmp_path)
    take_any_size(free, free.get_parameters()[0].get_friendly_name())
    assert np.abs(run(free, picture(*SIZE)) - expected).max() < 0.01
    elsewhere = read(era_network(*OTHER, **facts), tmp_path)
    assert np.abs(run(free, picture(*OTHER)) - run(elsewhere, picture(*OTHER))).max() < 0.01
    kinds = [node.get_type_name() for node in free.get_ordered_ops()]
    assert kinds.count("Interpolate") == 2, "a doubling is one operation, whatever it was"
    assert measure_statistics(free) == 12, "mean and variance of six normalisations"


@pytest.mark.parametrize("doubling", ["concatenated", "sizes"])
def test_such_a_file_is_added_and_paints_any_size_in_tiles(doubling: str, tmp_path: Path) -> None:
    file = tmp_path / "old.onnx"
    file.write_bytes(era_network(96, 96, doubling=doubling))
    model = add(file, range=255, order="RGB", store=Store(tmp_path / "models"))
    assert "fixed" not in model.rules
    assert (model.rules["multiple"], model.architecture["made_for"]) == (4, [[1, 3, 96, 96]])
    network = open_network(model, "f32")
    content = picture(160, 232) / np.float32(255)
    whole = network.forward(content, None)
    statistics = network.measure(content, None)
    margin = model.rules["margin"]
    assert 20 < margin < 100
    part = network.apply(content[..., : 64 + margin], None, statistics)
    assert np.abs(part[..., :64] - whole[..., :64]).max() < 1e-3


@pytest.fixture
def stubborn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("IMPASTO_HOME", str(tmp_path / "user"))
    file = tmp_path / "stubborn.onnx"
    file.write_bytes(era_network(*SIZE, stubborn=True))
    return file


def test_what_keeps_to_its_size_paints_at_it_and_says_so(stubborn: Path) -> None:
    said = CliRunner().invoke(cli, ["models", "add", str(stubborn), "--order", "rgb", "--range", "255"])
    assert said.exit_code == 0, said.stderr
    assert "it was exported for pictures of 48x64 only: every picture is scaled to this size" in said.stderr
    model = find("stubborn")
    assert model.rules["fixed"] == [64, 48]
    photo = np.random.default_rng(1).integers(0, 255, (100, 130, 3), np.uint8)
    stylizer = Stylizer()
    for settings in ({}, {"boldness": 1.0}, {"strength": 0.5}, {"resize": 60}, {"style_scale": 0.5}):
        result = stylizer.stylize(photo, "stubborn", **settings)
        longest = settings.get("resize", 130)
        assert max(result.pastiche.size) == longest
        assert result.model == "stubborn@1"
    exact = stylizer.stylize(photo[:64, :48], "stubborn", boldness=0, skin="free", deterministic=True).pastiche.pixels
    content = photo[None, :64, :48].transpose(0, 3, 1, 2) / np.float32(255)
    own = open_network(model, "f32").forward(content, None)[0].transpose(1, 2, 0).clip(0, 1)
    assert np.abs(exact - 255 * own).max() < 1
    # With another that takes any size it paints at its own; with one of another size there is none.
    assert stylizer.stylize(photo, {"stubborn": 1, "udnie": 1}).pastiche.size == (130, 100)
    stubborn.with_name("wide.onnx").write_bytes(era_network(*OTHER, stubborn=True))
    add(stubborn.with_name("wide.onnx"), order="RGB", range=255)
    stylizer.gallery.add(stylizer.card("wide", (), network="wide"))
    with pytest.raises(RequestError, match="stubborn@1 48x64 and wide@1 72x40, and cannot be mixed"):
        stylizer.stylize(photo, {"stubborn": 1, "wide": 1})


def test_one_that_is_misread_keeps_to_its_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is taken for a factor and is none is found by painting once more."""
    from impasto.inference.ir import baked_sizes
    from impasto.models.probing import probe

    monkeypatch.setattr(baked_sizes._Walk, "_doubled", lambda self, node, root, counts: node)
    monkeypatch.setattr(baked_sizes, "count_repeats", lambda dims, natural: [1, 1, 2, 2])
    file = tmp_path / "old.onnx"
    file.write_bytes(era_network(*SIZE))
    order = {"files": [str(file)], "beside": [], "said": None, "order": "RGB", "peak": 255, "index": None}
    assert probe.probe(order)["rules"]["fixed"] == [64, 48]
