"""TaskPainter: how a worker paints a task, and the reports that it makes on the way."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from impasto.errors import ImpastoError, OutputError, PictureTooLarge, RequestError
from impasto.iterative.pyramid import working_size
from impasto.jobs.errors import StorageLost, TooDear
from impasto.jobs.records.blobs import is_sha256
from impasto.jobs.workers.messages import Painted, Source, Task
from impasto.jobs.workers.progress_reports import ProgressReports, Report
from impasto.picture import Picture
from impasto.picture.error_context import naming_errors
from impasto.request import Enough, Progress, Request, Result
from impasto.styles import Gallery, Style, StyleCard
from impasto.stylizer import Stylizer

__all__ = ["TaskPainter", "read_source"]

_SAVE_SECONDS = 2.0
_TILES = (1024, 768, 512, 384, 256)
_MOST_BYTES = 1 << 30
"""Largest file that is read."""
_WARM_SIDE = 64
_BASE, _PER_PIXEL, _PER_WORKING_PIXEL = 512 << 20, 20, 180
"""Bytes that a process takes beside what the engine plans: libraries; pictures; and the pastiche to start from."""


class TaskPainter:
    """Paints tasks, one after the other, with a stylizer that is opened once."""

    def __init__(self, gallery: Path | None = None, memory: int | None = None) -> None:
        """``gallery`` is the folder of the user's own styles, ``memory`` the bytes that this process may take."""
        self._gallery, self._memory = gallery, memory
        # A batch reads its painting once. Only the last style is kept, for it may be a large picture.
        self._style: tuple[object, Style] | None = None
        self._stepped = False
        self._pace = PaintingPace()

    @cached_property
    def _stylizer(self) -> Stylizer:
        return Stylizer(gallery=Gallery(self._gallery))

    def warm(self) -> None:
        """Open the model, by a small pastiche. Raises :class:`ModelError`."""
        stylizer = self._stylizer
        content = np.full((_WARM_SIDE, _WARM_SIDE, 3), 128, np.uint8)
        # At half strength, the photograph's own code is made as well, as that of a painting is; and by the model of
        # any style, though the style may have a network of its own.
        stylizer.stylize(content, stylizer.gallery.names()[0], strength=0.5, model=stylizer.model).to_bytes("jpeg")

    def run(self, task: Task, left: float | None = None) -> Generator[Report | None, None, Painted]:
        """Paint: yields after every step, a report where one is due; returns what came of it. Closing it gives up.

        Where there are only so many seconds ``left``, and the last pictures took too long for that, it is not begun:
        :class:`TooDear` is raised.

        :class:`Enough` thrown into it ends an iterative run with the best so far, once there is any. A saved run that
        is another's or broken is left behind. Raises the engine's errors, which name no file.
        """
        try:
            request = self._request(task)
            if left is not None:
                self._pace.check(request, left)
            try:
                return (yield from self._painted(task, request))
            except (OutputError, RequestError) as error:
                if not self._is_stale(task.state, error):
                    raise
            return (yield from self._painted(task, request))
        except ImpastoError as error:
            if task.state is not None and error.args:
                text = str(error).replace(str(task.state), "the saved run")
                error.args = (text.replace(str(task.state.parent), "of saved runs"), *error.args[1:])
            raise
        except MemoryError as error:
            raise PictureTooLarge("there is not enough memory for this picture; give a smaller one") from error

    def probe(self, source: Source, max_pixels: int) -> tuple[int, int]:
        """Width and height of a picture that can be read; of a style card, nothing. Raises as :meth:`Picture.of`."""
        data = read_source(source)
        if data[:1] == b"{":
            Style.of(data)
            return 0, 0
        return Picture.of(data, max_pixels=max_pixels).size

    def card(self, name: str, pictures: Sequence[Source], texts: Mapping[str, Any], max_pixels: int) -> bytes:
        """A style card's file, made of paintings; or one that was made elsewhere, under that name.

        ``texts`` are its title, artist, date and source, and the ``network`` that paints it. Raises as
        :meth:`impasto.Stylizer.card`.
        """
        data = [read_source(source) for source in pictures]
        if len(data) == 1 and data[0][:1] == b"{":
            return replace(StyleCard.from_bytes(data[0]), **{"name": name, **texts}).to_bytes()
        opened = []
        for number, one in enumerate(data, 1):
            with naming_errors("picture", number, of=len(data)):
                opened.append(Picture.of(one, max_pixels=max_pixels))
        return self._stylizer.card(name, opened, **texts).to_bytes()

    def _is_stale(self, state: Path | None, error: ImpastoError) -> bool:
        """Whether the saved run was what the engine refused; it is of no use to anybody then, and removed."""
        if state is None or self._stepped or str(state) not in str(error) or not state.is_file():
            return False
        state.unlink(missing_ok=True)
        return True

    def _request(self, task: Task) -> Request:
        settings = dict(task.settings)
        if task.format is not None:
            settings["format"] = task.format
        settings["max_pixels"] = min(settings.get("max_pixels", task.max_pixels), task.max_pixels)
        files: dict[str, Any] = {role: read_source(source) for role, source in task.files.items()}
        style = self._mixed(task)
        return self._stylizer.request(read_source(task.content), style, **files, **settings)

    def _mixed(self, task: Task) -> Style | None:
        """The style of a task, if any. Names are looked up every time: a style may have been replaced meanwhile."""
        if not task.styles:
            return None
        parts: list[tuple[float, str | bytes]] = []
        for weight, given in task.styles:
            parts.append((weight, read_source(given.file) if given.file is not None else str(given.name)))
        if any(isinstance(part, str) for _, part in parts):
            return self._mix(parts, task)
        key = [(weight, hashlib.sha256(part).digest()) for weight, part in parts if isinstance(part, bytes)]
        if self._style is None or self._style[0] != (key, task.max_pixels):
            self._style = ((key, task.max_pixels), self._mix(parts, task))
        return self._style[1]

    def _mix(self, parts: Sequence[tuple[float, str | bytes]], task: Task) -> Style:
        gallery, found = self._stylizer.gallery, dict[str | Style, float]()
        if task.gallery is not None:
            gallery = Gallery(task.gallery, base=gallery)
        for number, (weight, part) in enumerate(parts, 1):
            # Names not by Style.of: to that, a text may also be the path of any file here.
            given = gallery.get(part) if isinstance(part, str) else part
            with naming_errors("style", number, of=len(parts)):
                found[Style.of(given, max_pixels=task.max_pixels)] = weight
        return Style.mix(found)

    def _painted(self, task: Task, request: Request) -> Generator[Report | None, None, Painted]:
        asked = request
        if task.preview and request.engine == "iterative":
            asked = replace(request, preview_every=1)
        began = time.monotonic()
        result = yield from self._result(task, asked)
        # Previews are nothing that was asked for.
        result = replace(result, request=request)
        size, data = result.pastiche.size, result.to_bytes()
        self._pace.note(request, time.monotonic() - began)
        kind = f"image/{result.format}"
        return Painted(data, kind, *size, result.seconds, result.model, result.complete, result.settings())

    def _result(self, task: Task, request: Request) -> Generator[Report | None, None, Result]:
        """Run the engine; once more in smaller tiles, where what it plans is more than the memory allowed."""
        for tile in (None, *_TILES):
            asked = request if tile is None else replace(request, tile=tile)
            try:
                return (yield from self._run(task, asked))
            except _MemoryExceeded as error:
                needed = error.needed
                if request.tile is not None:
                    break
        assert self._memory is not None
        raise PictureTooLarge(
            f"the picture needs {needed / 1e9:.1f} GB of memory, and {self._memory / 1e9:.1f} are allowed; "
            f"give a smaller {'size' if request.tile is None else 'tile'}"
        )

    def _run(self, task: Task, request: Request) -> Generator[Report | None, None, Result]:
        reports, enough, self._stepped = ProgressReports(previews=task.preview), False, False
        with closing(self._stylizer.run(request, state=task.state, save_every=_SAVE_SECONDS)) as steps:
            progress = None
            while True:
                try:
                    # Before the first step there is nothing to keep; and the engine instant goes on to its end.
                    progress = steps.throw(Enough()) if enough and _is_step(progress) else next(steps)
                except StopIteration as end:
                    result: Result = end.value
                    break
                if self._memory is not None and progress.memory is not None:
                    needed = _memory_needed(request, progress.memory)
                    if needed > self._memory:
                        raise _MemoryExceeded(needed)
                self._stepped = self._stepped or _is_step(progress)
                try:
                    yield reports.due(progress)
                except Enough:
                    enough = True
        if (last := reports.held_back()) is not None:
            with suppress(Enough):
                yield last
        return result


class _MemoryExceeded(Exception):
    """What the engine plans takes more memory than allowed."""

    def __init__(self, needed: int) -> None:
        super().__init__(needed)
        self.needed = needed


def _memory_needed(request: Request, planned: int) -> int:
    """Bytes that a process takes whose engine plans with so many."""
    width, height = working_size(request)
    content = request.content.width * request.content.height
    return planned + _BASE + _PER_PIXEL * content + _PER_WORKING_PIXEL * width * height


def _is_step(progress: Progress | None) -> bool:
    return progress is not None and progress.stage == "paint" and bool(progress.losses)


def read_source(source: Source) -> bytes:
    """The bytes of a source: its path is nobody's business, and errors of its bytes do not name it.

    Raises :class:`StorageLost` for a file that cannot be read, or is not what its name says: nobody who asks names
    files, the server does.
    """
    if isinstance(source, bytes):
        return source
    try:
        with source.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise StorageLost(
            f"the server cannot read a picture that it was given ({error.strerror}); its operator has to repair that"
        ) from None
    if len(data) > _MOST_BYTES:
        raise PictureTooLarge(f"the picture is larger than {_MOST_BYTES >> 20} MiB; give a smaller file")
    if is_sha256(source.name) and hashlib.sha256(data).hexdigest() != source.name:
        raise StorageLost(
            "the server's copy of a picture that it was given is damaged; its operator has to repair that"
        )
    return data


_SMALLEST = 1_000_000
"""Pixels from which on the time that a picture takes is a matter of its size."""
_FINISHING = 4
"""How many times longer a pixel takes to be painted than to be read, finished and written."""
_NEWS = 0.5
"""Weight of the last picture against those before: other work on the machine comes and goes."""


class PaintingPace:
    """In seconds a pixel, by the clock: what else the machine does is in it. Unknown until a large picture was
    painted, and then nothing is refused."""

    def __init__(self) -> None:
        self._per_pixel = 0.0

    def note(self, request: Request, seconds: float) -> None:
        """A picture took so long."""
        if request.engine != "instant" or (pixels := _pixels(request)) < _SMALLEST:
            return
        found = seconds / pixels
        self._per_pixel = found if not self._per_pixel else _NEWS * found + (1 - _NEWS) * self._per_pixel

    def check(self, request: Request, left: float) -> None:
        """Raise :class:`TooDear` where it would take more than the seconds that are ``left``."""
        pixels = _pixels(request)
        expected = pixels * self._per_pixel
        if pixels >= _SMALLEST and expected > left:
            raise TooDear(
                f"{pixels / 1e6:.1f} megapixels take about {expected:.0f} seconds here just now, too long for an "
                "instant answer; make it a job, or give a smaller size",
                max(1, round(expected)),
            )


def _pixels(request: Request) -> int:
    """What is painted, and a share of what is read and finished, which takes less."""
    width, height = working_size(request)
    return width * height + request.content.width * request.content.height // _FINISHING
