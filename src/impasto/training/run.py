"""A training run: steps until its minutes are spent, a log, checkpoints."""

from __future__ import annotations

import json
import math
import os
import time
from abc import ABC, abstractmethod
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import torch
from torch import nn

__all__ = ["Learner", "Step", "follow", "follow_average", "schedule", "write_checkpoint"]


@dataclass(frozen=True)
class Step:
    """One optimisation step: number, minutes trained over all runs, share of the plan done, losses by term."""

    number: int
    minutes: float
    done: float
    losses: dict[str, float]


class RunPlan(Protocol):
    """What every plan says of its run: folder, minutes over all runs, seconds between checkpoints."""

    @property
    def run(self) -> Path: ...

    @property
    def minutes(self) -> float: ...

    @property
    def save_every(self) -> float: ...


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


def follow(learner: Learner[P]) -> Generator[Step, None, None]:
    """Train until ``learner.done`` is 1; a line of losses goes to ``log.jsonl`` in the run folder after every step."""
    run, save_every = learner.plan.run, learner.plan.save_every
    run.mkdir(parents=True, exist_ok=True)
    saved = last = time.monotonic()
    with (run / "log.jsonl").open("a") as log, closing(learner):
        while learner.done < 1:
            losses = learner.step()
            now = time.monotonic()
            learner.minutes, last = learner.minutes + (now - last) / 60, now
            log.write(json.dumps({"step": learner.number, "minutes": round(learner.minutes, 3), **losses}) + "\n")
            if now - saved > save_every:
                log.flush()
                learner.save()
                saved = now
            yield Step(learner.number, learner.minutes, learner.done, losses)


def follow_average(average: nn.Module, network: nn.Module, number: int) -> None:
    """Move ``average`` towards ``network`` after step ``number``: over 500 steps in the end, over fewer at first."""
    keep = min(0.998, number / (number + 10))
    with torch.no_grad():
        for slow, fast in zip(average.parameters(), network.parameters(), strict=True):
            slow.lerp_(fast, 1 - keep)


def write_checkpoint(file: Path, state: dict[str, Any]) -> None:
    """Replace ``file`` by ``state``, so that whoever pulls the plug finds the one or the other."""
    partial = file.with_suffix(".part")
    torch.save(state, partial)
    os.replace(partial, file)


def schedule(number: int, done: float) -> float:
    """Share of the learning rate: 100 steps of warming up, then a cosine down to 2 %."""
    return min(1.0, (number + 1) / 100) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * done)))
