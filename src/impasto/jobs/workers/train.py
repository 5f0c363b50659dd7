"""StyleTrainer: how a worker trains a network on one style, and the reports that it makes on the way. Needs torch."""

from __future__ import annotations

import hashlib
from collections.abc import Generator
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from impasto.errors import ImpastoError, MissingExtra, OutputExists
from impasto.jobs.workers.messages import Painted
from impasto.jobs.workers.progress_reports import ProgressReports, Report
from impasto.jobs.workers.stylize import read_source
from impasto.jobs.workers.train_task import TrainTask
from impasto.models import Store
from impasto.picture import Picture
from impasto.picture.files import write_atomically
from impasto.picture.transparency import fill_transparent
from impasto.picture.writing import encode
from impasto.request import Enough, Progress

if TYPE_CHECKING:
    from impasto.training.per_style import StylePlan
    from impasto.training.trainer import Step

__all__ = ["StyleTrainer"]

_SHORT_SIDE = 640
"""Of photographs; more is never looked at."""
_QUALITY = 92


class StyleTrainer:
    """Runs training tasks, one after the other; each continues from what its folder has."""

    def __init__(self) -> None:
        self._enough = False

    def run(self, task: TrainTask) -> Generator[Report | None, None, Painted]:
        """Learn, then install the network: yields after every photograph and step, a report where one is due; returns
        the last sheet of samples.

        Closing it saves the training and gives up. :class:`Enough` thrown into it ends the learning after a first
        step; what was learnt is installed. A network that is installed already stays as it is. Raises
        :class:`MissingExtra` without torch, the pictures' errors, and :class:`OutputError` where the model cannot be
        written.
        """
        self._enough = False
        reports = ProgressReports(previews=True)
        painting = yield from self._pictures(task, reports)
        plan = self._plan(task, painting)
        spent = 0.0
        with closing(_steps(plan)) as steps:
            shown, preview = 0, None
            for step in steps:
                spent = step.minutes
                if (drawn := _latest_sample(plan.run)) != shown:
                    shown, preview = drawn, _sample(plan.run)
                report = reports.due(_progress(step, preview))
                if report is not None and report[1] is not None:
                    preview = None
                yield from self._pass_report(report)
                if self._enough:
                    break
        yield from self._pass_report(reports.due(Progress("install", 1.0, 60 * spent, 0.0)))
        self._install(task)
        data = (plan.run / "sample.jpg").read_bytes()
        width, height = Picture.of(data).size
        whole = not self._enough or spent >= task.minutes
        return Painted(data, "image/jpeg", width, height, 60 * spent, task.network, whole)

    def _pictures(self, task: TrainTask, reports: ProgressReports) -> Generator[Report | None, None, Path]:
        """Write the photographs, of any format that is read here, as files that trainings read; gives the painting."""
        photos = task.run / "photos"
        photos.mkdir(parents=True, exist_ok=True)
        painting = task.run / "painting.png"
        if not painting.is_file():
            write_atomically(painting, _file(read_source(task.painting), task.max_pixels, "png"))
        for number, photo in enumerate(task.photos):
            file = photos / f"{number:04}.jpg"
            if not file.is_file():
                write_atomically(file, _file(read_source(photo), task.max_pixels, "jpeg", _SHORT_SIDE))
            yield from self._pass_report(reports.due(Progress("photographs", 0.0, 0.0)))
        return painting

    def _plan(self, task: TrainTask, painting: Path) -> StylePlan:
        try:
            from impasto.training.per_style import StylePlan
        except ImportError as error:
            raise MissingExtra("training a style", "train") from error
        return StylePlan(
            (painting,),
            task.run / "photos",
            task.run,
            minutes=task.minutes,
            seed=int(hashlib.sha256(task.network.encode()).hexdigest()[:6], 16),
            save_every=task.save_every,
        )

    def _install(self, task: TrainTask) -> None:
        from impasto.training.export import export_style
        from impasto.training.per_style import load_style

        name, _, version = task.network.partition("@")
        # It is this task's alone: where it is there, a worker came so far before.
        with suppress(OutputExists), Store().installing(task.network) as folder:
            export_style(
                *load_style(task.run),
                folder,
                name=name,
                version=version,
                source=task.source,
                origin=task.origin,
            )

    def _pass_report(self, report: Report | None) -> Generator[Report | None, None, None]:
        try:
            yield report
        except Enough:
            self._enough = True


def _steps(plan: StylePlan) -> Generator[Step, None, None]:
    """Train; again where the checkpoint was torn, as by a power cut."""
    from impasto.training.per_style import train_style

    checkpoint, stepped = plan.run / "checkpoint.pt", False
    try:
        with closing(train_style(plan)) as steps:
            for step in steps:
                stepped = True
                yield step
        return
    except ImpastoError:
        raise
    except Exception:
        if stepped or not checkpoint.is_file():
            raise
        checkpoint.unlink()
    yield from train_style(plan)


def _progress(step: Step, preview: Picture | None) -> Progress:
    return Progress(
        "learn", step.done, 60 * step.minutes, step.left, preview, step.number, losses={"loss": step.losses["loss"]}
    )


def _latest_sample(run: Path) -> int:
    try:
        return (run / "sample.jpg").stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def _sample(run: Path) -> Picture:
    return Picture.of((run / "sample.jpg").read_bytes())


def _file(data: bytes, max_pixels: int, format: str, short_side: int | None = None) -> bytes:
    """A picture of any format as an opaque file of this one, scaled down to ``short_side``."""
    picture = fill_transparent(Picture.of(data, max_pixels=max_pixels))
    if short_side is not None and min(picture.size) > short_side:
        factor = short_side / min(picture.size)
        width, height = (max(1, round(side * factor)) for side in picture.size)
        picture = picture.resized((width, height))
    return encode(picture, format, quality=_QUALITY, bits=8, keep_metadata=False, settings=None)
