"""Statistics of features."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from impasto.losses import statistics
from impasto.losses.statistics import LayerStatistics, _Sums, mean_statistics, measure

Array = np.ndarray[Any, np.dtype[np.float64]]


def features(channels: int = 5, height: int = 6, width: int = 7, seed: int = 0) -> Tensor:
    random = torch.Generator().manual_seed(seed)
    return torch.randn(1, channels, height, width, generator=random, dtype=torch.float64) + 0.5


def flat(values: Tensor) -> Array:
    """``(places, C)``."""
    found: Array = values[0].flatten(1).T.numpy()
    return found


def assert_same(found: LayerStatistics, expected: LayerStatistics, tolerance: float = 1e-10) -> None:
    for name in ("mean", "std", "gram", "covariance"):
        assert torch.allclose(getattr(found, name), getattr(expected, name), rtol=tolerance, atol=tolerance), name


def test_statistics_are_what_their_names_say() -> None:
    values = features()
    found = measure({"a": values})["a"]
    x = flat(values)
    assert found.places == 42
    assert np.allclose(found.total, x.sum(0))
    assert np.allclose(found.squares, (x**2).sum(0))
    assert np.allclose(found.products, x.T @ x)
    assert np.allclose(found.mean, x.mean(0))
    assert np.allclose(found.std, x.std(0))
    assert np.allclose(found.gram, x.T @ x / 42)
    assert np.allclose(found.covariance, np.cov(x.T, bias=True))


def test_weights_say_how_much_each_place_counts() -> None:
    values, weights = features(), torch.rand(6, 7, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    weights[2] = 0
    found = measure({"a": values}, {"a": weights})["a"]
    x, w = flat(values), weights.flatten().numpy()
    assert found.places == pytest.approx(w.sum())
    assert np.allclose(found.mean, np.average(x, 0, w))
    assert np.allclose(found.gram, (x * w[:, None]).T @ x / w.sum())
    assert np.allclose(found.covariance, np.cov(x.T, bias=True, aweights=w))
    assert np.allclose(found.std, np.sqrt(np.average((x - np.average(x, 0, w)) ** 2, 0, w)))
    cut = torch.zeros(6, 7)
    cut[1:4, 2:5] = 1
    assert_same(measure({"a": values}, {"a": cut})["a"], measure({"a": values[..., 1:4, 2:5]})["a"])
    even = torch.full((6, 7), 0.3, dtype=torch.float64)
    assert_same(measure({"a": values}, {"a": even})["a"], measure({"a": values})["a"])


@pytest.mark.parametrize("weighted", [False, True])
def test_statistics_of_tiles_add_up_to_those_of_the_whole(weighted: bool) -> None:
    values = features()
    weights = torch.rand(6, 7, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    # The last part is empty, as a tile is that is narrower than a layer's stride.
    parts = [
        (slice(0, 2), slice(0, 7)),
        (slice(2, 6), slice(0, 3)),
        (slice(2, 6), slice(3, 7)),
        (slice(6, 6), slice(7)),
    ]
    tiles = [measure({"a": values[(..., *part)]}, {"a": weights[part]} if weighted else None)["a"] for part in parts]
    whole = measure({"a": values}, {"a": weights} if weighted else None)["a"]
    added = tiles[0] + tiles[1] + tiles[2] + tiles[3]
    assert added.places == pytest.approx(whole.places)
    assert torch.allclose(added.products, whole.products)
    assert_same(added, whole)


def test_statistics_of_many_places_are_those_of_few(monkeypatch: pytest.MonkeyPatch) -> None:
    values, weights = features(), torch.rand(6, 7, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    for weighted in (None, {"a": weights}):
        whole = measure({"a": values}, weighted)["a"]
        with monkeypatch.context() as patch:
            # So many places at a time.
            patch.setattr(statistics, "_ROWS", 5)
            strips = measure({"a": values}, weighted)["a"]
        assert_same(strips, whole)
        assert torch.allclose(strips.total, whole.total)


def test_what_is_not_asked_for_stays_0() -> None:
    values = features()
    whole = measure({"a": values})["a"]
    moments = measure({"a": values}, products=False)["a"]
    assert torch.allclose(moments.std, whole.std)
    assert (moments.products == 0).all()
    products = measure({"a": values}, moments=False)["a"]
    assert torch.allclose(products.gram, whole.gram)
    assert (products.total == 0).all()
    assert (products.squares == 0).all()


def test_nothing_has_no_energy() -> None:
    for found in (
        measure({"a": features()[..., :0]})["a"],
        measure({"a": features()}, {"a": torch.zeros(6, 7)})["a"],
    ):
        assert found.places == 0
        assert (found.mean == 0).all()
        assert (found.gram == 0).all()
        assert torch.allclose(found.std, torch.tensor(1e-4, dtype=torch.float64))


def test_of_several_styles_the_means_and_covariances_are_mixed() -> None:
    values = [features(seed=seed) + 3 * seed for seed in (0, 1)]
    # Of different sizes: what is mixed are means, not sums.
    one, two = measure({"a": values[0]}), measure({"a": values[1][..., :3]})
    mixed = mean_statistics([(one, 3.0), (two, 1.0)])["a"]
    assert torch.allclose(mixed.mean, 0.75 * one["a"].mean + 0.25 * two["a"].mean)
    assert torch.allclose(mixed.covariance, 0.75 * one["a"].covariance + 0.25 * two["a"].covariance)
    assert torch.allclose(mixed.std.square(), 0.75 * one["a"].std.square() + 0.25 * two["a"].std.square())
    # The sums of both would be far wider: as wide as their means are apart.
    assert (mixed.std < 0.7 * (one["a"] + two["a"]).std).all()
    assert torch.allclose(mixed.gram, mixed.covariance + torch.outer(mixed.mean, mixed.mean))
    assert_same(mean_statistics([(one, 1.0), (one, 2.0)])["a"], one["a"])
    assert_same(mean_statistics([(one, 1.0), (two, 0.0)])["a"], one["a"])
    assert mean_statistics([(two, 0.1)])["a"] is two["a"]
    with pytest.raises(ValueError, match="the weights of 2 styles sum to 0; give at least one above 0"):
        mean_statistics([(one, 0.0), (two, 0.0)])


def test_statistics_of_moments_have_those_moments() -> None:
    found = measure({"a": features()})["a"]
    again = LayerStatistics.of_moments(found.mean, found.covariance)
    assert again.places == 1
    assert_same(again, found)


@pytest.mark.parametrize("weighted", [False, True])
def test_gradients_are_right(weighted: bool) -> None:
    x = features(3, 4, 3)[0].flatten(1).T.contiguous().requires_grad_()
    weight = torch.rand(12, generator=torch.Generator().manual_seed(1), dtype=torch.float64) if weighted else None
    for moments, products in ((True, True), (True, False), (False, True)):

        def sums(x: Tensor, moments: bool = moments, products: bool = products) -> tuple[Tensor, ...]:
            total, squares, square = _Sums.apply(x, weight, moments, products)  # type: ignore[no-untyped-call]
            return (*((total, squares) if moments else ()), *((square,) if products else ()))

        assert torch.autograd.gradcheck(sums, (x,))
        # Each of them alone, too: a loss rarely asks for all.
        for i in range(len(sums(x))):
            assert torch.autograd.gradcheck(lambda x, i=i, sums=sums: sums(x)[i], (x,))
    values = features(3, 4, 3).requires_grad_()
    weights = None if weight is None else {"a": weight.view(4, 3)}

    def derived(values: Tensor) -> tuple[Tensor, ...]:
        found = measure({"a": values}, weights)["a"]
        return found.mean, found.std, found.gram, found.covariance

    assert torch.autograd.gradcheck(derived, (values,))


@pytest.mark.parametrize("weighted", [False, True])
def test_half_precision_comes_close(weighted: bool) -> None:
    values = features(8, 40, 30).float().requires_grad_()
    weights = {"a": torch.rand(40, 30, generator=torch.Generator().manual_seed(1))} if weighted else None
    exact = measure({"a": values}, weights)["a"]
    half = values.detach().bfloat16().requires_grad_()
    found = measure({"a": half}, weights)["a"]
    for name in ("mean", "std", "gram", "covariance"):
        value, expected = getattr(found, name), getattr(exact, name)
        assert value.dtype == torch.float32
        assert (value - expected).norm() < 0.01 * expected.norm(), name
    push = torch.randn(8, 8, generator=torch.Generator().manual_seed(2))
    for each in (exact, found):
        ((each.covariance * push).sum() + each.std.sum()).backward()  # type: ignore[no-untyped-call]
    assert half.grad is not None
    assert values.grad is not None
    assert half.grad.dtype == torch.bfloat16
    assert (half.grad.float() - values.grad).norm() < 0.03 * values.grad.norm()


def test_without_their_history_statistics_are_the_same_numbers() -> None:
    found = measure({"a": features().requires_grad_()})["a"]
    assert found.gram.requires_grad
    assert not found.detached().gram.requires_grad
    leaves = found.detached(requires_grad=True)
    assert leaves.total.is_leaf
    leaves.gram.sum().backward()  # type: ignore[no-untyped-call]
    assert leaves.products.grad is not None
    assert leaves.total.grad is None
    assert leaves.places == found.places
    assert_same(leaves, found)
