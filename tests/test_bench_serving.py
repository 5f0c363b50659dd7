"""The figures of the server: real processes, and in place of Magenta's pair one of a single operation each."""

from __future__ import annotations

import io
import json
import sys
import time
from http.client import HTTPConnection
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from pictures import saved
from PIL import Image
from waiting import WAIT

from impasto import bench
from impasto.bench import Figure, server_figures
from impasto.bench.load_generator import Form, repeat, run_load
from impasto.bench.magenta_litert import SIDE
from impasto.bench.server_process import running_server
from impasto.bench.server_speed import TUTORIAL
from impasto.cli.main import cli
from impasto.errors import ImpastoError, MissingExtra

OURS = ("pictures over HTTP", "bare engine", "lone picture", "health, p99")


def tflite(operation: str, inputs: dict[str, Any], output: tuple[int, ...]) -> bytes:
    """A network of one operation: an input is a shape, or an array that is a constant of it."""
    schema = pytest.importorskip("ai_edge_litert.schema_py_generated", reason="LiteRT is not installed")
    flatbuffers = pytest.importorskip("flatbuffers")
    graph, buffers = schema.SubGraphT(), [schema.BufferT()]
    graph.tensors, graph.inputs, graph.outputs = [], [], [len(inputs)]
    for index, (name, given) in enumerate((inputs | {"out": output}).items()):
        tensor = schema.TensorT()
        tensor.name, tensor.shape, tensor.buffer = name.encode(), list(given), 0
        if isinstance(given, np.ndarray):
            constant = schema.BufferT()
            constant.data = list(given.tobytes())
            tensor.shape, tensor.type, tensor.buffer = list(given.shape), schema.TensorType.INT32, len(buffers)
            buffers.append(constant)
        elif name != "out":
            graph.inputs.append(index)
        graph.tensors.append(tensor)
    call, code, model = schema.OperatorT(), schema.OperatorCodeT(), schema.ModelT()
    call.inputs, call.outputs = list(range(len(inputs))), [len(inputs)]
    if operation == "MEAN":
        call.builtinOptionsType, call.builtinOptions = schema.BuiltinOptions.ReducerOptions, schema.ReducerOptionsT()
        call.builtinOptions.keepDims = True
    else:
        call.builtinOptionsType, call.builtinOptions = schema.BuiltinOptions.MulOptions, schema.MulOptionsT()
    code.builtinCode = code.deprecatedBuiltinCode = getattr(schema.BuiltinOperator, operation)
    graph.operators, model.version = [call], 3
    model.subgraphs, model.operatorCodes, model.buffers = [graph], [code], buffers
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The mean colour of the style, and the content times that."""
    folder = tmp_path_factory.mktemp("pair")
    mean = tflite("MEAN", {"style_image": (1, 256, 256, 3), "axes": np.array([1, 2], np.int32)}, (1, 1, 1, 3))
    times = tflite("MUL", {"content_image": (1, SIDE, SIDE, 3), "code": (1, 1, 1, 3)}, (1, SIDE, SIDE, 3))
    (folder / "small_prediction.tflite").write_bytes(mean)
    (folder / "small_transfer.tflite").write_bytes(times)
    return folder


def plain(*colour: int) -> bytes:
    return saved(Image.new("RGB", (80, 60), colour), "png")


def painted(address: str, form: Form) -> Image.Image:
    connection = HTTPConnection(address.removeprefix("http://"), timeout=WAIT)
    connection.request("POST", form.path, form.body, form.headers)
    answer = connection.getresponse()
    data = answer.read()
    connection.close()
    assert answer.status == 200, data
    return Image.open(io.BytesIO(data))


# the figures


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    # Not by its name: the package has a function of that name.
    monkeypatch.setattr(
        import_module("impasto.bench.server_speed"), "_PICTURE", 128
    )  # the package has a function of that name


@pytest.mark.slow
@pytest.mark.usefixtures("small")
def test_the_server_is_measured_against_the_engine_and_the_tutorial_server(pair: Path) -> None:
    figures = {f.name: f for f in server_figures(1, pair, seconds=0.2)}
    assert tuple(figures) == (*OURS, "by paintings", "by one painting", "by name", "tutorial server")
    assert all(f.value is not None and f.value > 0 for f in figures.values())
    http, bare, tutorial = figures["pictures over HTTP"], figures["bare engine"], figures["tutorial server"]
    assert bare.value is not None
    assert http.value is not None
    assert http.ratio == pytest.approx(http.value / bare.value)
    for name in ("by paintings", "by one painting", "by name"):
        ratio, value = figures[name].ratio, figures[name].value
        assert value is not None
        assert tutorial.value is not None
        assert ratio == pytest.approx(value / tutorial.value)
    assert bare.ratio is tutorial.ratio is None
    assert {f.unit for f in figures.values()} == {"ms", "/s"}


@pytest.mark.slow
@pytest.mark.usefixtures("small")
def test_without_the_pair_the_rest_is_measured_and_told_what_helps(tmp_path: Path) -> None:
    *figures, tutorial = server_figures(1, tmp_path, seconds=0.1)
    assert tuple(f.name for f in figures) == OURS
    assert tutorial.name == "tutorial server"
    assert tutorial.value is None
    assert "has no *prediction*.tflite" in tutorial.note


def test_what_is_missing_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(MissingExtra, match=r"pip install 'impasto\[serve\]'"):
        server_figures()


# servers


def test_the_tutorial_server_predicts_and_transfers(pair: Path) -> None:
    with running_server(str(TUTORIAL), str(pair), ready="/openapi.json") as address:
        picture = painted(address, Form("/", content=plain(200, 100, 50), style=plain(255, 128, 0)))
        assert (picture.format, picture.size) == ("JPEG", (SIDE, SIDE))
        assert np.abs(np.asarray(picture, int) - (200, 50, 0)).max() <= 3
        with pytest.raises(ImpastoError, match="answered 500"):
            run_load(address, [Form("/", content=b"no picture", style=plain(0, 0, 0))], 0.1)


def test_the_tutorial_server_runs_magentas_pair(shared: Path) -> None:
    pytest.importorskip("ai_edge_litert", reason="LiteRT is not installed")
    random = np.random.default_rng(0)
    photo = saved(Image.fromarray(random.integers(0, 256, (60, 80, 3), np.uint8)), "jpeg")
    with running_server(str(TUTORIAL), str(shared / "peers" / "magenta"), ready="/openapi.json") as address:
        picture = painted(address, Form("/", content=photo, style=plain(20, 60, 200)))
    assert picture.size == (SIDE, SIDE)
    assert np.ptp(np.asarray(picture)) > 30


def test_a_server_that_ends_at_once_is_told_with_what_it_said(tmp_path: Path) -> None:
    pytest.importorskip("ai_edge_litert", reason="LiteRT is not installed")
    with (
        pytest.raises(ImpastoError, match=r"exited during startup.*has no \*prediction\*.tflite"),
        running_server(str(TUTORIAL), str(tmp_path), ready="/"),
    ):
        pytest.fail("it cannot run")


# load


def test_clients_and_probes_are_counted(pair: Path) -> None:
    with running_server(str(TUTORIAL), str(pair), ready="/openapi.json") as address:
        form = Form("/", content=plain(1, 2, 3), style=plain(3, 2, 1))
        load = run_load(address, [form] * 3, 0.2, probe="/openapi.json")
        idle = run_load(address, [], 0.2, probe="/openapi.json")
    assert len(load.answers) >= 3
    assert load.probes
    assert load.rate == pytest.approx(len(load.answers) / load.seconds)
    assert load.seconds >= 0.2
    assert not idle.answers
    assert 1 <= len(idle.probes) <= 10


def test_a_call_is_repeated_once_at_least() -> None:
    calls: list[float] = []
    load = repeat(lambda: calls.append(time.perf_counter()), 0)
    assert len(load.answers) == len(calls) == 1
    assert load.rate > 0


def test_a_form_holds_texts_and_files() -> None:
    form = Form("/paint", content=b"\xff\xd8", style="starry-night")
    boundary = form.headers["Content-Type"].partition("boundary=")[2].encode()
    first, second, end = form.body.split(b"--" + boundary)[1:]
    assert first.endswith(b'name="content"; filename="content.jpg"\r\nContent-Type: image/jpeg\r\n\r\n\xff\xd8\r\n')
    assert second == b'\r\nContent-Disposition: form-data; name="style"\r\n\r\nstarry-night\r\n'
    assert end == b"--\r\n"


# impasto bench serve


def impasto(*arguments: str) -> Result:
    return CliRunner().invoke(cli, arguments)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What the measurement is called with; it is none."""
    asked: list[dict[str, Any]] = []

    def measure(**given: Any) -> list[Figure]:
        asked.append(given)
        return [
            Figure("pictures over HTTP", 41.5, "/s", 0.93, "bare engine", "8 clients"),
            Figure("tutorial server", None, "/s", note="--magenta FOLDER"),
        ]

    monkeypatch.setattr(bench, "server_figures", measure)
    return asked


def test_figures_are_drawn(asked: list[dict[str, Any]], tmp_path: Path) -> None:
    text = impasto("bench", "serve", "--rounds", "3", "--magenta", str(tmp_path)).stdout
    assert all(part in text for part in ("pictures over HTTP", "41.5 /s", "0.93 of bare engine", "--magenta FOLDER"))
    assert all(len(line) <= 80 for line in text.splitlines())
    assert asked == [{"magenta": tmp_path, "rounds": 3}]


def test_figures_are_given_as_json(asked: list[dict[str, Any]]) -> None:
    first, second = json.loads(impasto("bench", "serve", "--json").stdout)
    assert first["value"] == 41.5
    assert first["ratio"] == 0.93
    assert second["value"] is None
    assert asked == [{"magenta": None}]


def test_an_option_before_the_command_is_wrong_usage(asked: list[dict[str, Any]]) -> None:
    result = impasto("bench", "--rounds", "3", "serve")
    assert result.exit_code == 2
    assert "impasto bench serve --rounds" in result.stderr
    assert not asked


def test_help_names_the_server() -> None:
    assert "impasto bench serve" in impasto("bench", "--help").stdout
    assert "impasto[serve]" in impasto("bench", "--help").stdout
    assert all(name in impasto("bench", "serve", "--help").stdout for name in ("--magenta", "--rounds", "--json"))
