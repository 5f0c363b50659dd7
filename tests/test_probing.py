"""How graphs take and give pictures, and how far their pixels look: found by trial, where the habits are known."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from foreign_graphs import one_style
from test_parity import state
from torch7_files import Nets, checkpoint, t7
from transformer_nets import Blocks, Example

from impasto.errors import ModelError
from impasto.inference.graph import Compiled
from impasto.inference.ir.adapting import adapt
from impasto.inference.ir.compose import compose
from impasto.inference.ir.network import BGR_MEAN, Network, Preprocessing
from impasto.inference.openvino import op, ov
from impasto.inference.openvino_core import core
from impasto.inference.tileable_graph import TileableGraph
from impasto.models.formats.onnx_metadata import read_onnx_metadata
from impasto.models.formats.protobuf import Message
from impasto.models.network_files import read_network
from impasto.models.probing.graph_constants import GraphConstants, read_graph_constants
from impasto.models.probing.preprocessing import recognise_preprocessing
from impasto.models.probing.probe import probe
from impasto.models.probing.receptive_field import Sizes, find_sizes
from impasto.picture import Picture
from impasto.stylizer import SAMPLE

Array = np.ndarray[Any, np.dtype[np.float32]]
RAW = Preprocessing("RGB", 1, gain=(1.0, 1.0, 1.0), offset=(0.0, 0.0, 0.0))
PHOTO: Array = np.ascontiguousarray(
    Picture.of(SAMPLE).resized((256, 256)).pixels.transpose(2, 0, 1)[None], np.float32
) / np.float32(255)


def read(data: bytes) -> ov.Model:
    return core().read_model(data, b"")


def found_in(data: bytes, **known: Any) -> tuple[Any, Array]:
    """What was found, and the pastiche that this gives."""
    raw = Compiled(adapt(read(data), RAW), "f32")
    found = recognise_preprocessing(lambda x: raw([x])[0], PHOTO, read_graph_constants(read(data)), **known)
    return found, Compiled(adapt(read(data), found.preprocessing), "f32")([PHOTO])[0].clip(0, 1)


@pytest.fixture(scope="module")
def expected() -> Array:
    """What ``instant`` itself makes of the photograph in that style."""
    made: Array = Compiled(adapt(read(one_style("the-wave")), RAW), "f32")([PHOTO])[0].clip(0, 1)
    return made


@pytest.mark.parametrize("order", ["RGB", "BGR"])
@pytest.mark.parametrize(
    ("taken", "given", "plain"),
    [
        ("1", "1", False),
        ("255", "255", False),
        ("255", "255", True),
        ("mean", "255", False),
        ("1", "-1", False),
        ("mean", "caffe", False),
        ("255", "1", True),
    ],
)
def test_every_habit_is_found(order: str, taken: str, given: str, plain: bool, expected: Array) -> None:
    found, made = found_in(one_style("the-wave", order=order, taken=taken, given=given, plain=plain))
    assert found.preprocessing.order == order
    assert found.order == ("constants" if taken == "mean" or given == "caffe" else "trial")
    assert np.abs(made - expected).mean() < 0.5 / 255


@pytest.mark.parametrize("order", ["RGB", "BGR"])
def test_a_bright_warm_style_is_no_exception(order: str) -> None:
    expected = Compiled(adapt(read(one_style("senecio")), RAW), "f32")([PHOTO])[0].clip(0, 1)
    for taken, given in (("1", "caffe"), ("255", "255")):
        data = one_style("senecio", order=order, taken=taken, given=given)
        raw = Compiled(adapt(read(data), RAW), "f32")
        found = recognise_preprocessing(lambda x: raw([x])[0], PHOTO, GraphConstants())  # noqa: B023
        assert (found.preprocessing.order, found.order) == (order, "trial")
        made = Compiled(adapt(read(data), found.preprocessing), "f32")([PHOTO])[0].clip(0, 1)
        assert np.abs(made - expected).mean() < 0.5 / 255


def test_what_is_known_goes_before_the_trial(expected: Array) -> None:
    data = one_style("the-wave", order="BGR")
    found, made = found_in(data, said="BGR")
    assert (found.order, found.preprocessing.order) == ("file", "BGR")
    assert np.abs(made - expected).mean() < 0.5 / 255
    found, made = found_in(data, order="RGB", said="BGR")
    assert (found.order, found.preprocessing.order) == ("given", "RGB")
    assert np.abs(made - expected).mean() > 2 / 255
    found, made = found_in(data, peak=255)
    assert (found.range, found.preprocessing.range) == ("given", 255)
    assert np.abs(made - expected).mean() < 0.5 / 255, "it normalises what it takes"


def test_a_range_that_matters_is_found_by_what_comes_out() -> None:
    """A network that clips: of 0..1 as well as of 0..255, and of both without a word in the graph."""
    for peak in (1, 255):

        def run(x: Array, peak: int = peak) -> Array:
            tone: Array = np.tanh(3 * (x / np.float32(peak) - 0.5)).mean(1, keepdims=True)
            return np.asarray(np.repeat(127.5 + 120 * tone, 3, 1) + 0.01 * x / np.float32(peak), np.float32)

        found = recognise_preprocessing(run, PHOTO, GraphConstants())
        assert (found.preprocessing.range, found.range) == (peak, "trial")
        assert (found.preprocessing.order, found.order) == ("RGB", "assumed"), "it uses all channels alike"


@pytest.mark.parametrize(
    ("run", "match"),
    [
        (lambda x: x[:, :1], "is not a picture: it has shape"),
        (lambda x: x * np.float32("nan"), "NaN or infinity"),
        (lambda x: x * 0 + 7, "its values go from 7 to 7"),
        (lambda x: x * 1e6, "is not a picture: its values go"),
    ],
)
def test_what_gives_no_picture_is_refused(run: Any, match: str) -> None:
    with pytest.raises(ModelError, match=match):
        recognise_preprocessing(run, PHOTO, GraphConstants(range=1))


def test_constants_of_a_graph_tell_the_order_and_the_range() -> None:
    mean = np.array(BGR_MEAN, np.float32).reshape(1, 3, 1, 1)
    photo = op.parameter([1, 3, 8, 8], np.float32, name="photo")

    def told(x: Any, after: Any = None) -> GraphConstants:
        body = op.relu(x)
        return read_graph_constants(ov.Model([after(body) if after else body], [photo], "told"))

    assert told(op.subtract(photo, mean)) == GraphConstants("BGR", 255)
    assert told(op.subtract(photo, mean[:, ::-1].copy())) == GraphConstants("RGB", 255)
    assert told(op.subtract(op.multiply(photo, np.float32(255)), mean)) == GraphConstants("BGR", 1)
    assert told(op.divide(photo, np.float32(255))) == GraphConstants(None, 255)
    assert told(op.subtract(op.multiply(photo, np.float32(2)), np.float32(1))) == GraphConstants(None, 1)
    assert told(op.subtract(op.divide(photo, np.float32(127.5)), np.float32(1))) == GraphConstants(None, 255)
    assert told(photo, lambda y: op.add(op.multiply(y, np.float32(150)), mean)) == GraphConstants("BGR", None)
    assert told(op.multiply(photo, np.float32(3))) == GraphConstants()
    assert told(op.divide(np.float32(3), photo)) == GraphConstants()


def graph(stride: int, kernel: int, *, normalised: bool = True) -> ov.Model:
    """Down by ``stride``, a convolution, and back up."""
    random = np.random.default_rng(0)
    picture = op.parameter([-1, 3, -1, -1], np.float32, name="content")

    def weights(outputs: int, inputs: int) -> Array:
        return random.normal(0, 0.3, (outputs, inputs, kernel, kernel)).astype(np.float32)

    pad = [kernel // 2] * 2
    x: Any = op.convolution(picture, weights(8, 3), [stride] * 2, pad, pad, [1, 1])
    if normalised:
        x = op.mvn(x, np.array([2, 3]), True, 1e-5, "INSIDE_SQRT")
    x = op.convolution(op.relu(x), weights(8, 8), [1, 1], pad, pad, [1, 1])
    factors = np.array([stride, stride], np.float32)
    x = op.interpolate(x, factors, "nearest", "scales", axes=np.array([2, 3]))
    return ov.Model([op.convolution(x, weights(3, 8), [1, 1], pad, pad, [1, 1])], [picture], "graph")


@pytest.mark.parametrize(
    ("stride", "kernel", "sizes"),
    # The last convolution looks half a kernel far, those before it as far for every stride.
    [(1, 3, Sizes(1, 3, 1)), (2, 3, Sizes(2, 6, 2)), (4, 5, Sizes(4, 16, 4)), (1, 9, Sizes(1, 12, 1))],
)
def test_sizes_are_found_by_trial(stride: int, kernel: int, sizes: Sizes) -> None:
    for normalised in (True, False):
        found = find_sizes(TileableGraph(lambda n=normalised: graph(stride, kernel, normalised=n), "f32"))  # type: ignore[misc]
        assert found.multiple == sizes.multiple
        assert sizes.margin - 2 * stride <= found.margin <= sizes.margin + stride
        assert found.smallest == sizes.smallest


@pytest.mark.parametrize(
    "make",
    [
        lambda: read_network(state(Example(4, 5))),
        lambda: read_network(state(Blocks(4, 1))),
        lambda: read_network(t7(checkpoint(Nets(padding="zero", up="U", width=4).build()))),
    ],
    ids=["example", "blocks", "torch7"],
)
def test_a_trial_finds_what_layers_say(make: Callable[[], Network]) -> None:
    network = make()
    exact = Sizes(network.multiple, network.margin, network.smallest)
    assert find_sizes(TileableGraph(lambda: compose(network), "f32")) == exact


def test_a_graph_of_another_size_than_it_took_is_refused() -> None:
    picture = op.parameter([-1, 3, -1, -1], np.float32, name="content")
    halved = op.avg_pool(picture, [2, 2], [0, 0], [0, 0], [2, 2], False)
    with pytest.raises(ModelError, match="never has the size of its input"):
        find_sizes(TileableGraph(lambda: ov.Model([halved.output(0)], [picture], "halved"), "f32"))


def asked(*files: Path, beside: tuple[Path, ...] = ()) -> dict[str, Any]:
    return probe(
        {
            "files": [str(file) for file in files],
            "beside": [str(file) for file in beside],
            "said": None,
            "order": None,
            "peak": None,
            "index": None,
        }
    )


def test_public_networks_are_recognised(shared: Path) -> None:
    folder = shared / "peers" / "fast_neural_style"
    for file in sorted(folder.glob("*.onnx"))[:2]:
        rules = asked(file)["rules"]
        assert (rules["multiple"], rules["smallest"], rules["margin"]) == (4, 44, 56)
        data = file.read_bytes()
        assert read_onnx_metadata(data).order == "BGR"
        assert read_onnx_metadata(data).licence == "Free for personal or research use"
        raw = Compiled(adapt(read(data), RAW), "f32")
        unheard = recognise_preprocessing(lambda x: raw([x])[0], PHOTO, GraphConstants())  # noqa: B023
        assert (unheard.preprocessing.order, unheard.preprocessing.range) == ("BGR", 255)
        assert (unheard.order, unheard.range) == ("trial", "trial")


def test_a_pair_is_recognised_in_either_order_and_by_one_half(shared: Path) -> None:
    predict, transfer = (
        shared / "peers" / "magenta" / f"magenta_int8_{name}.tflite" for name in ("prediction", "transfer")
    )
    found = asked(transfer, predict)
    assert found["roles"] == {"predict": predict.name, "transfer": transfer.name}
    rules = found["rules"]
    assert (rules["form"], rules["code"], rules["style_side"], rules["multiple"]) == ("pair", 100, 256, 4)
    assert asked(predict, beside=(transfer, predict))["roles"] == found["roles"]
    with pytest.raises(ModelError, match=r"half of a pair: it reads .* no file beside it fits: give the one that repa"):
        asked(predict)
    with pytest.raises(ModelError, match="together they do not make a model"):
        asked(predict, predict)
    other = shared / "peers" / "fast_neural_style" / "candy.onnx"
    with pytest.raises(
        ModelError, match=r"candy\.onnx repaints pictures in one style: together they do not make a model"
    ):
        asked(predict, other)


def test_a_message_is_read_within_bounds() -> None:
    message = Message(memoryview(b"\x08\x96\x01\x12\x03abc\x1a\x02\x08\x05\x15\x00\x00\x00\x00\x19" + bytes(8)))
    assert (message.number(1), message.text(2), message.number(9), message.text(9)) == (150, "abc", 0, "")
    assert [inner.number(1) for inner in message.messages(3)] == [5]
    for data in (b"\x08", b"\x12\x05a", b"\x0b", b"\x19\x00", b"\x08" + b"\xff" * 11):
        with pytest.raises(ModelError):
            Message(memoryview(data))
