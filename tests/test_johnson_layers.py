"""Networks from Torch7's files: the same pictures as OpenCV makes of them, and sentences about those that are none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from skimage import data
from torch7_files import Nets, Object, Tensor, checkpoint, t7, tensor

from impasto.errors import ModelError
from impasto.inference.ir.compose import compose, merge_upsampling
from impasto.inference.ir.layers import (
    Affine,
    Convolution,
    InstanceNorm,
    Pad,
    Relu,
    Residual,
    Scale,
    TransposedConvolution,
    Upsample,
)
from impasto.inference.ir.network import BGR_MEAN, Network, Preprocessing
from impasto.inference.openvino_core import core
from impasto.models.network_files import read_network

PHOTO = data.astronaut()[:256, :320]


def painted(network: Network, photo: np.ndarray[Any, Any] = PHOTO) -> np.ndarray[Any, Any]:
    """(3, H, W), RGB in 0..1."""
    model = core().compile_model(compose(network), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    content = (photo.transpose(2, 0, 1)[None] / 255).astype(np.float32)
    found: np.ndarray[Any, Any] = model({"content": content})["pastiche"][0]
    return found


def opencv(file: Path, photo: np.ndarray[Any, Any] = PHOTO) -> np.ndarray[Any, Any]:
    """As OpenCV's tutorials run such a file."""
    import cv2

    net = cv2.dnn.readNetFromTorch(str(file))
    mean = (103.939, 116.779, 123.68)
    size = (photo.shape[1], photo.shape[0])
    net.setInput(cv2.dnn.blobFromImage(photo[..., ::-1].copy(), 1.0, size, mean, swapRB=False, crop=False))
    found: np.ndarray[Any, Any] = np.asarray(net.forward())[0][::-1] + np.reshape(mean[::-1], (3, 1, 1))
    return found / 255


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"padding": "reflect", "norm": "batch", "up": "U"},
        {"padding": "zero", "norm": "batch"},
        {"padding": "zero", "up": "U"},
        {"padding": "reflect-start"},
        {"padding": "reflect-start", "norm": "batch"},
    ],
    ids=lambda options: "-".join(options.values()) or "reflect-instance",
)
def test_they_paint_as_in_opencv(options: Any, tmp_path: Path) -> None:
    file = tmp_path / "network.t7"
    file.write_bytes(t7(checkpoint(Nets(**options).build())))
    ours, theirs = painted(read_network(file)), opencv(file)
    assert ours.std() > 0.1
    assert ours.shape == theirs.shape
    assert np.abs(ours - theirs).mean() < 0.1 / 255
    assert np.abs(ours - theirs).max() < 1 / 255


def test_a_network_without_padding_gets_what_it_takes_away(tmp_path: Path) -> None:
    file = tmp_path / "network.t7"
    file.write_bytes(t7(checkpoint(Nets("none", "batch").build())))
    network = read_network(file)
    first = network.layers[0]
    assert isinstance(first, Pad)
    assert (first.mode, first.sides) == ("reflect", (16, 16, 16, 16))
    ours, theirs = painted(network), opencv(file)
    assert ours.shape == (3, 256, 320)
    assert theirs.shape == (3, 224, 288)
    # Further in than borders reach both are the same.
    inner = slice(network.margin, -network.margin)
    assert np.abs(ours[:, 16:-16, 16:-16] - theirs)[:, inner, inner].max() < 1 / 255


@pytest.mark.parametrize("form", [{"long": 4}, {"binary": False}])
def test_every_form_of_the_file_is_the_same_network(form: Any) -> None:
    model = checkpoint(Nets(width=4, blocks=1).build())
    assert np.abs(painted(read_network(t7(model))) - painted(read_network(t7(model, **form)))).max() < 1e-6


def test_other_spellings_of_the_same_network() -> None:
    reference = painted(read_network(t7(checkpoint(Nets(width=4, blocks=1, norm="batch").build()))))
    for change in ({"flat": True}, {"space": "cudnn"}, {"old": True}, {"type": "Cuda"}, {"type": "Double"}):
        nets = Nets(width=4, blocks=1, norm="batch")
        for name, value in change.items():
            setattr(nets, name, value)
        assert np.abs(painted(read_network(t7(checkpoint(nets.build())))) - reference).max() < 1e-4, change
    bare = read_network(t7(Nets(width=4, blocks=1, norm="batch").build()))
    assert np.abs(painted(bare) - reference).max() < 1e-6, "without options the preprocessing is VGG's"
    half = Nets(width=4, blocks=1, norm="batch")
    half.type = "CudaHalf"
    assert np.abs(painted(read_network(t7(checkpoint(half.build())))) - reference).mean() < 0.02


def test_preprocessing_is_the_options() -> None:
    model = Nets(width=4, blocks=1).build()
    assert read_network(t7(checkpoint(model))).preprocessing == Preprocessing("BGR", 255, BGR_MEAN)
    assert read_network(t7(checkpoint(model, None))).preprocessing.order == "BGR"
    resnet = read_network(t7(checkpoint(model, "resnet"))).preprocessing
    assert (resnet.order, resnet.range, resnet.mean[0], resnet.deviation[0]) == ("RGB", 1, 0.485, 0.229)
    with pytest.raises(ModelError, match="preprocessing 'caffe'"):
        read_network(t7(checkpoint(model, "caffe")))


@pytest.mark.parametrize(
    "preprocessing",
    [Preprocessing(), Preprocessing("BGR", 255, BGR_MEAN), Preprocessing("RGB", 1, (0.4, 0.5, 0.6), (0.2, 0.3, 0.4))],
)
def test_preprocessing_comes_back_out(preprocessing: Preprocessing) -> None:
    ones = np.ones(3, np.float32)
    network = Network((Affine(ones, 0 * ones),), preprocessing)
    content = PHOTO.transpose(2, 0, 1) / 255
    assert np.abs(painted(network) - content).max() < 1e-5
    blue = replace(preprocessing, gain=(1.0, 1.0, 1.0), offset=(0.0, 0.0, 0.0))
    inside = (content[::-1] if preprocessing.order == "BGR" else content) * preprocessing.range
    inside = (inside - np.reshape(preprocessing.mean, (3, 1, 1))) / np.reshape(preprocessing.deviation, (3, 1, 1))
    inside = inside[::-1] if preprocessing.order == "BGR" else inside
    assert np.abs(painted(Network(network.layers, blue)) - inside).max() < 1e-3


def test_shortcuts_may_crop_by_negative_padding() -> None:
    nets = Nets("reflect-start", "batch", width=4, blocks=1)
    reference = painted(read_network(t7(checkpoint(nets.build()))))
    model = Nets("reflect-start", "batch", width=4, blocks=1).build()
    for module in model.fields["modules"]:
        if module.name == "nn.Sequential":
            branches = module.fields["modules"][0].fields["modules"]
            branches[1] = Object("nn.SpatialZeroPadding", {f"pad_{side}": -2 for side in "lrtb"})
            branches.reverse()
    network = read_network(t7(checkpoint(model)))
    assert [layer.crop for layer in network.layers if isinstance(layer, Residual)] == [2]
    assert np.abs(painted(network) - reference).max() < 1e-6


@pytest.mark.parametrize("options", [{}, {"padding": "zero", "up": "U"}, {"padding": "reflect-start"}])
def test_a_pixel_looks_no_further_than_the_margin(options: Any) -> None:
    network = read_network(t7(checkpoint(Nets(norm="batch", width=4, **options).build())))
    assert network.multiple == 4
    assert network.margin % 4 == 0
    photo = np.full((192, 192, 3), 128, np.uint8)
    other = photo.copy()
    far = 0
    for at in range(96, 100):
        other[:] = photo
        other[at, at] = 255
        changed = np.argwhere(np.abs(painted(network, other) - painted(network, photo)).max(axis=0) > 1e-7)
        far = max(far, int(np.abs(changed - at).max()))
    assert network.margin - 4 < far <= network.margin


@pytest.mark.parametrize("options", [{}, {"padding": "reflect-start"}, {"padding": "zero"}, {"padding": "replicate"}])
def test_the_smallest_picture_is_painted_and_every_multiple(options: Any) -> None:
    network = read_network(t7(checkpoint(Nets(width=4, **options).build())))
    for height, width in ((network.smallest, network.smallest + 4), (network.smallest + 20, network.smallest + 8)):
        photo = PHOTO[:height, :width]
        assert painted(network, photo).shape == (3, height, width)
        assert network.extent(height) == height


@pytest.mark.parametrize("mode", ["reflect", "edge", "zero", "within"])
def test_doubling_and_convolving_are_one_step_of_the_same_numbers(mode: Any) -> None:
    random = np.random.default_rng(4)
    weight, bias = random.normal(0, 0.2, (3, 3, 3, 3)).astype(np.float32), random.random(3).astype(np.float32)
    border = [] if mode == "within" else [Pad(mode, (1, 1, 1, 1))]
    doubling = (Upsample(2), *border, Convolution(weight, bias, 1, int(not border)))
    found = [type(layer) for layer in merge_upsampling((*doubling, Relu()))]
    assert found == [*([Pad] if mode in ("reflect", "edge") else []), TransposedConvolution, Relu]
    halving = Convolution(random.normal(0, 0.2, (3, 3, 3, 3)).astype(np.float32), bias, 2, 1)
    # One after the other with something between that keeps them apart, and changes nothing.
    apart = (doubling[0], Scale(1.0), *doubling[1:])
    assert Upsample in [type(layer) for layer in merge_upsampling(apart)]
    one, other = (painted(Network((halving, *layers), Preprocessing())) for layers in (doubling, apart))
    assert one.std() > 0.01
    assert np.abs(one - other).max() < 1e-5


def test_what_is_not_doubled_stays() -> None:
    same = Convolution(np.ones((3, 3, 3, 3), np.float32), np.zeros(3, np.float32), 1, 1)
    layers = (Upsample(3), same, Upsample(2), Relu(), Upsample(2))
    assert tuple(merge_upsampling(layers)) == layers


def test_four_places_at_a_time_are_the_same_numbers() -> None:
    network = read_network(t7(checkpoint(Nets().build())))
    made = compose(network)
    assert [node.get_type_name() for node in made.get_ordered_ops()].count("DepthToSpace") == 1
    # Where a border makes the rows odd before it is cut off again, it stays as it is.
    *before, last = network.layers[:-2]
    assert isinstance(last, Convolution)
    wider = Network((*before, Pad("zero", (1, 0, 1, 0)), last, Pad("zero", (-1, 0, -1, 0)), *network.layers[-2:]),
                    network.preprocessing)  # fmt: skip
    odd = compose(wider)
    assert "DepthToSpace" not in [node.get_type_name() for node in odd.get_ordered_ops()]
    # But for the frame, that zeros come into.
    ours, plain = (painted(one)[:, 8:-8, 8:-8] for one in (network, wider))
    assert np.abs(ours - plain).max() < 1e-4


def test_normalisation_is_one_operation_each() -> None:
    network = read_network(t7(checkpoint(Nets().build())))
    operations = [node.get_type_name() for node in compose(network).get_ops()]
    assert network.normalises
    assert operations.count("MVN") == sum(isinstance(layer, InstanceNorm) for layer in network.layers) + 4
    assert not read_network(t7(checkpoint(Nets(norm="batch").build()))).normalises


def module(name: str, **fields: Any) -> Object:
    return Object(name, fields)


def convolution(**changes: Any) -> Object:
    fields = {"nInputPlane": 3, "nOutputPlane": 3, "kW": 3, "kH": 3, "dW": 1, "dH": 1, "padW": 1, "padH": 1}
    weights = {"weight": tensor(np.ones((3, 3, 3, 3))), "bias": tensor(np.zeros(3))}
    return Object("nn.SpatialConvolution", {**fields, **weights, **changes})


def sequence(*modules: Object) -> Object:
    return Object("nn.Sequential", {"modules": list(modules)})


@pytest.mark.parametrize(
    ("root", "match"),
    [
        (1.0, "holds a float, and no network"),
        ({"weights": 1.0}, "a table of weights, and no model"),
        (tensor(np.ones(3)), "holds a Strided"),
        (module("nn.gModule"), "nn.gModule, a graph of its own"),
        (sequence(convolution(), module("nn.gModule")), "nn.gModule"),
        (sequence(module("nn.LeakyReLU")), "a module 'nn.LeakyReLU', which is none of Johnson's"),
        (sequence(module("evil.SpatialConvolution")), "'evil.SpatialConvolution'"),
        (sequence(module("nn.ConcatTable", modules=[])), "without an nn.CAddTable"),
        (sequence(module("nn.ConcatTable", modules=[]), module("nn.CAddTable")), "0 branches"),
        (
            sequence(module("nn.ConcatTable", modules=[convolution(), convolution()]), module("nn.CAddTable")),
            "both branches",
        ),
        (sequence(convolution(kW=5)), r"weight of nn.SpatialConvolution is \(3, 3, 3, 3\)"),
        (sequence(convolution(kW=-3, kH=-3)), "its module says"),
        (sequence(convolution(nInputPlane=4, weight=tensor(np.ones((3, 4, 3, 3))))), "layer 1: .* takes 4 channels"),
        (sequence(convolution(dW=2)), "dW 2 and dH 1"),
        (sequence(convolution(dW=2, dH=2)), "makes 1 rows of 2"),
        (sequence(convolution(dW=0, dH=0)), "stride of a convolution is a whole number from 1"),
        (sequence(convolution(dW="2")), "has no number dW"),
        (sequence(convolution(dW=1.5, dH=1.5)), "no whole number"),
        (sequence(convolution(groups=3)), "3 groups"),
        (sequence(convolution(weight=1.0)), "has no weight"),
        (sequence(convolution(weight=tensor(np.full((3, 3, 3, 3), np.nan)))), "NaN or infinity"),
        (sequence(convolution(weight=Tensor("Float", np.ones(2), (3, 3, 3, 3), (0, 0, 0, 0)))), "repeats 2 numbers"),
        (sequence(module("nn.SpatialUpSamplingNearest", scale_factor=1000)), "factor of upsampling"),
        (sequence(*[module("nn.SpatialUpSamplingNearest", scale_factor=8)] * 8), "too many"),
        (sequence(module("nn.ReLU", threshold=1.0)), "threshold"),
        (sequence(module("nn.MulConstant", constant_scalar=float("nan"))), "factor is a number"),
        (sequence(), "1 to 512 layers, not 0"),
        (sequence(*[module("nn.Tanh")] * 600), "not 600"),
    ],
)
def test_what_is_no_network_of_the_kind_is_refused(root: Any, match: str) -> None:
    with pytest.raises(ModelError, match=match):
        read_network(t7(root))


def test_modules_within_modules_without_end_are_refused() -> None:
    loop = sequence()
    loop.fields["modules"].append(loop)
    with pytest.raises(ModelError, match="contains itself"):
        read_network(t7(loop))
    many = sequence(module("nn.Identity"))
    for _ in range(20):
        many = sequence(*[many] * 10)
    with pytest.raises(ModelError, match="contains itself"):
        read_network(t7(many))


@pytest.mark.parametrize(
    ("start", "match"),
    [
        (b"TFL3", "no format that is known"),
        (b"\x1c\0\0\0TFL3", "TensorFlow Lite"),
        (b"\x08\x07\x12\x07pytorch", "ONNX"),
        (b"\x80\x04\x95", "a pickle, which might run"),
        (b"\x89HDF\r\n\x1a\n", "Keras"),
        (b"", "no format that is known"),
    ],
)
def test_other_formats_are_named(start: bytes, match: str, tmp_path: Path) -> None:
    file = tmp_path / "style.t7"
    file.write_bytes(start)
    with pytest.raises(ModelError, match=match) as caught:
        read_network(file)
    assert str(caught.value).startswith("style.t7: ")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"none\.t7 cannot be read: No such file"):
        read_network(tmp_path / "none.t7")


def test_an_nngraph_of_others_is_refused(shared: Path) -> None:
    file = shared / "peers/t7/gmodule_with_linear_identity.t7"
    if not file.is_file():
        pytest.skip("there are no Torch7 files beside the project")
    with pytest.raises(ModelError, match=r"gModule, a graph of its own"):
        read_network(file)


def test_layers_that_do_not_fit_are_named() -> None:
    def conv(inputs: int, outputs: int, **options: int) -> Convolution:
        return Convolution(
            np.ones((outputs, inputs, 3, 3), np.float32), np.zeros(outputs, np.float32), padding=1, **options
        )

    for layers, match in (
        ((conv(3, 3, stride=2),), "makes 1 rows of 2"),
        ((conv(3, 4),), "gives 4 channels"),
        ((conv(3, 3), Relu(), conv(4, 3)), "layer 3: .* takes 4 channels, and is given 3"),
        ((Residual((conv(3, 4),)),), "layer 1: a residual block takes 3 channels and gives 4"),
        ((Residual((conv(3, 3),), crop=2),), "a residual block makes"),
        ((Residual((Upsample(2),)),), "another size than it takes"),
        ((Pad("reflect", (500, 500, 0, 0)), Pad("zero", (-500, -500, -4, 0))), "columns"),
        ((*[conv(3, 3, stride=4)] * 4, *[Upsample(4)] * 4), "steps of 256 pixels"),
    ):
        with pytest.raises(ModelError, match=match):
            Network(layers, Preprocessing())
    with pytest.raises(ModelError, match="from 0 to 1"):
        InstanceNorm(np.ones(3, np.float32), np.ones(3, np.float32), float("nan"))
    with pytest.raises(ModelError, match="shift of 2"):
        Affine(np.ones(3, np.float32), np.ones(2, np.float32))
    with pytest.raises(ModelError, match="none of them 0"):
        Convolution(np.ones((3, 3, 0, 3), np.float32), np.ones(3, np.float32))
    with pytest.raises(ModelError, match="factor"):
        Scale(float("inf"))
    with pytest.raises(ModelError, match="reflect, zero, edge"):
        Pad("wrap", (1, 1, 1, 1))  # type: ignore[arg-type]
    with pytest.raises(ModelError, match="RGB or BGR"):
        Preprocessing("GBR")  # type: ignore[arg-type]
    with pytest.raises(ModelError, match="deviation"):
        Preprocessing(deviation=(0.0, 1.0, 1.0))
