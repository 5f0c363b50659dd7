"""Optimisers of one picture. All state is plain tensors and numbers, so that a run can be saved after any step."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from impasto.encoders.encoder import IMAGENET_STD
from impasto.errors import MissingExtra
from impasto.iterative.spectrum import Spectrum
from impasto.losses.objective import Evaluation

__all__ = ["LBFGS", "Adam", "Optimiser", "ScipyLBFGS", "TorchAdam", "make_optimiser"]

Evaluate = Callable[[Tensor], Evaluation]

_WHITE = 255.0


class Optimiser(ABC):
    """Moves a picture ``(1, 3, H, W)`` in float32, in place, step by step; never by what is not a number."""

    tensors = 2
    """How many tensors of the picture's size are held between steps, for the memory plan."""

    average = 0.0
    """How much of the average of the pictures so far is best kept at a step."""

    def __init__(self) -> None:
        self.evaluations = 0
        self.stalls = 0
        """Steps in a row that led nowhere."""

    @abstractmethod
    def step(self, picture: Tensor, evaluate: Evaluate) -> Evaluation:
        """Move ``picture``; returns what was found of it before, or of where it went."""

    def state(self) -> dict[str, Tensor]:
        """What the next step needs; the tensors themselves, which that step may write into."""
        return {}

    def restore(self, state: dict[str, Tensor]) -> None:  # noqa: B027
        """Take over what :meth:`state` gave."""

    def _evaluate(self, evaluate: Evaluate, picture: Tensor) -> Evaluation:
        self.evaluations += 1
        return evaluate(picture)


class Adam(Optimiser):
    """Adam (Kingma & Ba 2015), the picture kept in 0..1. ``rate`` is its step, where white is 1."""

    average = 0.8

    def __init__(self, rate: float = 0.01, betas: tuple[float, float] = (0.9, 0.99)) -> None:
        super().__init__()
        self.rate, self.betas = rate, betas
        self._number = 0
        self._first: Tensor | None = None
        self._second: Tensor | None = None

    def step(self, picture: Tensor, evaluate: Evaluate) -> Evaluation:
        found = self._evaluate(evaluate, picture)
        if not _is_finite(found):
            self.stalls += 1
            return found
        self.stalls = 0
        if self._first is None or self._second is None:
            self._first, self._second = torch.zeros_like(picture), torch.zeros_like(picture)
        self._number += 1
        # The gradient is done with, and large.
        self._move(picture, found.gradient, self._first, self._second)
        return found

    def _move(self, picture: Tensor, gradient: Tensor, first: Tensor, second: Tensor) -> None:
        """Move the picture; the gradient's place is free to be written into."""
        self._remember(gradient, first, second)
        size = self.rate * (1 - self.betas[1] ** self._number) ** 0.5 / (1 - self.betas[0] ** self._number)
        torch.sqrt(second, out=gradient).add_(1e-12)
        picture.addcdiv_(first, gradient, value=-size).clamp_(0, 1)

    def _remember(self, gradient: Tensor, first: Tensor, second: Tensor) -> None:
        first.lerp_(gradient, 1 - self.betas[0])
        second.mul_(self.betas[1]).addcmul_(gradient, gradient, value=1 - self.betas[1])

    def state(self) -> dict[str, Tensor]:
        if self._first is None or self._second is None:
            return {}
        return {"first": self._first, "second": self._second, "number": torch.tensor(self._number)}

    def restore(self, state: dict[str, Tensor]) -> None:
        if state:
            self._first, self._second, self._number = state["first"], state["second"], int(state["number"])


class TorchAdam(Adam):
    """Adam as ``torch.optim.Adam`` is by default, on the picture in ImageNet's standard deviations: the PyTorch
    notebook's way.

    The picture may leave 0..1 on its way. ``rate`` is the step, where white is 1, averaged over the colours.
    """

    average = 0.0
    _EPSILON = 1e-8

    def __init__(self, rate: float = 0.003 * sum(IMAGENET_STD) / 3) -> None:
        super().__init__(rate, (0.9, 0.999))

    def _move(self, picture: Tensor, gradient: Tensor, first: Tensor, second: Tensor) -> None:
        units = torch.tensor(IMAGENET_STD, dtype=picture.dtype).view(1, 3, 1, 1)
        gradient.mul_(units)
        self._remember(gradient, first, second)
        bias, root = (1 - beta**self._number for beta in self.betas)
        torch.sqrt(second, out=gradient).div_(root**0.5).add_(self._EPSILON).div_(units)
        picture.addcdiv_(first, gradient, value=-self.rate / float(units.mean()) / bias)


class LBFGS(Optimiser):
    """Limited-memory BFGS (Liu & Nocedal 1989) in the box from black to white, projected (Bertsekas 1982).

    What would leave the box stays out of a step, and where a step leaves it, it ends at the border: the picture
    that is judged is one that can be seen. A step is halved until the loss falls enough (Armijo 1966); what was
    found there serves the next step: mostly one evaluation a step. The first step moves the picture by ``rate``, as
    the root mean square of its pixels.

    Where the remembered steps tell nothing of the Hessian, its :class:`Spectrum` does: with it, a picture takes a
    third fewer steps. Without ``spectral``, it is plain L-BFGS.
    """

    def __init__(self, memory: int = 10, rate: float = 0.01, patience: int = 12, *, spectral: bool = True) -> None:
        super().__init__()
        self.memory, self.rate, self.patience, self.spectral = memory, rate, patience, spectral
        self.tensors = 2 * memory + 3 + (Spectrum.tensors if spectral else 0)
        self._moves: list[Tensor] = []
        self._turns: list[Tensor] = []
        self._products: list[float] = []
        self._spectrum: Spectrum | None = None
        self._here: Evaluation | None = None

    def step(self, picture: Tensor, evaluate: Evaluate) -> Evaluation:
        if self.spectral and self._spectrum is None:
            self._spectrum = Spectrum(picture.shape[2], picture.shape[3])
        here = self._here if self._here is not None else self._evaluate(evaluate, picture)
        if not _is_finite(here):
            self.stalls += 1
            return here
        outwards = ((picture <= 0) & (here.gradient > 0)) | ((picture >= 1) & (here.gradient < 0))
        gradient = here.gradient.masked_fill(outwards, 0)
        direction = self._direction(gradient).masked_fill_(outwards, 0)
        if _dot(direction, gradient) >= 0:
            self._forget()
            direction = -gradient
        length = float(direction.square().mean().sqrt())
        found = None
        if length:
            found = self._search(
                picture, direction, here, gradient, 1.0 if self._moves else self.rate / length, evaluate
            )
        if found is None:
            # Nowhere lower this way: start again with the steepest descent, unless this was it.
            self._forget()
            self._here, self.stalls = here, self.stalls + 1
            return here
        there, goal = found
        self.stalls = 0
        self._remember(goal - picture, (there.gradient - here.gradient).masked_fill_(outwards, 0))
        picture.copy_(goal)
        self._here = there
        return there

    def state(self) -> dict[str, Tensor]:
        state = {f"move{i}": x for i, x in enumerate(self._moves)} | {f"turn{i}": x for i, x in enumerate(self._turns)}
        if self._spectrum is not None:
            state |= {f"spectrum.{name}": value for name, value in self._spectrum.state().items()}
        if self._here is not None:
            state["gradient"] = self._here.gradient
            state["loss"] = torch.tensor(self._here.loss, dtype=torch.float64)
            names = sorted(self._here.losses)
            state |= {f"loss.{name}": torch.tensor(self._here.losses[name], dtype=torch.float64) for name in names}
        return state

    def restore(self, state: dict[str, Tensor]) -> None:
        count = sum(name.startswith("move") for name in state)
        self._moves = [state[f"move{i}"] for i in range(count)]
        self._turns = [state[f"turn{i}"] for i in range(count)]
        self._products = [_dot(move, turn) for move, turn in zip(self._moves, self._turns, strict=True)]
        if "gradient" in state:
            losses = {k.removeprefix("loss."): float(v) for k, v in state.items() if k.startswith("loss.")}
            self._here = Evaluation(float(state["loss"]), losses, state["gradient"])
        if learned := {k.removeprefix("spectrum."): v for k, v in state.items() if k.startswith("spectrum.")}:
            self._spectrum = Spectrum(*state["gradient"].shape[2:])
            self._spectrum.restore(learned)

    def _remember(self, move: Tensor, turn: Tensor) -> None:
        product = _dot(move, turn)
        if product <= 1e-10 * _dot(turn, turn):
            return
        self._moves, self._turns = [*self._moves, move][-self.memory :], [*self._turns, turn][-self.memory :]
        self._products = [*self._products, product][-self.memory :]
        if self._spectrum is not None:
            self._spectrum.learn(move, turn)

    def _forget(self) -> None:
        self._moves, self._turns, self._products = [], [], []

    def _direction(self, gradient: Tensor) -> Tensor:
        """Minus the inverse Hessian, as far as it is known, times the gradient: the two-loop recursion."""
        direction = -gradient
        if not self._moves:
            return self._guess(direction)
        pairs = list(zip(self._moves, self._turns, self._products, strict=True))
        shares = []
        for move, turn, product in reversed(pairs):
            share = _dot(move, direction) / product
            shares.append(share)
            direction.add_(turn, alpha=-share)
        _, turn, product = pairs[-1]
        direction = self._guess(direction).mul_(product / _dot(turn, self._guess(turn)))
        for (move, turn, product), share in zip(pairs, reversed(shares), strict=True):
            direction.add_(move, alpha=share - _dot(turn, direction) / product)
        return direction

    def _guess(self, x: Tensor) -> Tensor:
        """The first guess of the inverse Hessian, times ``x``."""
        return x.clone() if self._spectrum is None else self._spectrum(x)

    def _search(
        self, picture: Tensor, direction: Tensor, here: Evaluation, gradient: Tensor, size: float, evaluate: Evaluate
    ) -> tuple[Evaluation, Tensor] | None:
        """The first place along the way that is low enough, and what is found there."""
        for _ in range(self.patience):
            goal = torch.add(picture, direction, alpha=size).clamp_(0, 1)
            there = self._evaluate(evaluate, goal)
            if (
                _is_finite(there)
                and there.loss <= here.loss + 1e-4 * _dot(gradient, goal - picture)
                and there.loss < here.loss
            ):
                return there, goal
            size /= 2
        return None


class ScipyLBFGS(Optimiser):
    """SciPy's ``fmin_l_bfgs_b`` started again at every step, with about 20 evaluations: the Keras example's way.

    As there, SciPy sees a picture where white is 255: its first try is one unit long, so the unit counts. The
    picture may leave 0..1.
    """

    tensors = 26

    def __init__(self, evaluations: int = 20) -> None:
        """Raises :class:`MissingExtra` without SciPy."""
        super().__init__()
        try:
            from scipy.optimize import fmin_l_bfgs_b
        except ImportError as error:
            raise MissingExtra("the optimiser scipy", "iterative") from error
        self._minimise, self._most = fmin_l_bfgs_b, evaluations

    def step(self, picture: Tensor, evaluate: Evaluate) -> Evaluation:
        seen: list[tuple[Evaluation, Tensor]] = []
        taken: list[tuple[Evaluation, Tensor]] = []

        def measured(
            flat: np.ndarray[Any, np.dtype[np.float64]],
        ) -> tuple[float, np.ndarray[Any, np.dtype[np.float64]]]:
            there = torch.tensor(flat / _WHITE, dtype=picture.dtype).view_as(picture)
            found = self._evaluate(evaluate, there)
            seen[:] = [(found, there)]
            if not taken:
                taken[:] = seen
            return found.loss, found.gradient.flatten().double().numpy() / _WHITE

        def accept(_: object) -> None:
            # SciPy goes on from where it looked last.
            if _is_finite(seen[0][0]):
                taken[:] = seen

        start = picture.flatten().double().numpy() * _WHITE
        self._minimise(measured, start, maxfun=self._most, pgtol=0.0, callback=accept)
        ((found, there),) = taken
        self.stalls = self.stalls + 1 if torch.equal(there, picture) or not _is_finite(found) else 0
        picture.copy_(there)
        return found


def make_optimiser(kind: Literal["adam", "lbfgs", "scipy", "torch"], rate: float, memory: int = 10) -> Optimiser:
    """The optimiser of that name, again; ``memory`` is how many steps L-BFGS remembers."""
    match kind:
        case "adam":
            return Adam(rate)
        case "lbfgs":
            return LBFGS(memory, rate)
        case "scipy":
            return ScipyLBFGS()
        case "torch":
            return TorchAdam(rate)


def _is_finite(found: Evaluation) -> bool:
    return math.isfinite(found.loss) and bool(found.gradient.isfinite().all())


def _dot(a: Tensor, b: Tensor) -> float:
    return float(torch.dot(a.flatten(), b.flatten()))
