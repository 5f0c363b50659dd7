"""Spectrum: what an optimiser's steps show of the inverse Hessian, by frequency and colour."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["Spectrum"]

_BAND = 1 / 64
"""Width of a band of frequencies, in cycles a pixel."""
_KEPT = 0.9
"""How much of what was learned counts after one more step: the Hessian changes on the way."""
_ENOUGH = 3
"""Steps to learn from before what was learned is trusted."""
_FLATTEST = 0.02
"""Frequency, in cycles a pixel, below which all is taken to be equally flat where nothing is known yet."""


class Spectrum:
    """An inverse Hessian that is one 3x3 matrix of the colours for every band of frequencies.

    In each band it is the positive matrix ``P`` that gives what the gradient turned by the energy of the moves that
    turned it: ``P T P = S``, where ``S`` and ``T`` are the covariances of moves and turns over the colours, that is
    their geometric mean with ``T`` inverted (Ando 1979). Where nothing is learned yet, coarse features are
    taken to be as much flatter than fine ones as pictures have more of them: about one over the frequency (Field 1987).
    It is known but for one factor.
    """

    tensors = 4
    """How many tensors of the picture's size it takes at most, for the memory plan."""

    def __init__(self, height: int, width: int) -> None:
        """For pictures ``(1, 3, height, width)``."""
        self._size = (height, width)
        frequencies = torch.hypot(torch.fft.fftfreq(height)[:, None], torch.fft.rfftfreq(width)[None])
        self._band = (frequencies / _BAND).long().flatten()
        self._guess = (1 / (frequencies + _FLATTEST)).expand(3, -1, -1)
        bands = int(self._band.max()) + 1
        self._moves, self._turns = torch.zeros(2, bands, 3, 3, dtype=torch.float64)
        self._steps = 0
        self._planes: Tensor | None = None

    def learn(self, move: Tensor, turn: Tensor) -> None:
        """Take in that ``move`` turned the gradient by ``turn``, both ``(1, 3, H, W)``."""
        # Of a short step as much is learned as of a long one.
        energy = float(move.square().sum())
        self._moves.mul_(_KEPT).add_(self._covariances(move), alpha=1 / energy)
        self._turns.mul_(_KEPT).add_(self._covariances(turn), alpha=1 / energy)
        self._steps, self._planes = self._steps + 1, None

    def __call__(self, x: Tensor) -> Tensor:
        """The inverse Hessian times ``x`` ``(1, 3, H, W)``."""
        waves = torch.fft.rfft2(x[0])
        if self._steps < _ENOUGH:
            waves *= self._guess
        else:
            if self._planes is None:
                self._planes = _geometric_mean(self._moves, self._turns).float().movedim(0, -1).contiguous()
            planes = self._planes[..., self._band].view(3, *waves.shape)
            waves = (planes * waves).sum(1)
        result: Tensor = torch.fft.irfft2(waves, s=self._size)[None]
        return result

    def state(self) -> dict[str, Tensor]:
        """All that was learned."""
        return {"moves": self._moves, "turns": self._turns, "steps": torch.tensor(self._steps)}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Take over what :meth:`state` gave."""
        self._moves, self._turns, self._steps = state["moves"], state["turns"], int(state["steps"])
        self._planes = None

    def _covariances(self, x: Tensor) -> Tensor:
        """Of the colours, by band ``(bands, 3, 3)``; of sums, which the geometric mean is indifferent to."""
        waves = torch.fft.rfft2(x[0]).flatten(1)
        real, imaginary = waves.real.contiguous(), waves.imag.contiguous()
        found = torch.zeros_like(self._moves)
        for i in range(3):
            for j in range(i + 1):
                products = real[i] * real[j] + imaginary[i] * imaginary[j]
                found[:, i, j] = found[:, j, i] = torch.bincount(self._band, products, len(found))
        return found


def _geometric_mean(moves: Tensor, turns: Tensor) -> Tensor:
    """The positive matrices ``P`` for which ``P turns P`` is ``moves``, their largest entry 1."""
    moves, turns = _positive(moves), _positive(turns)
    half, inverse = _power(turns, 0.5), _power(turns, -0.5)
    mean = inverse @ _power(half @ moves @ half, 0.5) @ inverse
    return mean / mean.max()


def _positive(matrices: Tensor) -> Tensor:
    """With a little of their own trace, and of all, on the diagonal: a band may be empty."""
    trace = matrices.diagonal(dim1=1, dim2=2).sum(-1)
    least = 1e-6 * trace + 1e-12 * trace.max().clamp_min(1e-30)
    return matrices + torch.diag_embed(least[:, None].expand(-1, 3))


def _power(matrices: Tensor, exponent: float) -> Tensor:
    values, vectors = torch.linalg.eigh(matrices)
    powers = values.clamp_min(torch.finfo(values.dtype).tiny).pow(exponent)
    result: Tensor = vectors * powers[:, None] @ vectors.mT
    return result
