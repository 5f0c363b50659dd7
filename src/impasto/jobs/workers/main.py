"""Worker: the process that paints, one task after the other, as a pool tells it.

``python -m impasto.jobs.workers.main`` is how a pool starts it.
"""

from __future__ import annotations

import ctypes
import json
import logging
import os
import select
import signal
import socket
import sys
from collections.abc import Callable, Generator, Mapping
from contextlib import closing, suppress
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from impasto.errors import ImpastoError
from impasto.inference.threads import take_turns
from impasto.jobs.records.error_codec import encode_error
from impasto.jobs.workers.messages import Painted, Task, unpack_source
from impasto.jobs.workers.train_task import TrainTask
from impasto.jobs.workers.transport import Message, MessageSocket
from impasto.logs import FORM_VARIABLE, log_context, set_up
from impasto.request import Enough

if TYPE_CHECKING:
    from impasto.jobs.workers.progress_reports import Report
    from impasto.jobs.workers.stylize import TaskPainter

__all__ = ["Worker", "main"]

_LOG = logging.getLogger("impasto.jobs")
_PR_SET_PDEATHSIG = 1
_FIRST_VICTIM = "500"
"""Of the kernel's killer where memory runs out: workers are started again, the server is not."""


class Worker:
    """Does what comes over a connection until the other end is closed."""

    def __init__(self, connection: MessageSocket, painting: TaskPainter) -> None:
        self._connection, self._painter = connection, painting
        self._incoming = select.poll()
        self._incoming.register(connection.fileno(), select.POLLIN)
        self._idle, self._leaving = True, False

    def run(self) -> None:
        """Raises :class:`EOFError` in the end, and :class:`SystemExit` after :meth:`leave`."""
        while True:
            message = self._connection.receive()
            self._idle = False
            match message[0]["kind"]:
                case "paint":
                    self._reply(message, self._paint)
                case "probe":
                    self._reply(message, self._probe)
                case "card":
                    self._reply(message, self._card)
                case "train":
                    self._reply(message, self._train)
                case _:
                    pass  # a word about a task that is over
            self._idle = True
            if self._leaving:
                raise SystemExit

    def leave(self) -> None:
        """End: at once where nothing is done, else after the step or the quick picture at hand.

        Called by a signal's handler.
        """
        self._leaving = True
        if self._idle:
            raise SystemExit

    def _reply(self, message: Message, do: Callable[[Message], Message]) -> None:
        try:
            header, blobs = do(message)
        except ImpastoError as error:
            header, blobs = {"kind": "failed", **encode_error(error)}, ()
        except EOFError:
            raise
        except Exception as error:
            # For who runs this; who asked learns neither paths nor code.
            with log_context(**message[0].get("about", {})):
                _LOG.exception("a worker's task failed unexpectedly")
            what = "training" if message[0]["kind"] == "train" else "painting"
            said = f"{what} failed unexpectedly ({type(error).__name__}); try again, or other settings"
            header, blobs = {"kind": "failed", **encode_error(ImpastoError(said))}, ()
        self._connection.send(header, blobs)

    def _probe(self, message: Message) -> Message:
        header, blobs = message
        size = self._painter.probe(unpack_source(header["picture"], blobs), header["max_pixels"])
        return {"kind": "done", "size": size}, ()

    def _card(self, message: Message) -> Message:
        header, blobs = message
        pictures = [unpack_source(picture, blobs) for picture in header["pictures"]]
        card = self._painter.card(header["name"], pictures, header["texts"], header["max_pixels"])
        return {"kind": "done"}, [card]

    def _paint(self, message: Message) -> Message:
        task = Task.from_message(message)
        left = message[0]["left"]
        is_long = task.settings.get("engine") == "iterative"
        return self._finished(self._painter.run(task, left), message[0], is_long=is_long)

    def _train(self, message: Message) -> Message:
        from impasto.jobs.workers.train import StyleTrainer

        return self._finished(StyleTrainer().run(TrainTask.from_message(message)), message[0], is_long=True)

    def _finished(
        self, steps: Generator[Report | None, None, Painted], header: Mapping[str, Any], *, is_long: bool
    ) -> Message:
        with closing(steps):
            painted = self._steps(steps, header, is_long=is_long)
        if painted is None:
            return {"kind": "ended"}, ()
        facts, blobs = painted.to_message()
        return {"kind": "done", **facts}, blobs

    def _steps(
        self, steps: Generator[Report | None, None, Painted], header: Mapping[str, Any], *, is_long: bool
    ) -> Painted | None:
        """To the end; nothing where it was given up."""
        enough = False
        while True:
            try:
                report = steps.throw(Enough()) if enough else next(steps)
            except StopIteration as end:
                painted: Painted = end.value
                return painted
            if report is not None and header["told"]:
                facts, preview = report
                self._connection.send({"kind": "progress", **facts}, () if preview is None else (preview,))
            words = self._requests_for(header["number"])
            if "cancel" in words or (self._leaving and is_long):
                return None
            enough = "keep" in words

    def _requests_for(self, number: int) -> set[str]:
        """What was said meanwhile about the task at hand."""
        words = set()
        while self._incoming.poll(0):
            header, _ = self._connection.receive()
            if header.get("number") == number:
                words.add(str(header["kind"]))
        return words


def main() -> None:
    """Serve the pool whose facts are the one argument, as JSON."""
    take_turns()
    facts: Mapping[str, Any] = json.loads(sys.argv[1])
    set_up("json" if os.environ.get(FORM_VARIABLE) == "json" else "text")
    # Ctrl-C goes to every process of a terminal; the pool decides what becomes of this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _end_with(facts["parent"])
    os.nice(facts["nice"])
    connection = MessageSocket(socket.socket(fileno=facts["connection"]))
    with suppress(EOFError):
        _serve(connection, facts)


def _serve(connection: MessageSocket, facts: Mapping[str, Any]) -> None:
    try:
        from impasto.jobs.workers.stylize import TaskPainter

        painting = TaskPainter(None if facts["home"] is None else Path(facts["home"]), facts["memory"])
        if facts["warm"]:
            painting.warm()
    except ImpastoError as error:
        connection.send({"kind": "broken", **encode_error(error)})
        raise SystemExit(1) from error
    worker = Worker(connection, painting)

    def leave(_: int, __: FrameType | None) -> None:
        worker.leave()

    signal.signal(signal.SIGTERM, leave)
    connection.send({"kind": "ready"})
    worker.run()


def _end_with(parent: int) -> None:
    """Have the kernel, where it can, end this process with the thread that started it, however that ends."""
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(_FIRST_VICTIM)
    with suppress(OSError, AttributeError, TypeError):
        # At once: another server may take up what this one had, and they must not both write.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != parent:
        raise SystemExit


if __name__ == "__main__":
    main()
