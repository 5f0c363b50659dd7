"""Host: what ComfyUI is told of progress, and asks: whether somebody pressed Cancel. Without it, nothing."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing

from impasto import Progress, Result

__all__ = ["Bar", "finished"]

_PARTS = 1000
"""Of an image: what its progress is counted in."""
_PREVIEW = 512


class Bar:
    """ComfyUI's bar below a node, over ``count`` images."""

    def __init__(self, count: int) -> None:
        self._total = count * _PARTS
        try:
            from comfy.utils import ProgressBar
        except ImportError:
            self._bar = None
        else:
            self._bar = ProgressBar(self._total)

    def show(self, number: int, progress: Progress) -> None:
        """How far image ``number`` is, counted from 0. Raises ComfyUI's own exception where it was cancelled."""
        try:
            from comfy.model_management import throw_exception_if_processing_interrupted
        except ImportError:
            pass
        else:
            throw_exception_if_processing_interrupted()
        if self._bar is None:
            return
        preview = None
        if progress.preview is not None:
            preview = ("JPEG", progress.preview.to_pil().convert("RGB"), _PREVIEW)
        self._bar.update_absolute(round((number + progress.done) * _PARTS), self._total, preview)


def finished(run: Generator[Progress, None, Result], bar: Bar, number: int) -> Result:
    """What a run ends in, its progress shown. Where it is cancelled, the run is, too."""
    with closing(run):
        while True:
            try:
                progress = next(run)
            except StopIteration as end:
                result: Result = end.value
                return result
            bar.show(number, progress)
