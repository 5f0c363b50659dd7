"""WorkerSupervisor: a thread that keeps one worker alive, or starts it when needed, and gives it the calls of its
queue."""

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
from impasto.jobs.workers.call import WorkerCall
from impasto.jobs.workers.call_runner import TICK, CallRunner, WorkerDied
from impasto.jobs.workers.process import Process, WorkerPlan
from impasto.jobs.workers.queue import WorkerQueue
from impasto.jobs.workers.watchdog import Watchdog
from impasto.logs import log_context

__all__ = ["WorkerSupervisor"]

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
    """The worker is to end, and the supervisor with it."""


class WorkerSupervisor:
    """Runs one worker process at a time, and replaces it when it dies, or has become too old or too large."""

    def __init__(self, queue: WorkerQueue, plan: WorkerPlan, memory_limit: int) -> None:
        """``memory_limit`` is the resident memory in bytes beyond which a worker is ended."""
        self._queue, self._plan, self._memory_limit = queue, plan, memory_limit
        self._thread = threading.Thread(target=self._run, name=f"impasto-{queue.name}", daemon=True)
        self._woken, self._waker = socket.socketpair()
        self._woken.setblocking(False)
        self._waker.setblocking(False)
        self._poller = select.poll()
        self._poller.register(self._woken, select.POLLIN)
        self._assigned: WorkerCall[Any] | None = None
        self._process: Process | None = None
        self._about: Mapping[str, str] = {}
        self._numbers = count()
        self._failures = 0
        self._is_renewing = False
        self._expired = 0.0
        self._ready_rss = 0
        self._leave_at = _NEVER
        self.state: Literal["asleep", "starting", "idle", "busy"] = "asleep" if plan.once else "starting"
        self.tasks = self.restarts = 0
        queue.join(self)

    @property
    def lane(self) -> str:
        """The name of its lane."""
        return self._queue.name

    @property
    def is_up(self) -> bool:
        """Whether the worker is ready; or was, and is only being replaced, for as long as one takes to start."""
        return self.state != "starting" or (self._is_renewing and not self._is_leaving)

    @property
    def status(self) -> dict[str, Any]:
        """Process, lane and state, resident memory in bytes, calls done and workers replaced."""
        process = self._process
        return {
            "pid": None if process is None else process.pid,
            "lane": self._queue.name,
            "state": self.state,
            "rss": 0 if process is None else process.rss,
            "tasks": self.tasks,
            "restarts": self.restarts,
        }

    def start(self) -> None:
        """Start a worker, and keep on."""
        self._thread.start()

    def give(self, call: WorkerCall[Any]) -> None:
        """Assign the next call. The queue calls this while the worker is free."""
        self._assigned = call
        self.wake()

    def wake(self) -> None:
        """Wake the thread, because something changed."""
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
                    self._wait_for_call()
                self._run_worker()
            except _Leave:
                return
            except Exception as lost:
                self._is_renewing = False
                is_bug = not isinstance(lost, WorkerDied)
                with log_context(**self._about):
                    _LOG.warning("a worker of the lane %s was lost: %s", self._queue.name, lost, exc_info=is_bug)
                self._about = {}
                is_steady = self.tasks > tasks or time.monotonic() - began > _STEADY_SECONDS
                self._failures = 0 if is_steady else self._failures + 1
                if self._failures >= _DOWN:
                    self._queue.mark_down(self, str(lost))
                if self._failures:
                    self._pause(_BACK_OFF[min(self._failures, len(_BACK_OFF)) - 1])
            else:
                self._failures = 0
                if self._plan.once:
                    self.state = "asleep"
                    continue
            self.restarts += 1

    def _wait_for_call(self) -> None:
        """Until there is a call. It stays in the lane while the worker starts: it can be given up there."""
        self.state = "asleep"
        call = self._queue.take(self)
        while call is None and not self._is_leaving:
            self._poll(None)
            if self._is_leaving:
                self._queue.withdraw(self)
            # It may have been given one just before that.
            call, self._assigned = self._assigned, None
        if call is not None:
            self._queue.put_back(call)
        if self._is_leaving:
            raise _Leave
        self.state = "starting"

    def _run_worker(self) -> None:
        """A worker's life; raises :class:`WorkerDied` where it ended before its time."""
        try:
            process = self._process = Process(self._plan)
        except OSError as error:
            raise WorkerDied(f"it could not be started: {error.strerror}") from error
        self._poller.register(process.connection.fileno(), select.POLLIN)
        fd = process.connection.fileno()
        try:
            self._wait_until_ready(process)
            for _ in range(1 if self._plan.once else _TASKS):
                call = self._next_call(process)
                if call is None:
                    break
                self.state = "busy"
                try:
                    self._run_call(process, call)
                finally:
                    self._queue.mark_done(call)
                    if not call.future.done():
                        call.fail(WorkerLost("the process that painted was lost; try again"))
                self.tasks += 1
                # What it held may be large, and the next may be long in coming.
                del call
                if process.rss > self._memory_limit:
                    break
        finally:
            self.state, self._process = "starting", None
            self._poller.unregister(fd)
            process.end()

    def _wait_until_ready(self, process: Process) -> None:
        """Wait until it is ready."""
        watch = Watchdog(process, _START_SECONDS)

        def wait(writable: bool) -> None:
            self._poll(process, writable=writable, seconds=TICK)
            if self._is_leaving:
                process.kill()
                raise _Leave
            if over := watch.exceeded():
                process.kill()
                raise WorkerDied("it hung while it started" if over == "silent" else "it takes too long to start")

        process.connection.wait = wait
        try:
            header, _ = process.connection.receive()
        except EOFError:
            raise WorkerDied(process.reap()) from None
        if header.get("kind") != "ready":
            raise WorkerDied(str(header.get("message")))
        self._ready_rss = process.rss
        # From here on its end is a planned one, unless it is lost.
        self._is_renewing = True
        self._queue.mark_up(self)

    def _next_call(self, process: Process) -> WorkerCall[Any] | None:
        """The next call, however long it takes to come; none where one was waited for that was given up, or where the
        worker holds too much and has rested."""
        self.state, self._about = "idle", {}
        call = self._queue.take(self)
        if call is None and self._plan.once:
            self._queue.withdraw(self)
            call, self._assigned = self._assigned, None
            return call
        rests_until = time.monotonic() + _REST_SECONDS if process.rss - self._ready_rss > _KEPT else _NEVER
        while call is None:
            left = rests_until - time.monotonic()
            is_gone = not self._is_leaving and self._poll(process, seconds=None if left == _NEVER else max(0.0, left))
            is_over = is_gone or self._is_leaving or time.monotonic() >= rests_until
            if is_over:
                self._queue.withdraw(self)
            # It may have been given one just before that.
            call, self._assigned = self._assigned, None
            if is_gone:
                if call is not None:
                    self._queue.put_back(call)
                raise WorkerDied(process.reap())
            if self._is_leaving and call is None:
                raise _Leave
            if is_over:
                break
        return call

    def _run_call(self, process: Process, call: WorkerCall[Any]) -> None:
        self._about = call.about

        def poll(writable: bool, seconds: float) -> None:
            self._poll(process, writable=writable, seconds=seconds)

        try:
            CallRunner(
                call,
                process,
                next(self._numbers),
                memory_limit=self._memory_limit,
                leave_at=lambda: self._leave_at,
                poll=poll,
            ).run()
        finally:
            process.connection.wait = None  # it holds on to the call

    def _poll(self, process: Process | None, *, writable: bool = False, seconds: float | None = None) -> bool:
        """Wait for the connection, or for a wake-up; returns whether the connection is ready."""
        if process is not None:
            self._poller.modify(process.connection.fileno(), select.POLLOUT if writable else select.POLLIN)
        ready = {fd for fd, _ in self._poller.poll(None if seconds is None else seconds * 1000)}
        if (now := time.monotonic()) - self._expired >= TICK:
            self._expired = now
            self._queue.expire()
        if self._woken.fileno() in ready:
            ready.remove(self._woken.fileno())
            with suppress(BlockingIOError):
                self._woken.recv(4096)
        return bool(ready)

    def _pause(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while not self._is_leaving and (left := until - time.monotonic()) > 0:
            self._poll(None, seconds=min(left, TICK))
