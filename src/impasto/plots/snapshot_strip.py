"""Strip: some of the snapshots of a run in a row, to see how its picture came about."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image

from impasto.errors import ImpastoError
from impasto.picture.picture import Picture
from impasto.plots.drawing import Canvas, length
from impasto.plots.trace import Snapshot

__all__ = ["Strip"]

_MOST, _FEWEST = 8, 5  # in a row: fewer than five do not grow larger than five would be
_GAP, _LABEL, _LETTERS = 16, 30, 17
_TALLEST = 1.4  # of a cell's width
_GREY = "#5f6670"


class Strip:
    """Up to eight snapshots, the first and the last among them."""

    def __init__(self, snapshots: Sequence[Snapshot], width: int) -> None:
        """Those whose files are there and can be read; ``notes`` says how many are not. ``width`` is for all."""
        there = [snapshot for snapshot in snapshots if _is_file(snapshot)]
        self.notes: list[str] = []
        _count(self.notes, len(snapshots) - len(there), "missing")
        chosen = _evenly(there, _MOST)
        self._cell = (width + _GAP) // min(max(len(chosen), _FEWEST), _MOST) - _GAP
        self._cells = [(snapshot.step, image) for snapshot in chosen if (image := self._read(snapshot)) is not None]
        _count(self.notes, len(chosen) - len(self._cells), "not readable")

    @property
    def height(self) -> int:
        """Pixels from its top to under its labels; 0 where there is nothing to show."""
        return max((image.height for _, image in self._cells), default=-_LABEL) + _LABEL

    def draw(self, canvas: Canvas, left: int, top: int) -> None:
        """Onto ``canvas``, from its corner on."""
        for step, image in self._cells:
            canvas.paste(image, left, top)
            label = f"step {step:,}" if length(f"step {step:,}", _LETTERS) <= self._cell else f"{step:,}"
            canvas.text((left, top + image.height + 8), label, _GREY, _LETTERS, "lt")
            left += self._cell + _GAP

    def _read(self, snapshot: Snapshot) -> Image.Image | None:
        try:
            image = Picture.open(snapshot.path).to_pil()
        except ImpastoError:
            return None
        page = Image.new("RGB", image.size, "white")
        page.paste(image, mask=image.getchannel("A") if image.mode == "RGBA" else None)
        scale = min(self._cell / page.width, self._cell * _TALLEST / page.height)
        wide, high = (max(1, round(side * scale)) for side in page.size)
        return page.resize((wide, high), Image.Resampling.LANCZOS, reducing_gap=3)


def _is_file(snapshot: Snapshot) -> bool:
    try:
        return snapshot.path.is_file()
    except (OSError, ValueError):  # a name too long, a folder that may not be read
        return False


def _evenly(snapshots: Sequence[Snapshot], most: int) -> list[Snapshot]:
    if len(snapshots) <= most:
        return list(snapshots)
    return [snapshots[round(number * (len(snapshots) - 1) / (most - 1))] for number in range(most)]


def _count(notes: list[str], count: int, how: str) -> None:
    if count:
        notes.append(f"left out: {count} {'snapshot' if count == 1 else 'snapshots'}, {how}")
