"""Reporter: what ``impasto stylize`` shows while it runs: a bar for people, paths or JSON lines for programs."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import click

from impasto.cli.stylize.batch import Record
from impasto.cli.stylize.output_paths import Task
from impasto.cli.ui import terminal

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

    from impasto.request import Progress

__all__ = ["Display"]


_EVERY = 10.0
"""Seconds between lines where there is no bar."""


class Display:
    """Paths of what was written go to standard output, all else to standard error.

    ``gradual`` pictures take many steps, which are told; ``resumable`` is one that may have been begun before.
    ``opening`` is what goes on before the first.
    """

    def __init__(
        self,
        count: int,
        *,
        json: bool,
        quiet: bool,
        gradual: bool = False,
        resumable: bool = False,
        opening: str = "loading the model",
    ) -> None:
        self.count, self.done, self.failed, self.skipped = count, 0, 0, 0
        self.kept = False
        """Whether a picture was ended before its time, and kept."""
        self._json, self._quiet, self._resumable = json, quiet, resumable
        self._began = self._said_at = time.monotonic()
        drawn = terminal.is_terminal("stderr") and not (json or quiet)
        self._bar: Bar | None = _bar(count, gradual) if drawn else None
        self._row = self._bar.add_task(opening, total=count, rate="", step="") if self._bar else None

    def __enter__(self) -> Self:
        self._show_bar().__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._show_bar().__exit__(kind, error, trace)

    @property
    def ended(self) -> int:
        """Photographs that are dealt with, however it went."""
        return self.done + self.failed + self.skipped

    def progress(self, task: Task, progress: Progress, size: tuple[int, int] | None = None) -> None:
        name = "stdin" if task.photo.path is None else task.photo.path.name
        if progress.memory is not None and size is not None:
            self._note(plan_text(name, size, progress))
        if progress.stage == "paint" and progress.step is not None:
            self._step(progress)
        if self._bar is not None and self._row is not None:
            name = _shorten(name)
            what = f"{name}  {progress.stage}" if self.count == 1 and not progress.losses else name
            self._bar.update(self._row, description=what, completed=self.ended + min(progress.done, 0.99))

    def stopped(self, progress: Progress) -> None:
        self.kept = True
        if not self._quiet:
            step = f" at step {progress.step} of {progress.steps}" if progress.step else ""
            self._say(f"stopped{step}: kept the best so far (again to discard)")

    def waiting(self, why: str) -> None:
        self._note(why)

    def _step(self, progress: Progress) -> None:
        if self._resumable and progress.step is not None and progress.step > 1:
            self._note(f"going on at step {progress.step}")
        self._resumable = False
        if self._bar is not None and self._row is not None:
            self._bar.update(self._row, step=short_step_text(progress))
        elif progress.losses and time.monotonic() - self._said_at >= _EVERY:
            self._said_at = time.monotonic()
            self._note(step_text(progress))

    def _note(self, line: str) -> None:
        """What only people want to know."""
        if not (self._json or self._quiet):
            self._say(line)

    def _say(self, line: str) -> None:
        if self._bar is None:
            terminal.note(line)
        else:
            self._bar.console.print(line, soft_wrap=True)

    def finished(self, record: Record) -> None:
        self.failed += record.error is not None
        self.skipped += record.skipped
        self.done += record.result is not None
        if self._bar is not None and self._row is not None:
            rate = self.done / max(time.monotonic() - self._began, 1e-3)
            told = (
                "" if self.count == 1 or not self.done else f"{rate:.1f}/s" if rate >= 1 else f"{1 / rate:.1f} s each"
            )
            self._bar.update(self._row, completed=self.ended, rate=told)
        if self._json:
            terminal.emit(record.to_json())
        elif record.error is not None:
            self._error(record)
        elif not self._quiet:
            self._print_record(record)

    def summary(self) -> None:
        """How a batch went, where not everything was made."""
        parts = [f"{self.failed} of {self.count} failed"] if self.failed else []
        parts += [f"{self.skipped} of {self.count} skipped"] if self.skipped and not self._quiet else []
        if parts and self.count > 1 and not self._json:
            terminal.note(", ".join(parts))

    def _error(self, record: Record) -> None:
        line = _with_full_path(record.task.photo.name, str(record.error))
        if self._bar is None:
            terminal.error(line)
        else:
            from rich.text import Text

            self._bar.console.print(Text("error: ", "bold red") + Text(line, "default"), soft_wrap=True)

    def _print_record(self, record: Record) -> None:
        output, result = record.task.output, record.result
        if output is None:
            return
        if result is None:
            terminal.note(f"{click.format_filename(output)} already exists; skipped")
            return
        if not terminal.is_terminal("stdout"):
            click.echo(click.format_filename(output))
            return
        from rich.text import Text

        width, height = result.size
        line = Text(click.format_filename(output)) + Text(f"  {width} x {height}, {result.seconds:.2f} s", "dim")
        (self._bar.console if self._bar else terminal.console()).print(line, soft_wrap=True)

    def _show_bar(self) -> AbstractContextManager[object]:
        return self._bar or nullcontext()


def _bar(count: int, gradual: bool) -> Bar:
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

    # Standard output may be a pipe of pictures or paths: rich must not catch it.
    console = terminal.console("stderr")
    columns = [SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn(16 if gradual else 24)]
    if count > 1:
        columns.append(TextColumn("{task.completed:.0f} of {task.total}"))
    if gradual:
        columns.append(TextColumn("{task.fields[step]}"))
    elif count > 1:
        columns += [TextColumn("{task.fields[rate]}"), TimeRemainingColumn(compact=True), TextColumn("left")]
    return Progress(*columns, console=console, transient=True, redirect_stdout=False, redirect_stderr=False)


def _with_full_path(photo: str, message: str) -> str:
    """The message with the photo's whole path in it, once."""
    if photo == "-" or photo in message:
        return message
    own = f"{Path(photo).name} "
    return f"{photo} {message.removeprefix(own)}" if message.startswith(own) else f"{photo}: {message}"


def _shorten(name: str, width: int = 26) -> str:
    return name if len(name) <= width else f"...{name[3 - width :]}"


def plan_text(name: str, size: tuple[int, int], progress: Progress) -> str:
    """``photo.jpg: 512 x 384, 40 steps: about 5 s, 0.4 GB``."""
    # Not the report's size: that is the coarsest level's.
    width, height = size
    time = "" if progress.seconds_left is None else f"about {_duration_text(max(progress.seconds_left, 1))}, "
    memory = f"{max((progress.memory or 0) / 1e9, 0.1):.1f} GB"
    what = terminal.amount(progress.steps or 0, "step")
    return f"{terminal.printable(name)}: {width} x {height}, {what}: {time}{memory}"


def step_text(progress: Progress) -> str:
    """``step 23 of 40, total loss 0.412, 4 s left``."""
    return ", ".join([f"step {progress.step} of {progress.steps}", *_facts(progress)])


def short_step_text(progress: Progress) -> str:
    """The same beside a bar: ``23/40  total loss 0.412  4 s left``."""
    return "  ".join([f"{progress.step}/{progress.steps}", *_facts(progress)])


def _facts(progress: Progress) -> list[str]:
    facts = [] if progress.loss is None else [f"total loss {progress.loss:.3g}"]
    return facts if progress.seconds_left is None else [*facts, f"{_duration_text(progress.seconds_left)} left"]


def _duration_text(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
