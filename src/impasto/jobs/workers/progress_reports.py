"""ProgressReports: reports of a running engine, not more often than anybody looks."""

from __future__ import annotations

import time
from typing import Any

from impasto.picture import Picture
from impasto.picture.scaling import fit
from impasto.picture.writing import encode
from impasto.request import Progress

__all__ = ["ProgressReports", "Report"]

Report = tuple[dict[str, Any], bytes | None]
"""Facts of a report as JSON, and a preview as JPEG where one is due."""

_SECONDS = 0.1
_PREVIEW_SECONDS = 1.0
_PREVIEW_SIDE = 768
_PREVIEW_QUALITY = 80


class ProgressReports:
    """Of one run: at most ten a second and the last one always, with at most one preview a second."""

    def __init__(self, *, previews: bool) -> None:
        self._previews = previews
        self._reported_at = self._previewed_at = float("-inf")
        self._trace: list[dict[str, Any]] = []
        self._held: Progress | None = None

    def due(self, progress: Progress) -> Report | None:
        """The report that is due now, if any."""
        if progress.losses:
            self._trace.append({"step": progress.step, "loss": progress.loss, "losses": dict(progress.losses)})
        self._held = progress
        if time.monotonic() - self._reported_at < _SECONDS:
            return None
        return self._report(progress)

    def held_back(self) -> Report | None:
        """The report that was held back, if any."""
        return None if self._held is None else self._report(self._held)

    def _report(self, progress: Progress) -> Report:
        self._held, self._reported_at = None, time.monotonic()
        preview = None
        if (
            self._previews
            and progress.preview is not None
            and self._reported_at - self._previewed_at >= _PREVIEW_SECONDS
        ):
            preview, self._previewed_at = _jpeg(progress.preview), self._reported_at
        trace, self._trace = self._trace, []
        facts = {
            "stage": progress.stage,
            "done": progress.done,
            "seconds": progress.seconds,
            "seconds_left": progress.seconds_left,
            "step": progress.step,
            "steps": progress.steps,
            "losses": dict(progress.losses),
            "size": progress.size,
            "memory": progress.memory,
            "trace": trace,
        }
        return facts, preview


def _jpeg(picture: Picture) -> bytes:
    small = picture.resized(fit(picture.size, min(_PREVIEW_SIDE, max(picture.size))))
    return encode(small, "jpeg", quality=_PREVIEW_QUALITY, bits=8, keep_metadata=False, settings=None)
