"""A training run: steps until its minutes are spent, a log, checkpoints."""

from __future__ import annotations

import io
import json
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import torch
from torch import Tensor, nn

from impasto.inference.without_telemetry import quiet
from impasto.picture.files import write_atomically

__all__ = [
    "Learner",
    "Step",
    "average_share",
    "crop_side",
    "load_optimiser",
    "load_state",
    "make_adam",
    "optimise_step",
    "read_checkpoint",
    "run_training",
    "schedule",
    "set_rate",
    "training_device",
    "training_dtype",
    "update_average",
    "write_checkpoint",
    "write_portable",
]


@dataclass(frozen=True)
class Step:
    """One optimisation step: number, minutes trained over all runs, share of the plan done, losses by term.

    A plan is of minutes, so ``left``, in seconds, is not a guess.
    """

    number: int
    minutes: float
    done: float
    losses: dict[str, float]
    left: float = 0.0


class RunPlan(Protocol):
    """What every plan says of its run: folder, minutes over all runs, seconds between checkpoints, largest rate."""

    @property
    def run(self) -> Path: ...

    @property
    def minutes(self) -> float: ...

    @property
    def save_every(self) -> float: ...

    @property
    def learning_rate(self) -> float: ...


P = TypeVar("P", bound=RunPlan)


class Learner(ABC, Generic[P]):
    """What a run drives: networks, an optimiser and data, by a plan."""

    def __init__(self, plan: P) -> None:
        self.plan = plan
        self.number, self.minutes = 0, 0.0

    @property
    def checkpoint(self) -> Path:
        """The file that :meth:`save` writes."""
        return self.plan.run / "checkpoint.pt"

    @property
    def portable(self) -> Path:
        """The averaged weights alone, in half precision: what goes from machine to machine. Continued from, too."""
        return self.plan.run / "average.pt"

    @property
    def done(self) -> float:
        """Share of the plan done, 0..1."""
        return min(1.0, self.minutes / self.plan.minutes)

    @abstractmethod
    def step(self) -> dict[str, float]:
        """One optimisation step; its losses by term."""

    @abstractmethod
    def save(self) -> None:
        """Write a checkpoint to continue from."""

    @abstractmethod
    def close(self) -> None:
        """Let go, keeping what was learnt."""


def run_training(learner: Learner[P], clock: Callable[[], float] = time.monotonic) -> Generator[Step, None, None]:
    """Train until ``learner.done`` is 1; a line of losses goes to ``log.jsonl`` in the run folder after every step.

    ``clock`` says what the plan's minutes are made of, in seconds: ``time.process_time`` beside other work.
    """
    run, save_every = learner.plan.run, learner.plan.save_every
    run.mkdir(parents=True, exist_ok=True)
    saved = last = clock()
    with (run / "log.jsonl").open("a") as log, closing(learner):
        while learner.done < 1:
            losses = learner.step()
            now = clock()
            learner.minutes, last = learner.minutes + (now - last) / 60, now
            log.write(json.dumps({"step": learner.number, "minutes": round(learner.minutes, 3), **losses}) + "\n")
            if now - saved > save_every:
                log.flush()
                learner.save()
                saved = now
            left = max(0.0, learner.plan.minutes - learner.minutes) * 60
            yield Step(learner.number, learner.minutes, learner.done, losses, left)


def training_device() -> torch.device:
    """A graphics card where there is one."""
    if torch.cuda.is_available():
        torch.backends.cudnn.benchmark = True  # crops are of few sizes
        return torch.device("cuda")
    return torch.device("cpu")


def training_dtype(where: torch.device) -> torch.dtype:
    """What to calculate in: bf16, save on a processor that must imitate it, which takes 2.5 times as long."""
    native = where.type != "cpu" or torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return torch.bfloat16 if native else torch.float32


def make_adam(network: nn.Module, rate: float, where: torch.device) -> torch.optim.Adam:
    """Adam for a network; on a graphics card its rate lies there too, so that a recorded step uses it."""
    card = where.type == "cuda"
    with quiet():
        return torch.optim.Adam(
            [p for p in network.parameters() if p.requires_grad],
            lr=torch.tensor(rate, device=where) if card else rate,
            betas=(0.9, 0.99),
            fused=True,
            capturable=card,
        )


def optimise_step(
    optimiser: torch.optim.Optimizer, network: nn.Module, terms: Mapping[str, Tensor], loss: Tensor
) -> dict[str, Tensor]:
    """One step down the slope of ``loss``, and none where it is not finite; returns all terms. Waits for no card."""
    optimiser.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    norm = nn.utils.clip_grad_norm_(network.parameters(), 1.0)
    for parameter in network.parameters():
        if parameter.grad is not None:
            # Clipping an infinite gradient leaves NaN and zeros.
            parameter.grad.nan_to_num_(0.0, 0.0, 0.0)
    optimiser.step()
    return {"loss": loss, **terms, "gradient": norm}


def update_average(average: nn.Module, network: nn.Module, share: Tensor) -> None:
    """Move ``average`` towards ``network`` by that ``share``, a number on their device."""
    with torch.no_grad():
        mine: list[Tensor] = list(average.parameters())
        theirs: list[Tensor] = list(network.parameters())
        away = torch._foreach_sub(theirs, mine)
        torch._foreach_mul_(away, share)
        torch._foreach_add_(mine, list(away))


def average_share(number: int, steps: int = 500) -> float:
    """By what share an average follows at step ``number``: over ``steps`` in the end, over fewer at first."""
    return 1 - min(1 - 1 / steps, number / (number + 10))


def write_checkpoint(file: Path, state: dict[str, Any]) -> None:
    """Replace ``file`` by ``state``, so that whoever pulls the plug finds the one or the other."""
    stream = io.BytesIO()
    torch.save(state, stream)
    write_atomically(file, stream.getvalue())


def set_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    """Let every parameter learn at ``rate`` from now on."""
    for group in optimiser.param_groups:
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(rate)
        else:
            group["lr"] = rate


def load_optimiser(optimiser: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Go on with a saved ``state``, but with rates where this optimiser keeps them."""
    rates = [group["lr"] for group in optimiser.param_groups]
    optimiser.load_state_dict(state)
    for group, rate in zip(optimiser.param_groups, rates, strict=True):
        group["lr"] = rate


def write_portable(
    file: Path, kind: str, shape: dict[str, Any], average: nn.Module, number: int, minutes: float
) -> None:
    """Replace ``file`` by the weights of ``average`` in half precision, readable as a checkpoint of that ``kind``."""
    weights = {name: value.half() for name, value in average.state_dict().items()}
    write_checkpoint(file, {kind: shape, "average": weights, "number": number, "minutes": minutes})


def crop_side(sizes: Sequence[int], done: float) -> int:
    """The side of crops where that share of the plan is done: each has an equal share of the time."""
    return sizes[min(len(sizes) - 1, int(done * len(sizes)))]


def schedule(number: int, done: float, warming: int = 100) -> float:
    """Share of the learning rate: a few steps of warming up, then a cosine down to 2 %."""
    return min(1.0, (number + 1) / warming) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * done)))


def load_state(run: Path) -> dict[str, Any]:
    """What is on file of a run: its checkpoint, or the averaged weights that came from another machine."""
    file = run / "checkpoint.pt"
    return read_checkpoint(file if file.is_file() else run / "average.pt")


def read_checkpoint(file: Path, where: torch.device | str = "cpu") -> dict[str, Any]:
    """What :func:`write_checkpoint` wrote, on that device. Raises ``RuntimeError`` that names a torn file."""
    try:
        state: dict[str, Any] = torch.load(file, map_location=where, weights_only=True)
    except Exception as error:  # torch raises a dozen kinds
        reason = (str(error).strip().splitlines() or [""])[0] or type(error).__name__
        raise RuntimeError(
            f"{file} is not a checkpoint that can be read: {reason}; remove it, or name another run"
        ) from error
    return state
