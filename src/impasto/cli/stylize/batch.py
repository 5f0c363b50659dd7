"""Batch: many photographs, one place, one style; a picture that fails does not stop the others."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import click

from impasto.cli.stylize.output_paths import Task
from impasto.cli.ui import terminal
from impasto.client import KeyRefused, NoAnswer
from impasto.errors import ImpastoError, OutputExists, RequestError, StyleError
from impasto.request import Progress

__all__ = ["Batch", "Made", "Place", "Record", "Watcher"]

_NOT_ONE_PICTURES = (RequestError, StyleError, KeyRefused, NoAnswer, BrokenPipeError, click.ClickException)
"""What is wrong for every picture, if it is for one."""


class Watcher(Protocol):
    """Receives the progress of a batch."""

    def progress(self, task: Task, progress: Progress, size: tuple[int, int] | None = None) -> None:
        """Every report; ``size`` is what the picture is painted at, where that is known."""

    def stopped(self, progress: Progress) -> None:
        """A picture is ended before its time, and what there is of it kept."""

    def waiting(self, why: str) -> None:
        """Nothing goes on for a while."""


class Saving(Protocol):
    """Writes a file, over another only where allowed."""

    def __call__(self, path: Path, *, overwrite: bool) -> object: ...


@dataclass(frozen=True, slots=True)
class Made:
    """A pastiche, wherever it was painted: width and height, how it was made, and how to get at its file."""

    size: tuple[int, int]
    seconds: float
    model: str
    settings: dict[str, Any]
    complete: bool
    to_bytes: Callable[[], bytes]
    save: Saving


class Place(Protocol):
    """Where photographs are repainted: this machine, or a server."""

    def paint(self, task: Task, watcher: Watcher) -> AbstractContextManager[Made]:
        """The pastiche of one; what is left of its making is removed once it was written.

        Raises :class:`ImpastoError`, and :class:`KeyboardInterrupt` where it was interrupted with nothing to keep.
        """


@dataclass(frozen=True, slots=True)
class Record:
    """The outcome for one photograph; neither a result nor an error means that it was skipped."""

    task: Task
    result: Made | None = None
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
            "complete": result and result.complete,
            "seconds": result and round(result.seconds, 4),
            "size": result and list(result.size),
            "settings": result and result.settings,
            "model": result and result.model,
        }


@dataclass(frozen=True, slots=True)
class Batch:
    """What is the same for every photograph.

    ``overwrite`` is ``None`` where an output that exists is an error.
    """

    place: Place
    overwrite: bool | None = None

    def run(self, tasks: Sequence[Task], watcher: Watcher) -> Generator[Record, None, None]:
        """Repaint one after the other. Raises what is wrong for all of them: settings that contradict each other, say,
        or a server that is not there."""
        for task in tasks:
            yield self._record(task, watcher)

    def _record(self, task: Task, watcher: Watcher) -> Record:
        if self.overwrite is False and _exists(task):
            return Record(task)
        try:
            self._check(task)
            with self.place.paint(task, watcher) as made:
                if not self._write(made, task):
                    return Record(task)
        except _NOT_ONE_PICTURES:
            raise
        except ImpastoError as error:
            return Record(task, error=error)
        except Exception as error:  # what the runtime or the machine gives up on costs one picture
            return Record(task, error=ImpastoError(terminal.failure(error)))
        return Record(task, made)

    def _check(self, task: Task) -> None:
        """Before any work, what writing would refuse after it."""
        if not self.overwrite and _exists(task) and not task.photo.problem:
            raise OutputExists(
                f"{task.output} already exists; add --overwrite or --skip-existing, or choose another file with -o"
            )

    def _write(self, made: Made, task: Task) -> bool:
        """False where another process was quicker, and what exists is to be skipped."""
        if task.output is None:
            terminal.send(made.to_bytes())
            return True
        task.make_folder()
        try:
            made.save(task.output, overwrite=bool(self.overwrite))
        except OutputExists:
            if self.overwrite is False:
                return False
            raise
        return True


def _exists(task: Task) -> bool:
    return task.output is not None and os.path.exists(task.output)
