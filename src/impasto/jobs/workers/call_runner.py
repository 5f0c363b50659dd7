"""Doing: one errand in the hands of one worker, watched until it is over."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from impasto.jobs.errors import Cancelled, WorkerLost
from impasto.jobs.records.error_codec import raised
from impasto.jobs.workers.call import Errand
from impasto.jobs.workers.process import Process
from impasto.jobs.workers.transport import Message
from impasto.jobs.workers.watchdog import Watch

__all__ = ["TICK", "Doing", "Lost"]

TICK = 0.5
"""Seconds between looks at the memory and the time of what is running."""
_ANSWER_SECONDS = 5.0
"""How long a worker that is told to end may take until it is killed, where everything ends; elsewhere it may go on to
its next look at what it is told, as long as it does anything: a new one costs more than the rest of a step."""
_NEVER = float("inf")


class Lost(Exception):
    """The worker is gone; the message says why."""


class _Over(Exception):
    """The worker has to go, for ``memory``, for ``time``, or because it is ``silent``."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"it was killed ({reason})")
        self.reason = reason


class Doing:
    """From sending the errand to its end; whatever comes, the caller is told."""

    def __init__(
        self,
        errand: Errand[Any],
        process: Process,
        number: int,
        *,
        memory_limit: int,
        leave_at: Callable[[], float],
        poll: Callable[[bool, float], None],
    ) -> None:
        """``number`` tells this errand's messages from another's. ``leave_at`` says when everything is to end, and
        ``poll`` waits for the wire or for news, so many seconds at most."""
        self._errand, self._process, self._number = errand, process, number
        self._memory_limit, self._leave_at, self._poll = memory_limit, leave_at, poll
        self._is_sending = self._is_kept = False
        # What the caller gets where it is ended, since when it is being ended, and whether a result that comes
        # nevertheless is welcome.
        self._verdict: BaseException | None = None
        self._ending, self._is_welcome = _NEVER, True
        self._looked = time.monotonic()
        # Of all the processors that it computes with.
        self._watch = Watch(process, errand.limit * process.threads)

    def run(self) -> None:
        """Raises :class:`Lost` where the worker is gone afterwards."""
        errand, wire = self._errand, self._process.wire
        if errand.cancelled:
            errand.fail(Cancelled("it was given up before it began"))
            return
        wire.wait = self._wait
        try:
            told = errand.told is not None
            left = None if errand.due is None else errand.due - time.monotonic()
            facts = {"number": self._number, "told": told, "left": left, "about": dict(errand.about)}
            self._say({**errand.header, **facts}, errand.blobs)
            self._heed()
            while not self._is_over(wire.receive()):
                pass
        except EOFError:
            words = self._process.bury()
            errand.fail(self._verdict or WorkerLost("the process that painted died; try again"))
            raise Lost(words) from None
        except _Over as over:
            self._process.kill()
            errand.fail(self._verdict or self._lost(over.reason))
            raise Lost(str(over)) from None

    def _is_over(self, message: Message) -> bool:
        """Take in what the worker says."""
        header, blobs = message
        kind = header.get("kind")
        if kind == "progress":
            self._tell({**header, "preview": blobs[0] if blobs else None})
            return False
        if kind == "done" and self._is_welcome:
            self._errand.finish(message)
        elif self._verdict is not None and kind in ("done", "failed", "ended"):
            self._errand.fail(self._verdict)
        elif kind == "failed":
            self._errand.fail(raised(header))
        else:
            raise EOFError("the worker says what nobody understands")
        return True

    def _tell(self, report: dict[str, Any]) -> None:
        del report["kind"]
        if self._errand.told is None or self._verdict is not None:
            return
        try:
            self._errand.told(report)
        except Exception as error:
            self._end(error)

    def _wait(self, writable: bool) -> None:
        """Until the wire is ready, or there may be news. Raises :class:`_Over`."""
        self._poll(writable, TICK)
        now = time.monotonic()
        if now - self._ending > _ANSWER_SECONDS and now >= self._leave_at():
            raise _Over("silent")
        if now - self._looked >= TICK:
            self._looked = now
            if self._process.rss > self._memory_limit:
                raise _Over("memory")
            if over := self._watch.over(_ANSWER_SECONDS if self._verdict is not None else None):
                raise _Over(over)
        self._heed()

    def _heed(self) -> None:
        """Pass on what was said about it meanwhile."""
        errand = self._errand
        if self._verdict is None and errand.cancelled:
            self._end(Cancelled("it was given up"))
        elif self._verdict is None and time.monotonic() >= self._leave_at():
            self._end(WorkerLost("the server is stopping; it goes on when it is back", "stopped"), is_welcome=True)
        elif errand.kept and not self._is_kept and not self._is_sending:
            self._is_kept = True
            self._say({"kind": "keep", "number": self._number})

    def _end(self, verdict: BaseException, *, is_welcome: bool = False) -> None:
        self._verdict, self._is_welcome, self._ending = verdict, is_welcome, time.monotonic()
        # In the midst of a message there is no saying another: that one is soon through, or the worker is killed.
        if not self._is_sending:
            self._say({"kind": "cancel", "number": self._number})

    def _say(self, header: Mapping[str, Any], blobs: Sequence[bytes] = ()) -> None:
        self._is_sending = True
        self._process.wire.send(header, blobs)
        self._is_sending = False

    def _lost(self, reason: str) -> WorkerLost:
        if reason == "silent":
            return WorkerLost("the process that painted hung and was ended; try again")
        learns = self._errand.header["kind"] == "train"
        if reason == "memory":
            remedy = "give fewer photographs" if learns else "give a smaller picture or size"
            return WorkerLost(f"it took more than {self._memory_limit / 1e9:.1f} GB of memory; {remedy}", reason)
        remedy = "retry, and it goes on where it was" if learns else "give a smaller size, or fewer steps"
        return WorkerLost(f"it took more than {self._errand.limit:g} seconds; {remedy}", reason)
