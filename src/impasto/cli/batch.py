"""Batch: many photographs, one model, one style; a picture that fails does not stop the others."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from impasto.cli import terminal
from impasto.cli.outputs import Task
from impasto.errors import ImpastoError, OutputError, OutputExists, RequestError
from impasto.request import Progress, Request, Result

if TYPE_CHECKING:
    from impasto.picture import Picture
    from impasto.styles import Style
    from impasto.stylizer import Stylizer

__all__ = ["Batch", "Record"]


@dataclass(frozen=True, slots=True)
class Record:
    """What became of one photograph; neither a result nor an error means that it was skipped."""

    task: Task
    result: Result | None = None
    error: ImpastoError | None = None

    @property
    def skipped(self) -> bool:
        return self.result is None and self.error is None

    def to_json(self) -> dict[str, Any]:
        result, error, output = self.result, self.error, self.task.output
        return {
            "photo": self.task.photo.name,
            "output": "-" if output is None else str(output),
            "ok": error is None,
            "skipped": self.skipped,
            "error": error and {"code": error.code, "message": str(error)},
            "seconds": result and round(result.seconds, 4),
            "size": result and list(result.pastiche.size),
            "settings": result and result.request.settings(),
            "model": result and result.model,
        }


@dataclass(frozen=True, slots=True)
class Batch:
    """What is the same for every photograph. ``overwrite`` is ``None`` where an output that exists is an error."""

    stylizer: Stylizer
    style: Style
    mask: Picture | None
    settings: dict[str, Any]
    overwrite: bool | None = None

    def run(self, tasks: Sequence[Task], watch: Callable[[Task, Progress], None]) -> Generator[Record, None, None]:
        """Repaint one after the other. Raises :class:`RequestError` where the settings contradict each other."""
        for task in tasks:
            yield self._record(task, watch)

    def _record(self, task: Task, watch: Callable[[Task, Progress], None]) -> Record:
        if self.overwrite is False and _exists(task):
            return Record(task)
        try:
            self._check(task)
            content = task.photo.open(self.settings["max_pixels"])
            request = Request(content=content, style=self.style, mask=self.mask, **self.settings)
            result = self._paint(request, task, watch)
            self._write(result, task)
        except (RequestError, BrokenPipeError):
            raise  # neither is one picture's fault
        except ImpastoError as error:
            return Record(task, error=error)
        except (MemoryError, OSError, RuntimeError) as error:
            # What the runtime or the machine gives up on costs one picture.
            return Record(task, error=ImpastoError(terminal.failure(error)))
        return Record(task, result)

    def _check(self, task: Task) -> None:
        """Before any work, what writing would refuse after it."""
        if not self.overwrite and _exists(task) and not task.photo.problem:
            raise OutputExists(
                f"{task.output} is there already; add --overwrite or --skip-existing, or name another with -o"
            )

    def _paint(self, request: Request, task: Task, watch: Callable[[Task, Progress], None]) -> Result:
        steps = self.stylizer.run(request)
        with closing(steps):
            while True:
                try:
                    progress = next(steps)
                except StopIteration as end:
                    result: Result = end.value
                    return result
                watch(task, progress)

    def _write(self, result: Result, task: Task) -> None:
        if task.output is None:
            terminal.send(result.to_bytes())
        else:
            folder = task.output.parent
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise OutputError(f"the folder {folder} cannot be made: {error.strerror}; name another") from error
            result.save(task.output, overwrite=bool(self.overwrite))


def _exists(task: Task) -> bool:
    return task.output is not None and os.path.exists(task.output)
