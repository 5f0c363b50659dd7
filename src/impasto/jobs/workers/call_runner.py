"""CallRunner: sends one call to one worker, and watches it until it is over."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from impasto.jobs.errors import Cancelled, WorkerLost
from impasto.jobs.records.error_codec import decode_error
from impasto.jobs.workers.call import WorkerCall
from impasto.jobs.workers.process import Process
from impasto.jobs.workers.transport import Message
from impasto.jobs.workers.watchdog import Watchdog

__all__ = ["TICK", "CallRunner", "WorkerDied"]

TICK = 0.5
"""Seconds between looks at the memory and the time of what is running."""
_ANSWER_SECONDS = 5.0
"""How long a worker that is told to end may take until it is killed, where everything ends; elsewhere it may go on to
its next look at what it is told, as long as it does anything: a new one costs more than the rest of a step."""
_NEVER = float("inf")


class WorkerDied(Exception):
    """The worker is gone; the message says why."""


class _LimitExceeded(Exception):
    """The worker has to go, for ``memory``, for ``time``, or because it is ``silent``."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"it was killed ({reason})")
        self.reason = reason


class CallRunner:
    """Sends the call, and watches it until the caller has a result or an error."""

    def __init__(
        self,
        call: WorkerCall[Any],
        process: Process,
        number: int,
        *,
        memory_limit: int,
        leave_at: Callable[[], float],
        poll: Callable[[bool, float], None],
    ) -> None:
        """``number`` tells this call's messages from another's. ``leave_at`` says when everything is to end, and
        ``poll`` waits for the connection or a wake-up, for at most so many seconds."""
        self._call, self._process, self._number = call, process, number
        self._memory_limit, self._leave_at, self._poll = memory_limit, leave_at, poll
        self._is_sending = self._is_kept = False
        # What the caller gets where it is ended, since when it is being ended, and whether a result that comes
        # nevertheless is welcome.
        self._error: BaseException | None = None
        self._ending, self._is_welcome = _NEVER, True
        self._checked_at = time.monotonic()
        # Of all the processors that it computes with.
        self._watchdog = Watchdog(process, call.limit * process.threads)

    def run(self) -> None:
        """Raises :class:`WorkerDied` where the worker is gone afterwards."""
        call, connection = self._call, self._process.connection
        if call.cancelled:
            call.fail(Cancelled("it was cancelled before it began"))
            return
        connection.wait = self._wait
        try:
            reports = call.on_report is not None
            left = None if call.due is None else call.due - time.monotonic()
            facts = {"number": self._number, "told": reports, "left": left, "about": dict(call.about)}
            self._send({**call.header, **facts}, call.blobs)
            self._forward_requests()
            while not self._is_finished(connection.receive()):
                pass
        except EOFError:
            words = self._process.reap()
            call.fail(self._error or WorkerLost("the process that painted died; try again"))
            raise WorkerDied(words) from None
        except _LimitExceeded as over:
            self._process.kill()
            call.fail(self._error or self._lost_error(over.reason))
            raise WorkerDied(str(over)) from None

    def _is_finished(self, message: Message) -> bool:
        """Handle a message of the worker; whether it was the last one."""
        header, blobs = message
        kind = header.get("kind")
        if kind == "progress":
            self._pass_report({**header, "preview": blobs[0] if blobs else None})
            return False
        if kind == "done" and self._is_welcome:
            self._call.finish(message)
        elif self._error is not None and kind in ("done", "failed", "ended"):
            self._call.fail(self._error)
        elif kind == "failed":
            self._call.fail(decode_error(header))
        else:
            raise EOFError("the worker sent a message that cannot be decoded")
        return True

    def _pass_report(self, report: dict[str, Any]) -> None:
        del report["kind"]
        if self._call.on_report is None or self._error is not None:
            return
        try:
            self._call.on_report(report)
        except Exception as error:
            self._end(error)

    def _wait(self, writable: bool) -> None:
        """Wait until the connection is ready, or something may have changed. Raises :class:`_LimitExceeded`."""
        self._poll(writable, TICK)
        now = time.monotonic()
        if now - self._ending > _ANSWER_SECONDS and now >= self._leave_at():
            raise _LimitExceeded("silent")
        if now - self._checked_at >= TICK:
            self._checked_at = now
            if self._process.rss > self._memory_limit:
                raise _LimitExceeded("memory")
            if over := self._watchdog.exceeded(_ANSWER_SECONDS if self._error is not None else None):
                raise _LimitExceeded(over)
        self._forward_requests()

    def _forward_requests(self) -> None:
        """Pass a cancellation, or the wish to keep the result, on to the worker."""
        call = self._call
        if self._error is None and call.cancelled:
            self._end(Cancelled("it was cancelled"))
        elif self._error is None and time.monotonic() >= self._leave_at():
            self._end(WorkerLost("the server is stopping; the job goes on when it is back", "stopped"), is_welcome=True)
        elif call.kept and not self._is_kept and not self._is_sending:
            self._is_kept = True
            self._send({"kind": "keep", "number": self._number})

    def _end(self, verdict: BaseException, *, is_welcome: bool = False) -> None:
        self._error, self._is_welcome, self._ending = verdict, is_welcome, time.monotonic()
        # In the midst of a message there is no saying another: that one is soon through, or the worker is killed.
        if not self._is_sending:
            self._send({"kind": "cancel", "number": self._number})

    def _send(self, header: Mapping[str, Any], blobs: Sequence[bytes] = ()) -> None:
        self._is_sending = True
        self._process.connection.send(header, blobs)
        self._is_sending = False

    def _lost_error(self, reason: str) -> WorkerLost:
        if reason == "silent":
            return WorkerLost("the process that painted hung and was ended; try again")
        learns = self._call.header["kind"] == "train"
        if reason == "memory":
            remedy = "give fewer photographs" if learns else "give a smaller picture or size"
            return WorkerLost(f"it took more than {self._memory_limit / 1e9:.1f} GB of memory; {remedy}", reason)
        remedy = "retry, and it goes on where it was" if learns else "give a smaller size, or fewer steps"
        return WorkerLost(f"it took more than {self._call.limit:g} seconds; {remedy}", reason)
