"""Run recorder: the losses of a run of the engine ``iterative``, and pictures on the way, kept beside its pastiche."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from itertools import accumulate
from math import gcd
from pathlib import Path
from typing import TYPE_CHECKING

from impasto.errors import OutputExists, RequestError
from impasto.request import Progress, Request

if TYPE_CHECKING:
    from impasto.cli.stylize.output_paths import Task
    from impasto.picture import Picture
    from impasto.plots.trace import TraceWriter

__all__ = ["Recording"]


@dataclass(frozen=True, slots=True)
class Recording:
    """The trace's file, and the snapshots: how many, or after which steps; neither by default."""

    trace: Path | None = None
    snapshots: int | tuple[int, ...] = 0
    overwrite: bool = False

    def asking(self, request: Request) -> Request:
        """The request, with the previews that the snapshots are."""
        if not (self.snapshots and request.steps):
            return request
        # The engine counts the steps to a preview at each level again.
        ends = list(accumulate(_counts(request)))
        since = [step - max((end for end in ends if end < step), default=0) for step in self._moments(request)]
        return replace(request, preview_every=gcd(*since))

    @contextmanager
    def listener(self, task: Task, request: Request) -> Generator[Callable[[Progress], None], None, None]:
        """Yields the function to call with every report. Raises :class:`OutputError` where there is no writing."""
        pages: dict[int, Path] = {}
        if self.snapshots and task.output is not None:
            pages = {step: _beside(task.output, step) for step in self._moments(request)}
            taken = [page for page in pages.values() if page.exists()]
            if taken and not self.overwrite:
                raise OutputExists(f"{taken[0]} already exists; add --overwrite, or choose another file with -o")
            task.make_folder()
        with ExitStack() as stack:
            writer: TraceWriter | None = None
            if self.trace is not None:
                from impasto.plots.trace import TraceWriter

                writer = stack.enter_context(TraceWriter(self.trace))
            run = _Run(task, request, writer, pages)
            yield run.keep
            run.begin()  # there may have been nothing to do

    def _moments(self, request: Request) -> list[int]:
        """The steps after which there is a snapshot: those asked for, or evenly spaced, the last one among them.

        Raises :class:`RequestError` for a step that the picture does not take.
        """
        steps = sum(_counts(request))
        if isinstance(self.snapshots, int):
            return sorted({-(-steps * n // self.snapshots) for n in range(1, self.snapshots + 1)} - {0})
        if steps and self.snapshots[-1] > steps:
            raise RequestError(
                f"snapshots asks for step {self.snapshots[-1]}, but there are {steps} steps; give steps up to that, "
                "or more steps"
            )
        return list(self.snapshots)


@dataclass(slots=True)
class _Run:
    """One picture's."""

    task: Task
    request: Request
    writer: TraceWriter | None
    pages: dict[int, Path]
    begun: bool = field(default=False)

    def begin(self) -> None:
        if self.writer is not None and not self.begun:
            self.writer.begin(self.task.photo.name, _model(self.request), self.request.settings())
        self.begun = True

    def keep(self, progress: Progress) -> None:
        if progress.stage == "style":
            return  # the request may still turn out to be impossible
        self.begin()
        if not progress.losses or progress.step is None or progress.size is None:
            return
        if self.writer is not None:
            self.writer.step(
                progress.step,
                level=bisect_left(list(accumulate(_counts(self.request))), progress.step),
                size=progress.size,
                seconds=progress.seconds,
                loss=sum(progress.losses.values()),
                terms=progress.losses,
            )
        if progress.preview is not None and progress.step in self.pages:
            self._save(progress.step, progress.preview)

    def _save(self, step: int, preview: Picture) -> None:
        from impasto.picture.files import write_atomically
        from impasto.picture.writing import encode

        # Marked as Impasto's own, so that a second run over the folder leaves it out.
        settings = {"model": _model(self.request), **self.request.settings(), "step": step}
        data = encode(preview, "png", quality=100, bits=8, keep_metadata=False, settings=settings)
        write_atomically(self.pages[step], data)
        if self.writer is not None:
            self.writer.snapshot(step, self.pages[step])


def _counts(request: Request) -> list[int]:
    """Steps of each level."""
    from impasto.iterative.pyramid import level_steps, levels, working_size

    return level_steps(request.steps, request.coarse_steps, len(levels(working_size(request), request.levels)))


def _beside(output: Path, step: int) -> Path:
    return output.with_name(f"{output.stem}.step-{step:04}.png")


def _model(request: Request) -> str:
    """The encoder as results name it."""
    from impasto.encoders.open import encoder_name, find_encoder

    return find_encoder(encoder_name(request)).identity
