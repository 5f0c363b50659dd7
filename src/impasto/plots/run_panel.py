"""Panel: the curves of one run, with a legend beside them and its snapshots below."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from itertools import pairwise

from impasto.picture.picture import Pixels
from impasto.plots.axis import LogAxis, LogTick, StepAxis
from impasto.plots.drawing import Canvas, Point, length, shortened
from impasto.plots.elapsed_time import Clock
from impasto.plots.snapshot_strip import Strip
from impasto.plots.trace import Trace, TraceStep

__all__ = ["TOTAL", "WIDTH", "Panel"]

WIDTH = 1600
"""Pixels across."""

TOTAL = "#000000"
"""The colour of the sum of all terms."""

_EDGE = 48  # white around everything
_LEFT, _RIGHT = 152, 1264  # of the curves; the legend is right of them
_TITLE, _FACTS, _TIMES, _TOP = 72, 106, 164, 178  # where lines of text stand, from above, and the frame begins
_BAND = 38  # at the top of the frame, for the sizes of the levels
_BOTTOM = 610
_STEPS = _BOTTOM + 32
_STRIP = _BOTTOM + 72
_NOTE = 28

_INK, _GREY, _FAINT, _GRID = "#1d2126", "#5f6670", "#c3c8cf", "#eceef1"
_LARGE, _MEDIUM, _SMALL = 30, 19, 17
_ROW = 33  # of the legend


class Panel:
    """One run. ``colors`` holds a colour for each term, ``steps`` is the axis that all panels share."""

    def __init__(self, trace: Trace, steps: StepAxis, colors: Mapping[str, str], remark: str = "") -> None:
        """``remark`` says what tells this run from the others; it may be empty. ``notes`` is what is left out."""
        self._trace, self._x, self._colors, self._remark = trace, steps, colors, remark
        self._y = LogAxis.around(
            value for step in trace.steps if step.is_finite for value in (step.loss, *step.terms.values())
        )
        self._clock = Clock.of(trace.steps)
        self._strip = Strip(trace.snapshots, WIDTH - _EDGE - _LEFT)
        self.notes = self._left_out() + self._strip.notes
        self._below = _STRIP + (self._strip.height + 20 if self._strip.height else 0)
        self.height = self._below + _NOTE * len(self.notes) + 28

    def at(self, step: int, value: float) -> Point | None:
        """Where a loss lies; ``None`` where it has no place on the axis."""
        if self._y is None or not (math.isfinite(value) and value > 0):
            return None
        floor = _TOP + _BAND
        return _LEFT + (_RIGHT - _LEFT) * self._x.share(step), _BOTTOM - (_BOTTOM - floor) * self._y.share(value)

    def draw(self) -> Pixels:
        """The whole panel, :data:`WIDTH` across."""
        canvas = Canvas(WIDTH, self.height)
        self._draw_titles(canvas)
        self._draw_levels(canvas)
        self._draw_axes(canvas)
        self._draw_curves(canvas)
        self._draw_legend(canvas)
        self._strip.draw(canvas, _LEFT, _STRIP)
        for row, note in enumerate(self.notes):
            room = WIDTH - _EDGE - _LEFT
            canvas.text((_LEFT, self._below + _NOTE * row), shortened(note, _SMALL, room), _GREY, _SMALL, "lt")
        return canvas.shrunk()

    def _left_out(self) -> list[str]:
        notes = []
        odd = sum(not step.is_finite for step in self._trace.steps)
        if odd:
            notes.append(f"left out: {_amount(odd, 'step')} with a loss that is NaN or infinite")
        low: dict[str, int] = {}
        for step in self._trace.steps:
            if step.is_finite:
                for name, value in {**step.terms, "total": step.loss}.items():
                    low[name] = low.get(name, 0) + (value <= 0)
        named = [f"{name} ({_amount(count, 'step')})" for name, count in low.items() if count]
        if named:
            notes.append(f"left out, for a logarithmic axis ends above zero: {', '.join(named)}")
        return notes

    def _draw_titles(self, canvas: Canvas) -> None:
        trace, room = self._trace, WIDTH - _EDGE - _LEFT
        title = shortened(trace.photo, _LARGE, room * 0.7)
        canvas.text((_LEFT, _TITLE), title, _INK, _LARGE)
        left = _LEFT + length(title, _LARGE) + 16
        canvas.text((left, _TITLE), shortened(trace.model, _MEDIUM, WIDTH - _EDGE - left), _GREY, _MEDIUM)
        facts = [trace.path.name, _amount(len(trace.steps), "step")]
        if trace.steps:
            facts.append(self._clock.total)
        if self._remark:
            facts.append(self._remark)
        canvas.text((_LEFT, _FACTS), shortened("  ·  ".join(facts), _MEDIUM, room), _GREY, _MEDIUM)

    def _draw_levels(self, canvas: Canvas) -> None:
        """A line where the size changes, and the size in the band above the curves, where there is room for it."""
        steps = self._trace.steps
        starts = [
            (_LEFT + (_RIGHT - _LEFT) * self._x.share(step.step), step.size)
            for before, step in pairwise((None, *steps))
            if step is not None and (before is None or (before.level, before.size) != (step.level, step.size))
        ]
        drawn = -math.inf
        for (left, (wide, high)), (right, _) in pairwise([*starts, (_RIGHT, (0, 0))]):
            if left - drawn >= 6 and left > _LEFT + 6:
                canvas.rule((left, _TOP), (left, _BOTTOM), _FAINT)
                drawn = left
            for label in (f"{wide} x {high}", f"{max(wide, high)}"):
                if length(label, _SMALL) + 16 <= right - left:
                    canvas.text((left + 9, _TOP + 20), label, _GREY, _SMALL, "lm")
                    break

    def _draw_axes(self, canvas: Canvas) -> None:
        plain = self._y is not None and all(tick.plain is not None for tick in self._y.ticks())
        for y, tick in self._heights():
            if tick is not None:
                canvas.rule((_LEFT, y), (_RIGHT, y), _GRID)
                _draw_number(canvas, (_LEFT - 16, y), tick, plain)
            else:
                canvas.rule((_LEFT - 5, y), (_LEFT, y), _FAINT)
        for edge in (_TOP, _BOTTOM):
            canvas.rule((_LEFT, edge), (_RIGHT, edge), _FAINT)
        for step in self._x.ticks():
            x = _LEFT + (_RIGHT - _LEFT) * self._x.share(step)
            canvas.rule((x, _BOTTOM), (x, _BOTTOM + 6), _FAINT)
            canvas.text((x, _STEPS), f"{step:,}", _GREY, _SMALL, "ms")
        canvas.text((_RIGHT + 36, _STEPS), "step", _GREY, _SMALL)
        taken = -math.inf
        for step_then, label in self._clock.ticks():
            x = _LEFT + (_RIGHT - _LEFT) * self._x.share(step_then)
            half = length(label, _SMALL) / 2
            if x - half > taken and x >= _LEFT - 1:
                canvas.rule((x, _TOP - 6), (x, _TOP), _FAINT)
                canvas.text((x, _TIMES), label, _GREY, _SMALL, "ms")
                taken = x + half + 14
        if self._y is not None:
            canvas.text((_LEFT - 16, _TOP + 20), "loss", _GREY, _SMALL, "rm")

    def _heights(self) -> Iterator[tuple[float, LogTick | None]]:
        """Where numbers of the upright axis lie, those that are not written as ``None``."""
        if self._y is None:
            return
        tall = _BOTTOM - _TOP - _BAND
        for tick in self._y.ticks():
            yield _BOTTOM - tall * self._y.share_of_power(tick.power), tick
        for tick in self._y.between():
            yield _BOTTOM - tall * self._y.share_of_power(tick.power), None

    def _draw_curves(self, canvas: Canvas) -> None:
        if self._y is None:
            text = "no loss above zero to draw" if self._trace.steps else "no steps yet"
            canvas.text(((_LEFT + _RIGHT) / 2, (_TOP + _BOTTOM) / 2), text, _GREY, _MEDIUM, "mm")
            return
        # The total is the widest and lies beneath, so that a term that makes up nearly all of it is seen, too.
        self._draw_curve(canvas, None, TOTAL, 4.5)
        for name in self._trace.terms:
            self._draw_curve(canvas, name, self._colors[name], 2.5)

    def _draw_curve(self, canvas: Canvas, name: str | None, color: str, width: float) -> None:
        for stretch in self._stretches(name):
            if len(stretch) == 1:
                canvas.dot(stretch[0], color, width * 1.3)
            else:
                canvas.line(_thinned(stretch), color, width)

    def _stretches(self, name: str | None) -> Iterator[list[Point]]:
        """The points of a term, ``None`` for the total; broken where there is none, and where the size changes."""
        stretch: list[Point] = []
        size = None
        for step in self._trace.steps:
            value = _value(step, name)
            point = None if value is None else self.at(step.step, value)
            if stretch and (point is None or step.size != size):
                yield stretch
                stretch = []
            if point is not None:
                stretch.append(point)
            size = step.size
        if stretch:
            yield stretch

    def _draw_legend(self, canvas: Canvas) -> None:
        """The total, then the terms in the order in which the curves end, each with its last number."""
        ends = {name: self._end(name) for name in self._trace.terms}
        names = sorted(ends, key=lambda name: -ends[name])
        rows = [("total", TOTAL, 4.5, self._end(None))] if self._trace.steps else []
        rows += [(name, self._colors[name], 2.5, ends[name]) for name in names]
        fit = (_BOTTOM - _TOP) // _ROW
        left, top = _RIGHT + 36, _TOP + 20
        for row, (name, color, width, value) in enumerate(rows):
            y = top + _ROW * row
            if row == fit - 1 and len(rows) > fit:
                canvas.text((left, y), f"and {len(rows) - row} more", _GREY, _SMALL, "lm")
                break
            number = _figures(value)
            canvas.line([(left, y), (left + 22, y)], color, width)
            room = WIDTH - _EDGE - left - 36 - length(number, _SMALL) - 12
            canvas.text((left + 36, y), shortened(name, _MEDIUM, room), _INK, _MEDIUM, "lm")
            canvas.text((WIDTH - _EDGE, y), number, _GREY, _SMALL, "rm")

    def _end(self, name: str | None) -> float:
        """The last number of a term, ``None`` for the total; minus infinity where there is none."""
        values = (_value(step, name) for step in reversed(self._trace.steps))
        return next((value for value in values if value is not None), -math.inf)


def _value(step: TraceStep, name: str | None) -> float | None:
    if not step.is_finite:
        return None
    return step.loss if name is None else step.terms.get(name)


def _thinned(points: list[Point]) -> list[Point]:
    """Of the points of each half pixel across the first, the lowest, the highest and the last: it looks the same."""
    if len(points) <= 4 * WIDTH:
        return points
    columns: dict[int, list[Point]] = {}
    for point in points:
        columns.setdefault(int(point[0] * 2), []).append(point)
    kept = []
    for column in columns.values():
        low, high = (column.index(find(column, key=lambda point: point[1])) for find in (min, max))
        kept += [column[i] for i in sorted({0, low, high, len(column) - 1})]
    return kept


def _draw_number(canvas: Canvas, right: Point, tick: LogTick, plain: bool) -> None:
    """A number of the upright axis, its right end at ``right``."""
    if plain and tick.plain is not None:
        canvas.text(right, tick.plain, _GREY, _SMALL, "rm")
        return
    x, y = right
    small = _SMALL * 3 // 4
    canvas.text((x, y - 6), str(tick.exponent), _GREY, small, "rm")
    x -= length(str(tick.exponent), small) + 1
    canvas.text((x, y), "10" if tick.mantissa == 1 else f"{tick.mantissa} · 10", _GREY, _SMALL, "rm")


def _figures(number: float) -> str:
    """Three figures; nothing where there is no number."""
    if not math.isfinite(number):
        return ""
    digits, e, exponent = f"{number:#.3g}".partition("e")
    return f"{digits.rstrip('.')}{e}{int(exponent) if e else ''}"


def _amount(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
