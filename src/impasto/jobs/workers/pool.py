"""Pool: workers in lanes: for interactive requests, for bulk jobs, and for training."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, TypeVar

from impasto.errors import PictureError, RequestError
from impasto.inference.machine import cores
from impasto.jobs.errors import WorkerLost
from impasto.jobs.workers.call import Cancel, ReportListener, WorkerCall
from impasto.jobs.workers.messages import Painted, Source, Task, pack_source
from impasto.jobs.workers.process import WorkerPlan
from impasto.jobs.workers.queue import WorkerQueue
from impasto.jobs.workers.supervisor import WorkerSupervisor
from impasto.jobs.workers.train_task import TrainTask
from impasto.jobs.workers.transport import Message

__all__ = ["Cancel", "Pool"]

T = TypeVar("T")
LaneName = Literal["interactive", "bulk"]
AnyLane = Literal["interactive", "bulk", "probing", "training"]

_MOST_INTERACTIVE = 4
_NICE, _NICER = 10, 15
_TRIES = 2
"""Reading a picture whose reader died once may have been another's doing."""
_PATIENCE = 60.0
"""Seconds that a picture may wait to be read."""
_REFUSED = {"time": "too long", "memory": "too much memory"}


class Pool:
    """Keeps workers alive and gives them tasks; each is done once, first come, first served, and fair between owners.
    Safe to use from several threads.

    A worker decodes, paints and encodes, in a process of its own: what a file or a library does to it, it does to that
    task alone.
    """

    def __init__(
        self,
        *,
        interactive: int | None = None,
        bulk: int | None = None,
        probing: int = 0,
        training: int = 0,
        threads: int | None = None,
        memory_limit: int = 4 << 30,
        time_limit: float = 3600.0,
        home: Path | None = None,
    ) -> None:
        """``interactive`` and ``bulk`` are the workers of each lane: by default one for each core up to four, and one.
        Without ``bulk`` ones, the interactive ones do everything but training; those in ``probing`` read pictures, else
        the interactive ones do. A ``training`` worker is started when there is a task, ends after it,
        and has the lowest priority.

        ``threads`` is what each computes with: by default the interactive ones have twice the cores between them, and a
        bulk one takes all when nobody else does. ``memory_limit`` is the resident memory of a worker in bytes,
        ``time_limit`` what a task may take, in seconds of a machine that has nothing else to do: beside other work, the
        processor time is what counts. ``home`` is the folder of the user's own styles.
        """
        available = cores()
        interactive = min(available, _MOST_INTERACTIVE) if interactive is None else interactive
        bulk = 1 if bulk is None else bulk
        if interactive < 1 or bulk < 0:
            raise ValueError(f"{interactive} interactive and {bulk} bulk workers; give 1 or more and 0 or more")
        counts = {"interactive": interactive, "bulk": bulk, "probing": probing, "training": training}
        self._time_limit = time_limit
        self._queues = {name: WorkerQueue(name) for name, count in counts.items() if count}
        # Twice what there is: a lone picture has more of it, and several lose little by taking turns.
        each = min(available, max(1, 2 * available // interactive))
        plans: list[tuple[AnyLane, WorkerPlan]] = [("interactive", WorkerPlan(threads or each))] * interactive
        plans += [("bulk", WorkerPlan(threads or available, warm=False, nice=_NICE))] * bulk
        plans += [("probing", WorkerPlan(1, warm=False))] * probing
        plans += [("training", WorkerPlan(threads or available, warm=False, nice=_NICER, once=True))] * training
        self._supervisors = [
            WorkerSupervisor(self._queues[name], replace(plan, home=home, memory=memory_limit), memory_limit)
            for name, plan in plans
        ]

    def start(self) -> None:
        """Start the workers. Tasks may be given at once; they wait until one is ready."""
        for supervisor in self._supervisors:
            supervisor.start()

    def stop(self, grace: float) -> None:
        """End the workers, and take no more tasks.

        What runs may finish within ``grace`` seconds; then it is saved where it can be, and lost to the caller as what
        waits is: :class:`WorkerLost` whose reason is ``stopped``.
        """
        for lane in self._queues.values():
            lane.close()
        for supervisor in self._supervisors:
            supervisor.leave(grace)
        for supervisor in self._supervisors:
            supervisor.join()

    def paint(
        self,
        task: Task,
        *,
        lane: LaneName,
        on_report: ReportListener | None = None,
        cancelled: Cancel | None = None,
        timeout: float | None = None,
        patience: float | None = None,
        owner: str = "",
        is_instant: bool = False,
    ) -> Painted:
        """Paint and wait for it.

        ``on_report`` gets reports: ``stage``, ``done`` (0..1), ``seconds``, ``seconds_left``, ``step`` of ``steps``,
        ``losses``, ``size``, ``memory``, ``preview`` (JPEG or none), and as ``trace`` the losses of every step since
        the last report; what it raises ends the task and is raised here. ``timeout`` is what a worker may take, instead
        of the pool's limit; ``patience`` how many seconds to wait for one, by default as many; ``owner`` whose task it
        is. One that ``is_instant`` is not begun where it will not be there ``timeout`` seconds from now.

        Raises the engine's errors; :class:`Cancelled`; :class:`WorkerLost` where the worker ``died``, took too much
        ``memory`` or ``time``, workers cannot be started (``down``), or the pool is ``stopped``; :class:`QueueFull`
        where no worker was free for too long; and :class:`TooDear`.
        """
        return self.submit(
            task,
            lane=lane,
            on_report=on_report,
            cancelled=cancelled,
            timeout=timeout,
            patience=patience,
            owner=owner,
            is_instant=is_instant,
        ).result()

    def submit(
        self,
        task: Task,
        *,
        lane: LaneName,
        on_report: ReportListener | None = None,
        cancelled: Cancel | None = None,
        timeout: float | None = None,
        patience: float | None = None,
        owner: str = "",
        is_instant: bool = False,
    ) -> Future[Painted]:
        """The same without waiting. The future cannot be cancelled: ``cancelled`` can."""
        header, blobs = task.to_message()
        if lane not in ("interactive", "bulk"):
            raise ValueError(f"there is no lane {lane!r}; give interactive or bulk")
        try:
            json.dumps(header)
        except (TypeError, ValueError) as error:
            raise RequestError(f"the settings are not JSON: {error}; give numbers, texts, true and false") from error
        limit = self._time_limit if timeout is None else timeout
        call = WorkerCall(
            {"kind": "paint", **header},
            blobs,
            Painted.from_message,
            limit,
            on_report,
            cancelled,
            owner,
            patience,
            time.monotonic() + limit if is_instant else None,
        )
        self._queue(lane).put(call)
        return call.future

    def train(
        self,
        task: TrainTask,
        *,
        on_report: ReportListener | None = None,
        cancelled: Cancel | None = None,
        timeout: float | None = None,
        owner: str = "",
    ) -> Painted:
        """Train a network and wait for it, after all trainings queued before; returns the last sheet of samples.
        Reports and errors are as of :meth:`paint`."""
        header, blobs = task.to_message()
        limit = self._time_limit if timeout is None else timeout
        call = WorkerCall(
            {"kind": "train", **header}, blobs, Painted.from_message, limit, on_report, cancelled, owner, math.inf
        )
        self._queues["training"].put(call)
        return call.future.result()

    def probe(
        self, pictures: Sequence[Source], max_pixels: int, *, timeout: float = 10.0, owner: str = ""
    ) -> list[tuple[int, int]]:
        """Width and height of pictures, each decoded as it will be; of style cards 0 and 0.

        ``timeout`` is what each may take, in seconds. Raises what is wrong with the first that cannot be used, also
        where it took too much time or memory, or the worker with it.
        """
        return [self._probe(picture, max_pixels, timeout, owner) for picture in pictures]

    def card(
        self,
        name: str,
        pictures: Sequence[Source],
        texts: Mapping[str, str],
        max_pixels: int,
        *,
        timeout: float,
        patience: float = _PATIENCE,
        owner: str = "",
    ) -> bytes:
        """A style card's file, made of paintings; ``texts`` may name the ``network`` that paints it. ``timeout`` is
        what it may take, and ``patience`` what it may wait, in seconds. Raises as :meth:`probe`."""
        blobs: list[bytes] = []
        header = {
            "kind": "card",
            "name": name,
            "pictures": [pack_source(picture, blobs) for picture in pictures],
            "texts": dict(texts),
            "max_pixels": max_pixels,
        }
        return self._read(
            self._queue("interactive"),
            lambda: WorkerCall(header, blobs, _card, timeout, owner=owner, patience=patience),
        )

    @property
    def ready(self) -> bool:
        """Whether an interactive worker has its model warm, or is replaced by one that will."""
        return any(supervisor.is_up for supervisor in self._supervisors if supervisor.lane == "interactive")

    def workers(self, lane: AnyLane) -> int:
        """How many workers a lane has of its own."""
        return sum(supervisor.lane == lane for supervisor in self._supervisors)

    def status(self) -> list[dict[str, Any]]:
        """Of each worker: ``pid``, ``lane``, ``state`` (``asleep``, ``starting``, ``idle`` or ``busy``), ``rss`` in
        bytes, ``tasks`` done, and ``restarts``."""
        return [supervisor.status for supervisor in self._supervisors]

    def _queue(self, name: LaneName) -> WorkerQueue:
        return self._queues.get(name, self._queues["interactive"])

    def _probe(self, picture: Source, max_pixels: int, timeout: float, owner: str) -> tuple[int, int]:
        blobs: list[bytes] = []
        header = {"kind": "probe", "picture": pack_source(picture, blobs), "max_pixels": max_pixels}
        return self._read(
            self._queues.get("probing", self._queues["interactive"]),
            lambda: WorkerCall(header, blobs, _size, timeout, owner=owner, patience=_PATIENCE),
        )

    def _read(self, queue: WorkerQueue, call: Callable[[], WorkerCall[T]]) -> T:
        """Have a picture read, and let the picture bear the blame where that takes the worker with it."""
        died: WorkerLost | None = None
        for _ in range(_TRIES):
            asked = call()
            queue.put(asked)
            try:
                return asked.future.result()
            except WorkerLost as lost:
                if much := _REFUSED.get(lost.reason):
                    raise PictureError(f"the picture takes {much} to read; give a smaller one") from lost
                if lost.reason != "died":
                    raise
                died = lost.with_traceback(None)
        raise PictureError(
            "the picture cannot be read: its decoder crashes; save it again, or in another format"
        ) from died


def _size(message: Message) -> tuple[int, int]:
    width, height = message[0]["size"]
    return int(width), int(height)


def _card(message: Message) -> bytes:
    (data,) = message[1]
    return data
