"""Remote: photographs repainted by a server."""

from __future__ import annotations

import math
import signal
import time
import uuid
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from impasto.cli.stylize.batch import Made, Watcher
from impasto.cli.stylize.output_paths import Task
from impasto.cli.stylize.upload_files import photo_upload
from impasto.cli.ui.interrupts import Interrupts
from impasto.client import Client, NoAnswer, RemoteJob, RemotePastiche
from impasto.client.retry import Retry
from impasto.errors import ImpastoError, OutputError
from impasto.request import Progress, options

__all__ = ["Remote"]

_EVERY = 0.3
"""Seconds between looks at a job."""


@dataclass(frozen=True, slots=True)
class Remote:
    """What is the same for every photograph.

    ``given`` is what is sent beside photo and settings, and ``described`` how records name it.
    """

    client: Client
    given: dict[str, Any]
    described: dict[str, Any]
    settings: dict[str, Any]
    retry: Retry
    interrupts: Interrupts = field(default_factory=Interrupts)

    def check_server(self) -> None:
        """See that there is a server. Raises :class:`NoAnswer`, and :class:`KeyRefused` where it asks for a key."""
        self.client.status()

    @contextmanager
    def paint(self, task: Task, watcher: Watcher) -> Generator[Made, None, None]:
        """The pastiche of one photograph. Raises :class:`ImpastoError`."""
        order = {
            "content": photo_upload(task.photo),
            **self.given,
            **self._changed_settings,
            "format": self._format(task),
        }
        watcher.progress(task, Progress("sending", 0.0, 0.0))
        if self.settings["engine"] == "iterative":
            with self._job(order, task, watcher) as pastiche:
                yield self._made(pastiche)
        else:
            yield self._made(self.client.pastiche(**order))

    @contextmanager
    def _job(self, order: dict[str, Any], task: Task, watcher: Watcher) -> Generator[RemotePastiche, None, None]:
        """A job while it lasts: removed once its pastiche was written, and wherever nobody will ask for it."""
        # An answer that is lost is asked for again, and is of the same job.
        id = uuid.uuid4().hex
        job = None
        try:
            with self.retry.until(self._is_stop_requested):
                job = self.client.submit(**order, id=id)
            self._follow(job, task, watcher)
            job.check()
            pastiche = job.pastiche()
        except NoAnswer as error:
            if job is None:
                raise
            raise NoAnswer(f"{error}; the server resumes job {id} when it is back") from error
        except BaseException:
            self._remove(id)
            raise
        try:
            yield pastiche
        except OutputError as error:
            error.args = (f"{error}; the server still has it, as the result of job {id}",)
            raise
        except BaseException:
            self._remove(id)
            raise
        self._remove(id)

    def _follow(self, job: RemoteJob, task: Task, watcher: Watcher) -> None:
        """Until it is over. Raises :class:`KeyboardInterrupt` where it was interrupted before it began."""
        began, last, is_kept = time.monotonic(), Progress("queued", 0.0, 0.0), False
        while not job.is_final:
            if self.interrupts.terminated:
                raise SystemExit(128 + signal.SIGTERM)
            enough = self.interrupts.interrupted
            if enough and job.state == "queued" and not last.step:
                raise KeyboardInterrupt
            # Asked at every look: a job that waits once more, for its server was started again, would not use it.
            (job.keep if enough else job.look)()
            progress = _progress(job, time.monotonic() - began)
            last = progress if progress.step is not None else last
            if enough and not is_kept and not (job.is_final and _is_complete(job)):
                watcher.stopped(last)
                is_kept = True
            if not job.is_final:
                watcher.progress(task, progress)
                time.sleep(_EVERY)

    def _remove(self, id: str) -> None:
        # Where it cannot be, the server removes it by itself some day.
        with suppress(ImpastoError):
            self.client.remove_job(id)

    def _is_stop_requested(self) -> bool:
        return self.interrupts.interrupted or self.interrupts.terminated

    @property
    def _changed_settings(self) -> dict[str, Any]:
        """Settings that differ from their defaults, which the server has as well."""
        return {o.name: self.settings[o.name] for o in options() if self.settings[o.name] != o.default}

    def _format(self, task: Task) -> str | None:
        """What the output's name says; else the server takes the photograph's own, as is done here."""
        from impasto.picture.writing import format_of

        if task.output is None or not task.output.suffix:
            asked: str | None = self.settings["format"]
            return asked
        return format_of(task.output)

    def _made(self, pastiche: RemotePastiche) -> Made:
        told = dict(self.described)
        style = {"style": told.pop("style")} if "style" in told else {}
        return Made(
            size=pastiche.size,
            seconds=pastiche.seconds,
            model=pastiche.model,
            settings={**style, **self._changed_settings, **told},
            complete=pastiche.complete,
            to_bytes=lambda: pastiche.data,
            save=_write_bytes(pastiche.data),
        )


def _write_bytes(data: bytes) -> Callable[..., None]:
    """Writes the server's bytes as they are."""

    def save(path: Path, *, overwrite: bool) -> None:
        from impasto.picture.files import write_atomically

        write_atomically(path, data, overwrite=overwrite)

    return save


def _progress(job: RemoteJob, seconds: float) -> Progress:
    facts = job.facts
    losses = {name: math.nan if loss is None else loss for name, loss in (facts["losses"] or {}).items()}
    return Progress(
        stage=facts["stage"] or job.state,
        done=facts["progress"],
        seconds=seconds,
        seconds_left=facts["seconds_left"],
        step=facts["step"],
        steps=facts["steps"],
        losses=losses,
    )


def _is_complete(job: RemoteJob) -> bool:
    return all(item["complete"] for item in job.facts["items"])
