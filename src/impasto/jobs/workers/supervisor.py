"""Keeper: a thread that keeps one worker alive, or starts it when needed, and takes errands of its lane to it."""

from __future__ import annotations

import logging
import select
import socket
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from itertools import count
from typing import Any, Literal

from impasto.jobs.errors import WorkerLost
from impasto.jobs.workers.call import Errand
from impasto.jobs.workers.call_runner import TICK, Doing, Lost
from impasto.jobs.workers.process import Plan, Process
from impasto.jobs.workers.queue import Lane
from impasto.jobs.workers.watchdog import Watch
from impasto.logs import about

__all__ = ["Keeper"]

_LOG = logging.getLogger("impasto.jobs")
_START_SECONDS = 120.0
"""Of processor time, until it is ready."""
_TASKS = 5000
"""After so many, a worker is replaced: what leaks in libraries never grows large."""
_STEADY_SECONDS = 10.0
"""A worker that lived so long, or did something, had started well."""
_BACK_OFF = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
"""Seconds until the next start, after one, two ... that failed."""
_DOWN = 5
"""So many failed starts in a row, and nobody waits for this worker any more."""
_KEPT = 384 << 20
"""Bytes that a worker may hold beyond what it had when it was ready: a large picture leaves its buffers behind."""
_REST_SECONDS = 2.0
"""How long one that holds more is idle until it is replaced: nobody is to wait for that."""
_NEVER = float("inf")


class _Leave(Exception):
    """The worker is to end, and the keeper with it."""


class Keeper:
    """Of one worker at a time; when it dies, or is too old or too large, of the next."""

    def __init__(self, lane: Lane, plan: Plan, memory_limit: int) -> None:
        """``memory_limit`` is the resident memory in bytes beyond which a worker is ended."""
        self._lane, self._plan, self._memory_limit = lane, plan, memory_limit
        self._thread = threading.Thread(target=self._run, name=f"impasto-{lane.name}", daemon=True)
        self._woken, self._waker = socket.socketpair()
        self._woken.setblocking(False)
        self._waker.setblocking(False)
        self._poller = select.poll()
        self._poller.register(self._woken, select.POLLIN)
        self._given: Errand[Any] | None = None
        self._process: Process | None = None
        self._about: Mapping[str, str] = {}
        self._numbers = count()
        self._failures = 0
        self._is_renewing = False
        self._expired = 0.0
        self._lean = 0
        self._leave_at = _NEVER
        self.state: Literal["asleep", "starting", "idle", "busy"] = "asleep" if plan.once else "starting"
        self.tasks = self.restarts = 0
        lane.join(self)

    @property
    def lane(self) -> str:
        """The name of its lane."""
        return self._lane.name

    @property
    def is_up(self) -> bool:
        """Whether the worker is ready; or was, and is only being replaced, for as long as one takes to start."""
        return self.state != "starting" or (self._is_renewing and not self._is_leaving)

    @property
    def status(self) -> dict[str, Any]:
        """Process, lane and state, resident memory in bytes, errands done and workers replaced."""
        process = self._process
        return {
            "pid": None if process is None else process.pid,
            "lane": self._lane.name,
            "state": self.state,
            "rss": 0 if process is None else process.rss,
            "tasks": self.tasks,
            "restarts": self.restarts,
        }

    def start(self) -> None:
        """Start a worker, and keep on."""
        self._thread.start()

    def give(self, errand: Errand[Any]) -> None:
        """Called by the lane, while this is free."""
        self._given = errand
        self.wake()

    def wake(self) -> None:
        """There are news."""
        # Where there is no room for one more byte, it is awake; and where it is closed, it is over.
        with suppress(OSError):
            self._waker.send(b"\0")

    def leave(self, grace: float) -> None:
        """End the worker: at once where it is idle, and after ``grace`` seconds where it is still busy by then."""
        self._leave_at = time.monotonic() + grace
        self.wake()

    def join(self) -> None:
        """Wait until the worker is gone."""
        if self._thread.ident is not None:
            self._thread.join()
        self._woken.close()
        self._waker.close()

    @property
    def _is_leaving(self) -> bool:
        return self._leave_at < _NEVER

    def _run(self) -> None:
        while not self._is_leaving:
            began, tasks = time.monotonic(), self.tasks
            try:
                # One that could not be started is tried again: those who come meanwhile are told so.
                if self._plan.once and not self._failures:
                    self._await()
                self._live()
            except _Leave:
                return
            except Exception as lost:
                self._is_renewing = False
                is_bug = not isinstance(lost, Lost)
                with about(**self._about):
                    _LOG.warning("a worker of the lane %s was lost: %s", self._lane.name, lost, exc_info=is_bug)
                self._about = {}
                is_steady = self.tasks > tasks or time.monotonic() - began > _STEADY_SECONDS
                self._failures = 0 if is_steady else self._failures + 1
                if self._failures >= _DOWN:
                    self._lane.down(self, str(lost))
                if self._failures:
                    self._pause(_BACK_OFF[min(self._failures, len(_BACK_OFF)) - 1])
            else:
                self._failures = 0
                if self._plan.once:
                    self.state = "asleep"
                    continue
            self.restarts += 1

    def _await(self) -> None:
        """Until there is an errand. It stays in the lane while the worker starts: it can be given up there."""
        self.state = "asleep"
        errand = self._lane.take(self)
        while errand is None and not self._is_leaving:
            self._poll(None)
            if self._is_leaving:
                self._lane.withdraw(self)
            # It may have been given one just before that.
            errand, self._given = self._given, None
        if errand is not None:
            self._lane.put_back(errand)
        if self._is_leaving:
            raise _Leave
        self.state = "starting"

    def _live(self) -> None:
        """A worker's life; raises :class:`Lost` where it ended before its time."""
        try:
            process = self._process = Process(self._plan)
        except OSError as error:
            raise Lost(f"it could not be started: {error.strerror}") from error
        self._poller.register(process.wire.fileno(), select.POLLIN)
        fd = process.wire.fileno()
        try:
            self._welcome(process)
            for _ in range(1 if self._plan.once else _TASKS):
                errand = self._next(process)
                if errand is None:
                    break
                self.state = "busy"
                try:
                    self._do(process, errand)
                finally:
                    self._lane.done(errand)
                    if not errand.future.done():
                        errand.fail(WorkerLost("the process that painted was lost; try again"))
                self.tasks += 1
                # What it held may be large, and the next may be long in coming.
                del errand
                if process.rss > self._memory_limit:
                    break
        finally:
            self.state, self._process = "starting", None
            self._poller.unregister(fd)
            process.end()

    def _welcome(self, process: Process) -> None:
        """Wait until it is ready."""
        watch = Watch(process, _START_SECONDS)

        def wait(writable: bool) -> None:
            self._poll(process, writable=writable, seconds=TICK)
            if self._is_leaving:
                process.kill()
                raise _Leave
            if over := watch.over():
                process.kill()
                raise Lost("it hung while it started" if over == "silent" else "it takes too long to start")

        process.wire.wait = wait
        try:
            header, _ = process.wire.receive()
        except EOFError:
            raise Lost(process.bury()) from None
        if header.get("kind") != "ready":
            raise Lost(str(header.get("message")))
        self._lean = process.rss
        # From here on its end is a planned one, unless it is lost.
        self._is_renewing = True
        self._lane.up(self)

    def _next(self, process: Process) -> Errand[Any] | None:
        """The next errand, however long it takes to come; none where one was waited for that was given up, or where the
        worker holds too much and has rested."""
        self.state, self._about = "idle", {}
        errand = self._lane.take(self)
        if errand is None and self._plan.once:
            self._lane.withdraw(self)
            errand, self._given = self._given, None
            return errand
        rests_until = time.monotonic() + _REST_SECONDS if process.rss - self._lean > _KEPT else _NEVER
        while errand is None:
            left = rests_until - time.monotonic()
            is_gone = not self._is_leaving and self._poll(process, seconds=None if left == _NEVER else max(0.0, left))
            is_over = is_gone or self._is_leaving or time.monotonic() >= rests_until
            if is_over:
                self._lane.withdraw(self)
            # It may have been given one just before that.
            errand, self._given = self._given, None
            if is_gone:
                if errand is not None:
                    self._lane.put_back(errand)
                raise Lost(process.bury())
            if self._is_leaving and errand is None:
                raise _Leave
            if is_over:
                break
        return errand

    def _do(self, process: Process, errand: Errand[Any]) -> None:
        self._about = errand.about

        def poll(writable: bool, seconds: float) -> None:
            self._poll(process, writable=writable, seconds=seconds)

        try:
            Doing(
                errand,
                process,
                next(self._numbers),
                memory_limit=self._memory_limit,
                leave_at=lambda: self._leave_at,
                poll=poll,
            ).run()
        finally:
            process.wire.wait = None  # it holds on to the errand

    def _poll(self, process: Process | None, *, writable: bool = False, seconds: float | None = None) -> bool:
        """Wait for the wire, or for news; returns whether the wire is ready."""
        if process is not None:
            self._poller.modify(process.wire.fileno(), select.POLLOUT if writable else select.POLLIN)
        ready = {fd for fd, _ in self._poller.poll(None if seconds is None else seconds * 1000)}
        if (now := time.monotonic()) - self._expired >= TICK:
            self._expired = now
            self._lane.expire()
        if self._woken.fileno() in ready:
            ready.remove(self._woken.fileno())
            with suppress(BlockingIOError):
                self._woken.recv(4096)
        return bool(ready)

    def _pause(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while not self._is_leaving and (left := until - time.monotonic()) > 0:
            self._poll(None, seconds=min(left, TICK))
