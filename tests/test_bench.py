from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from torch7_files import Nets, checkpoint, t7

from impasto.bench import Figure, run
from impasto.bench.magenta_litert import SIDE, magenta_transfer
from impasto.bench.measurement import alternate
from impasto.bench.per_style_networks import johnson_network, per_style_figures
from impasto.errors import ModelError
from impasto.inference.openvino_core import core


@pytest.mark.slow
def test_figures_are_measured_and_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("impasto.bench.engine_speed._PICTURE", 128)
    figures = {f.name: f for f in run(rounds=1, magenta=tmp_path)}
    assert set(figures) == {
        "network",
        "Johnson network",
        "Magenta int8 pair",
        "picture in, picture out",
        "pocket",
        "impasto --help",
        "command to first picture",
    }
    network, johnson = figures["network"], figures["Johnson network"]
    assert network.value is not None
    assert johnson.value is not None
    assert network.ratio == pytest.approx(network.value / johnson.value)
    missing = figures["Magenta int8 pair"]
    assert missing.value is None
    assert missing.note


def test_a_network_of_one_style_beside_opencv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("impasto.bench.per_style_networks._SIZE", (96, 128))
    file = tmp_path / "network.t7"
    file.write_bytes(t7(checkpoint(Nets().build())))
    figures = {figure.name: figure for figure in per_style_figures(file, 1)}
    converted, opencv = figures["network of one style, converted"], figures["OpenCV DNN"]
    assert converted.value is not None
    assert opencv.value is not None
    assert converted.ratio == pytest.approx(converted.value / opencv.value)
    file.write_bytes(b"no network")
    with pytest.raises(ModelError, match=r"network\.t7: the file is of no format that is known"):
        per_style_figures(file, 1)


def test_runs_take_turns_and_warm_up() -> None:
    order: list[str] = []
    found = alternate({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, rounds=2)
    assert order == ["a", "b"] * 4
    assert set(found) == {"a", "b"}


def test_the_johnson_network_has_the_published_size() -> None:
    network = johnson_network()
    out = core().compile_model(network, "CPU").create_infer_request().infer([np.zeros((1, 3, 64, 96), np.float32)])[0]
    assert out.shape == (1, 3, 64, 96)
    kernels = [op.input_value(1).get_shape() for op in network.get_ops() if op.get_type_name() == "Convolution"]
    assert len(kernels) == 16
    assert sum(np.prod(shape) for shape in kernels) == 1_674_432


def test_magentas_network_runs(shared: Path) -> None:
    pytest.importorskip("ai_edge_litert", reason="LiteRT is not installed")
    painted = magenta_transfer(shared / "peers" / "magenta")()
    assert np.asarray(painted).shape == (1, SIDE, SIDE, 3)
    assert Figure("x", 1.0).ratio is None
