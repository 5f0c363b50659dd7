"""What steps show of the inverse Hessian."""

from __future__ import annotations

import pytest
import torch
from painting import drawn
from torch import Tensor

from impasto.iterative.spectrum import Spectrum

HEIGHT, WIDTH = 41, 36
BANDS = (torch.hypot(torch.fft.fftfreq(HEIGHT)[:, None], torch.fft.rfftfreq(WIDTH)[None]) * 64).long()
COLOURS = torch.tensor([[1.0, 0.8, 0.1], [0.8, 2.0, -0.3], [0.1, -0.3, 0.5]])


def noise(seed: int) -> Tensor:
    return torch.randn(1, 3, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(seed))


def hessian(x: Tensor) -> Tensor:
    """Stiffer for fine features, and of mixed colours."""
    waves = torch.einsum("ij,jhw->ihw", COLOURS.to(torch.complex64), torch.fft.rfft2(x[0])) * (1 + BANDS)
    result: Tensor = torch.fft.irfft2(waves, s=(HEIGHT, WIDTH))[None]
    return result


def learned(steps: int) -> Spectrum:
    spectrum = Spectrum(HEIGHT, WIDTH)
    for seed in range(steps):
        move = noise(seed) * 10.0 ** -(seed % 3)
        spectrum.learn(move, hessian(move))
    return spectrum


def test_it_learns_a_hessian_of_bands_and_colours_but_for_one_factor() -> None:
    x = noise(100)
    again = learned(30)(hessian(x))
    factor = float((again * x).sum() / x.square().sum())
    assert factor > 0
    assert (again / factor - x).abs().max() < 1e-3 * x.abs().max()


def test_before_it_knows_anything_coarse_features_are_taken_to_be_flat() -> None:
    for steps in (0, 2):
        guess = torch.fft.rfft2(learned(steps)(noise(1))[0]) / torch.fft.rfft2(noise(1)[0])
        assert guess.imag.abs().max() < 1e-3
        assert float(guess.real[:, 0, 0].min()) > 10 * float(guess.real[:, 20, 18].max()) > 0


@pytest.mark.parametrize("steps", [0, 1, 5])
def test_it_is_symmetric_and_positive_whatever_it_saw(steps: int) -> None:
    spectrum = Spectrum(HEIGHT, WIDTH)
    for seed in range(steps):
        # Of one frequency and one colour only: most bands stay empty.
        move = torch.zeros(1, 3, HEIGHT, WIDTH)
        move[:, 0] = torch.cos(torch.arange(WIDTH) * 0.5 + seed)
        spectrum.learn(move, 3 * move)
    a, b = noise(1), noise(2)
    assert float((spectrum(a) * b).sum()) == pytest.approx(float((a * spectrum(b)).sum()), rel=1e-3, abs=1e-2)
    assert float((spectrum(a) * a).sum()) > 0
    assert spectrum(a).isfinite().all()


def test_what_it_learned_can_be_saved() -> None:
    spectrum, other = learned(6), Spectrum(HEIGHT, WIDTH)
    other.restore({name: value.clone() for name, value in spectrum.state().items()})
    move = drawn(HEIGHT, WIDTH, 3).float()
    for each in (spectrum, other):
        each.learn(move, hessian(move))
    assert torch.equal(spectrum(noise(9)), other(noise(9)))
