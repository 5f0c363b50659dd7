"""Local: photographs repainted by this machine."""

from __future__ import annotations

import signal
from collections.abc import Generator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from impasto.cli.stylize.batch import Made, Watcher
from impasto.cli.stylize.output_paths import Task
from impasto.cli.stylize.run_recorder import Recording
from impasto.cli.ui.interrupts import Interrupts
from impasto.request import Enough, Request, Result

if TYPE_CHECKING:
    from impasto.stylizer import Stylizer

__all__ = ["Local"]


@dataclass(frozen=True, slots=True)
class Local:
    """What is the same for every photograph.

    ``given`` is what requests take beside photo and settings; ``state`` is the file that an unfinished picture is
    kept in.
    """

    stylizer: Stylizer
    given: dict[str, Any]
    settings: dict[str, Any]
    recording: Recording = field(default_factory=Recording)
    state: str | None = None
    interrupts: Interrupts = field(default_factory=Interrupts)

    @contextmanager
    def paint(self, task: Task, watcher: Watcher) -> Generator[Made, None, None]:
        """The pastiche of one photograph. Raises :class:`ImpastoError`."""
        content = task.photo.open(self.settings["max_pixels"])
        request = Request(content=content, **self.given, **self.settings)
        result = self._run(request, task, watcher)
        yield Made(
            size=result.pastiche.size,
            seconds=result.seconds,
            model=result.model,
            settings=request.settings(),
            complete=result.complete,
            to_bytes=result.to_bytes,
            save=result.save,
        )

    def _run(self, request: Request, task: Task, watcher: Watcher) -> Result:
        from impasto.iterative.pyramid import working_size

        size = working_size(request)
        steps = self.stylizer.run(self.recording.asking(request), state=self.state)
        with closing(steps), self.recording.listener(task, request) as keep:
            enough = False
            while True:
                try:
                    progress = steps.throw(Enough()) if enough else next(steps)
                except StopIteration as end:
                    result: Result = end.value
                    return replace(result, request=request)  # previews are the recording's business
                except Enough:
                    raise KeyboardInterrupt from None  # there is nothing yet
                keep(progress)
                watcher.progress(task, progress, size)
                if self.interrupts.terminated:
                    steps.close()  # its state is saved by that, and only between two steps
                    raise SystemExit(128 + signal.SIGTERM)
                enough = self.interrupts.interrupted and not enough
                if enough and progress.stage == "paint":
                    watcher.stopped(progress)
