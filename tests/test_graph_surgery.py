"""Graphs that were saved for one size take any, and their statistics are taken out and given back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from impasto.errors import ModelError
from impasto.inference.ir.adapting import adapt
from impasto.inference.ir.network import Preprocessing
from impasto.inference.ir.sizes import take_any_size
from impasto.inference.ir.statistics import accept_statistics, measure_statistics
from impasto.inference.openvino import op, ov
from impasto.inference.openvino_core import core

Array = np.ndarray[Any, np.dtype[np.float32]]
RANDOM = np.random.default_rng(0)


def weights(*shape: int) -> Array:
    return RANDOM.normal(0, 0.2, shape).astype(np.float32)


def network(height: int, width: int, *, inside: bool = True, upper: bool = True) -> ov.Model:
    """Half the size and back, as exporters write it: with the sizes that they saw."""
    picture = op.parameter([-1, 3, height, width], np.float32, name="content")
    edge = np.array([0, 0, 1, 1])
    x: Any = op.convolution(op.pad(picture, edge, edge, "reflect"), weights(8, 3, 3, 3), [2, 2], [0, 0], [0, 0], [1, 1])
    x = op.relu(op.mvn(x, np.array([2, 3]), True, 1e-5, "INSIDE_SQRT" if inside else "OUTSIDE_SQRT"))
    half = np.array([height, width])
    up = op.convolution_backprop_data(
        x, weights(8, 4, 3, 3), [2, 2], half, None, None, None, "same_upper" if upper else "same_lower"
    )
    mean = op.reduce_mean(up, np.array([-1, -2]), keep_dims=True)
    small = op.interpolate(op.subtract(up, mean), half // 2, "linear_onnx", "sizes", axes=np.array([2, 3]))
    large = op.interpolate(small, half, "nearest", "sizes", axes=np.array([2, 3]))
    return ov.Model([op.convolution(large, weights(3, 4, 1, 1), [1, 1], [0, 0], [0, 0], [1, 1])], [picture], "small")


def run(model: ov.Model, *inputs: Array) -> list[Array]:
    compiled = core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    found = compiled(list(inputs))
    return [found[i] for i in range(len(model.get_results()))]


def picture(height: int, width: int, count: int = 1) -> Array:
    return RANDOM.uniform(0, 1, (count, 3, height, width)).astype(np.float32)


@pytest.mark.parametrize("upper", [True, False])
def test_any_size_and_the_same_pixels_at_the_size_of_old(upper: bool) -> None:
    model = network(32, 48, upper=upper)
    photo = picture(32, 48)
    (expected,) = run(model, photo)
    take_any_size(model, "content")
    (found,) = run(model, photo)
    assert np.abs(found - expected).max() < 1e-5
    assert run(model, picture(64, 40))[0].shape == (1, 3, 64, 40)


def test_channels_may_come_last() -> None:
    photo = op.parameter([1, 16, 24, 3], np.float32, name="photo")
    x = op.transpose(op.interpolate(photo, np.array([32, 48]), "nearest", "sizes", axes=np.array([1, 2])), [0, 3, 1, 2])
    model = ov.Model([op.transpose(x, [0, 2, 3, 1])], [photo], "last")
    take_any_size(model, "photo")
    assert run(model, picture(8, 10).transpose(0, 2, 3, 1))[0].shape == (1, 16, 20, 3)


def test_what_cannot_take_any_size_says_so() -> None:
    photo = op.parameter([1, 3, 16, 24], np.float32, name="photo")
    stubborn = ov.Model([op.add(photo, np.ones((1, 3, 16, 24), np.float32))], [photo], "stubborn")
    with pytest.raises(ModelError, match="stubborn takes pictures of 16x24 only"):
        take_any_size(stubborn, "photo")
    grey = op.parameter([1, 1, 16, 24], np.float32, name="photo")
    with pytest.raises(ModelError, match="no 3 channels"):
        take_any_size(ov.Model([op.relu(grey)], [grey], "grey"), "photo")


@pytest.mark.parametrize("inside", [True, False])
def test_statistics_given_back_are_the_picture_itself(inside: bool) -> None:
    state = RANDOM.bit_generator.state
    models = []
    for _ in range(3):
        RANDOM.bit_generator.state = state
        models.append(network(32, 32, inside=inside))
        take_any_size(models[-1], "content")
    plain, measuring, giving = models
    photo = picture(40, 24)
    (expected,) = run(plain, photo)
    assert measure_statistics(measuring) == 3, "mean and variance of one normalisation, and a mean"
    same, *statistics = run(measuring, photo)
    assert np.abs(same - expected).max() < 1e-4
    given = accept_statistics(giving)
    assert np.abs(run(given, photo, *statistics)[0] - expected).max() < 1e-4
    other = run(given, picture(40, 24), *statistics)[0]
    assert np.abs(other - expected).max() > 0.01
    # Of another picture's, it is another pastiche.
    _, *others = run(measuring, picture(40, 24) ** 4)
    assert np.abs(run(given, photo, *others)[0] - expected).max() > 0.01


def test_samples_are_measured_as_one_picture() -> None:
    model = network(16, 16)
    take_any_size(model, "content")
    measure_statistics(model)
    one, other = picture(16, 16), picture(16, 16)
    _, *together = run(model, np.concatenate([one, other]))
    assert all(found.shape[0] == 1 for found in together)
    _, *alone = run(model, one)
    _, *apart = run(model, other)
    assert np.allclose(together[0], (alone[0] + apart[0]) / 2, atol=1e-5)
    assert not np.allclose(together[0], alone[0], atol=1e-3)


@pytest.mark.parametrize("kind", ["computed", "negative", "whole batch"])
def test_means_are_found_however_their_axes_are_written(kind: str) -> None:
    def model() -> ov.Model:
        content = op.parameter([-1, 3, -1, -1], np.float32, name="content")
        axes: Any = np.array([0, 2, 3] if kind == "whole batch" else [-1, -2])
        if kind == "computed":  # of how many dimensions there are
            rank = op.squeeze(op.shape_of(op.shape_of(content)), np.array([0]))
            axes = op.range(np.int64(2), rank, np.int64(1), "i64")
        return ov.Model([op.subtract(content, op.reduce_mean(content, axes, keep_dims=True))], [content], kind)

    photo = picture(6, 8)
    measuring = model()
    assert measure_statistics(measuring) == 1
    expected, mean = run(measuring, photo)
    assert np.allclose(mean, photo.mean((0, 2, 3), keepdims=True), atol=1e-6)
    assert np.allclose(run(accept_statistics(model()), photo, mean + 1)[0], expected - 1, atol=1e-5)


def test_a_graph_of_our_own_habits_is_left_as_it_is() -> None:
    content = op.parameter([-1, 3, -1, -1], np.float32, name="photo")
    plain = Preprocessing("RGB", 1)
    photo = picture(4, 6)
    assert np.array_equal(run(adapt(ov.Model([op.relu(content)], [content], "plain"), plain), photo)[0], photo)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["candy", "mosaic"])
def test_public_networks_take_any_size(shared: Path, name: str) -> None:
    file = shared / "peers" / "fast_neural_style" / f"{name}.onnx"
    fixed, free, measuring, giving = (core().read_model(file) for _ in range(4))
    photo = 255 * picture(720, 720)
    (expected,) = run(fixed, photo)
    for model in (free, measuring, giving):
        take_any_size(model, "inputImage")
    assert np.abs(run(free, photo)[0] - expected).max() < 0.1
    photo = 255 * picture(160, 240)
    (expected,) = run(free, photo)
    assert expected.shape == photo.shape
    assert measure_statistics(measuring) == 30
    _, *statistics = run(measuring, photo)
    assert np.abs(run(accept_statistics(giving), photo, *statistics)[0] - expected).max() < 0.1


@pytest.mark.parametrize("last", [False, True])
def test_a_graph_of_other_habits_takes_and_gives_pictures_as_ours_do(last: bool) -> None:
    """One that inverts: of 0..255 in the order BGR, with a mean taken off, channels first or last."""
    mean = (10.0, 20.0, 30.0)
    photo = op.parameter([1, 8, 12, 3] if last else [1, 3, 8, 12], np.float32, name="photo")
    column = np.array(mean, np.float32).reshape((1, 1, 1, 3) if last else (1, 3, 1, 1))
    inverted = op.subtract(np.float32(255) - 2 * column, photo)
    only_blue = op.multiply(inverted, (np.array([1, 0, 0], np.float32)).reshape(column.shape))
    model = adapt(ov.Model([only_blue], [photo], "inverting"), Preprocessing("BGR", 255, mean))
    content = picture(16, 20)
    (found,) = run(model, content)
    assert np.abs(found[:, 2] - (1 - content[:, 2])).max() < 1e-5
    assert np.abs(found[:, 1] - mean[1] / 255).max() < 1e-5


def test_a_graph_of_two_pictures_is_no_per_style_network() -> None:
    one, other = (op.parameter([1, 3, 8, 8], np.float32, name=name) for name in ("one", "other"))
    with pytest.raises(ModelError, match="takes 2 inputs and gives 1 outputs"):
        adapt(ov.Model([op.add(one, other)], [one, other], "two"), Preprocessing())


def test_a_public_network_paints_in_our_terms(shared: Path) -> None:
    read = core().read_model
    file = shared / "peers" / "fast_neural_style" / "candy.onnx"
    content = picture(720, 720)
    (expected,) = run(read(file), 255 * content[:, ::-1])
    (found,) = run(adapt(read(file), Preprocessing("BGR", 255)), content)
    assert np.abs(255 * found - expected[:, ::-1]).max() < 0.1
