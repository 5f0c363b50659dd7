"""Recorder: one optimisation step, on a graphics card recorded once and replayed.

A small network's step is hundreds of short kernels: launched one by one from Python they keep a card waiting
(65 ms a step whatever the size of the crops). As a CUDA graph they are launched at once.
"""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from impasto.training.trainer import Learner, P, average_share, schedule, set_rate

__all__ = ["RecordedLearner", "StepRecorder"]

_WARMING = 3
"""Steps that are taken as they come before one is recorded: libraries choose their ways, Adam makes its state."""

BatchStep = Callable[..., dict[str, Tensor]]


class StepRecorder:
    """Runs a batch step on batches. On a card every batch step has a stream of its own, so that several fill it side by
    side.

    A batch step must be a function of its batch and of tensors that stay where they are; it must not wait for the card,
    nor look at numbers. ``randoms`` are the generators that it draws from.
    """

    def __init__(self, batch_step: BatchStep, device: torch.device, randoms: Sequence[torch.Generator] = ()) -> None:
        self._batch_step, self._randoms = batch_step, randoms
        self._stream: Any = None
        if device.type == "cuda":
            self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self._shapes: list[torch.Size] = []
        self._seen, self._refused = 0, False
        self._graph: torch.cuda.CUDAGraph | None = None
        self._inputs: tuple[Tensor, ...] = ()
        self._outputs: dict[str, Tensor] = {}
        self._previous_losses: tuple[Tensor, torch.cuda.Event] | None = None

    @contextmanager
    def lane(self) -> Iterator[None]:
        """Everything within is queued on the batch step's own stream: cutting a batch, setting a rate, the batch
        step."""
        if self._stream is None:
            yield
            return
        # What was made outside, weights and pictures, must be there.
        self._stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._stream):
            yield

    def wait(self) -> None:
        """Until all that is queued is done: before weights are read."""
        if self._stream is not None:
            self._stream.synchronize()

    def __call__(self, batch: tuple[Tensor, ...]) -> dict[str, float]:
        """One step on ``batch``, within :meth:`lane`; its terms as numbers.

        On a card these are the terms of the step before, so that nothing waits for this one.
        """
        if self._stream is None:
            told = self._batch_step(*batch)
            return dict(zip(told, _stack_losses(told).tolist(), strict=True))
        told = self._on_card(batch)
        values = torch.empty(len(told), pin_memory=True)
        values.copy_(_stack_losses(told), non_blocking=True)
        event = torch.cuda.Event()  # type: ignore[no-untyped-call]
        event.record()
        before, self._previous_losses = self._previous_losses or (values, event), (values, event)
        before[1].synchronize()
        return dict(zip(told, before[0].tolist(), strict=True))

    def _on_card(self, batch: tuple[Tensor, ...]) -> dict[str, Tensor]:
        shapes = [x.shape for x in batch]
        if shapes != self._shapes:
            self._shapes, self._seen, self._graph = shapes, 0, None
        self._seen += 1
        if self._seen <= _WARMING or self._refused:
            return self._batch_step(*batch)
        if self._graph is None:
            try:
                self._record(batch)
            except RuntimeError as error:
                # Slow is better than nothing while the card is lent.
                warnings.warn(f"a step cannot be recorded ({error}); it is taken as it comes", stacklevel=2)
                self._refused = True
                return self._batch_step(*batch)
        assert self._graph is not None
        for place, x in zip(self._inputs, batch, strict=True):
            place.copy_(x)
        self._graph.replay()
        return self._outputs

    def _record(self, batch: tuple[Tensor, ...]) -> None:
        """The batch step as a graph: recording it does not run it."""
        self._inputs = tuple(x.clone() for x in batch)
        graph = torch.cuda.CUDAGraph()
        for random in self._randoms:
            graph.register_generator_state(random)
        with torch.cuda.graph(graph, stream=self._stream):
            self._outputs = self._batch_step(*self._inputs)
        self._graph = graph


class RecordedLearner(Learner[P]):
    """A learner whose step is a batch step on a batch: cut, then learnt by, then followed by the average."""

    warming = 100
    """Steps until the whole rate."""
    follows = 500
    """Steps over which the average goes."""

    def record(self, device: torch.device, random: torch.Generator, *optimisers: torch.optim.Optimizer) -> None:
        """Make ready: the batch step draws from ``random``, and these are its optimisers."""
        self.share = torch.zeros((), device=device)
        self.recorder = StepRecorder(self.batch_step, device, [random])
        self._optimisers = optimisers

    @abstractmethod
    def batch(self) -> tuple[Tensor, ...]:
        """What is learnt from next."""

    @abstractmethod
    def batch_step(self, *batch: Tensor) -> dict[str, Tensor]:
        """Learn from a batch, and let the average follow by ``share``; losses by term. As :class:`StepRecorder`
        asks."""

    def step(self) -> dict[str, float]:
        """One optimisation step; its losses by term, on a card those of the step before."""
        with self.recorder.lane():
            for optimiser in self._optimisers:
                set_rate(optimiser, self.plan.learning_rate * schedule(self.number, self.done, self.warming))
            # Counted from the step that is taken now.
            self.share.fill_(average_share(self.number + 1, self.follows))
            told = self.recorder(self.batch())
        self.number += 1
        return told


def _stack_losses(told: dict[str, Tensor]) -> Tensor:
    return torch.stack([value.detach().float() for value in told.values()])
