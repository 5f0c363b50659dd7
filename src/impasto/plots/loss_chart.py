"""Chart: the losses of runs above each other, to see how they went and to compare them; drawn by matplotlib."""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from impasto.errors import ImpastoError, MissingExtra, RequestError
from impasto.picture.picture import Picture
from impasto.plots.trace import Snapshot, Trace, TraceStep

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

__all__ = ["COLORS", "draw", "elapsed_seconds"]

COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#882255", "#999933", "#332288")
"""Of the terms, in the order in which they come: those of Okabe and Ito that show on white, then some of Tol's."""

_DPI = 100
_WIDTH, _LEFT, _RIGHT = 16.0, 1.4, 12.6  # inches; the legend is to the right of the curves
_ABOVE, _CURVES, _BELOW = 1.6, 4.6, 0.8
_STRIP, _NOTE = 2.4, 0.28
_GAP = 0.15
_MOST_SNAPSHOTS, _MOST_LEGEND, _MOST_REMARKS, _LONGEST = 8, 12, 4, 60
_MOST_ROWS = 20_000  # of pixels: a hundred megabytes, and more than anyone compares
_SMALLEST = 1e-300  # of a loss: what is smaller has no room for a margin below it


def draw(traces: Sequence[Trace]) -> Picture:
    """A picture of ``traces``, 1600 pixels wide, a panel each, over the same steps and with the same colours.

    A logarithmic axis cannot show values that are not finite or not positive; a note counts those
    left out, and the snapshots that are missing. Raises :class:`RequestError` for no traces at all, or too many, and
    :class:`MissingExtra` without matplotlib.
    """
    if not traces:
        raise RequestError("there are no traces to draw; give at least one")
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtra("a chart", "plot") from error
    names = dict.fromkeys(name for trace in traces for name in trace.terms)
    colors = {name: COLORS[number % len(COLORS)] for number, name in enumerate(names)}
    panels = [_Panel(trace, colors, remark) for trace, remark in zip(traces, _differences(traces), strict=True)]
    heights = [panel.height for panel in panels]
    if (rows := round(sum(heights) * _DPI)) > _MOST_ROWS:
        raise RequestError(f"{len(traces)} traces make {rows} rows of pixels, more than {_MOST_ROWS}; give fewer")
    figure = Figure(figsize=(_WIDTH, sum(heights)), dpi=_DPI, facecolor="white")
    steps = [step.step for trace in traces for step in trace.steps] or [0, 1]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of letters that the font does not have: they are drawn as boxes
        for panel, part in zip(panels, _parts(figure, heights), strict=True):
            panel.draw(part, (min(steps) if min(steps) > max(steps) * 0.2 else 0, max(steps)))
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
    return Picture(np.asarray(canvas.buffer_rgba())[..., :3].copy())


def elapsed_seconds(steps: Sequence[TraceStep]) -> list[float]:
    """Seconds up to each step; they go on where they begin at zero again, as they may when a run is resumed."""
    elapsed: list[float] = []
    before = last = 0.0
    for step in steps:
        if step.seconds < last:
            before = elapsed[-1]
        last = step.seconds
        elapsed.append(before + last)
    return elapsed


class _Panel:
    """One run: its curves with a legend beside them, and its snapshots below."""

    def __init__(self, trace: Trace, colors: Mapping[str, str], remark: str) -> None:
        """``remark`` says what tells this run from the others; it may be empty."""
        self._trace, self._colors, self._remark = trace, colors, remark
        self._snapshots, missing = _readable(trace.snapshots)
        self._notes = [*_left_out(trace.steps), *missing]

    @property
    def height(self) -> float:
        """In inches."""
        return _ABOVE + _CURVES + _BELOW + _STRIP * bool(self._snapshots) + _NOTE * len(self._notes)

    def draw(self, part: SubFigure, limits: tuple[float, float]) -> None:
        """Into ``part`` of a figure; ``limits`` are the first and the last step of all panels."""
        trace, tall = self._trace, self.height
        elapsed = elapsed_seconds(trace.steps)
        facts = [trace.path.name, trace.model, f"{len(trace.steps):,} steps"]
        facts += [_duration(elapsed[-1])] if elapsed else []
        facts += [self._remark] if self._remark else []
        for below, size, text in ((0.5, 18, trace.photo), (0.9, 12, "  ·  ".join(map(_short, facts)))):
            part.text(_LEFT / _WIDTH, 1 - below / tall, _short(text, 120), size=size, parse_math=False)
        bottom = tall - _ABOVE - _CURVES
        axes = part.add_axes((_LEFT / _WIDTH, bottom / tall, (_RIGHT - _LEFT) / _WIDTH, _CURVES / tall))
        self._draw_curves(axes)
        axes.set_xlim(*(limits if limits[0] < limits[1] else (limits[0] - 1, limits[1] + 1)))
        axes.set_xlabel("step")
        axes.xaxis.set_major_formatter(lambda step, _: f"{step:,.0f}")
        axes.grid(color="#eceef1")
        self._draw_levels(axes)
        if elapsed:
            numbers = [step.step for step in trace.steps]
            times = axes.secondary_xaxis("top")
            times.xaxis.set_major_formatter(
                lambda step, _: (
                    _duration(float(np.interp(step, numbers, elapsed, left=0))) if step <= numbers[-1] else ""
                )
            )
        for number, (step, pixels) in enumerate(self._snapshots):
            cell = (_WIDTH - 2 * _LEFT) / _MOST_SNAPSHOTS
            low = (bottom - _BELOW - _STRIP + 0.3) / tall
            box = ((_LEFT + cell * number) / _WIDTH, low, (cell - _GAP) / _WIDTH, (_STRIP - 0.4) / tall)
            shown = part.add_axes(box, anchor="NW")
            shown.imshow(pixels, interpolation="antialiased")
            shown.set_title(f"step {step:,}", size=10, loc="left")
            shown.set_axis_off()
        for number, note in enumerate(reversed(self._notes)):
            place = (_LEFT / _WIDTH, (0.1 + _NOTE * number) / tall)
            part.text(*place, _short(note, 160), size=10, color="#5f6670", parse_math=False)

    def _draw_curves(self, axes: Axes) -> None:
        curves = {name: _values(self._trace.steps, name) for name in (None, *self._trace.terms)}
        if not any(np.isfinite(values).any() for values in curves.values()):
            text = "no loss above zero to draw" if self._trace.steps else "no steps yet"
            axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center")
            return
        x, y = [step.step for step in self._trace.steps], curves.pop(None)
        axes.set_yscale("log")
        axes.set_ylabel("loss")
        # The total is the widest and lies beneath, so that a term that makes up nearly all of it is seen, too.
        _draw_curve(axes, x, y, self._trace.steps, "black", 4.5, f"total  {_last(y):.3g}")
        by_end = sorted(curves, key=lambda name: -np.nan_to_num(_last(curves[name]), nan=-math.inf))
        for number, name in enumerate(by_end):
            label = f"{_short(str(name), 24)}  {_last(curves[name]):.3g}" if number < _MOST_LEGEND else None
            _draw_curve(axes, x, curves[name], self._trace.steps, self._colors[str(name)], 2.5, label)
        legend = axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False)
        for name_and_end, line in zip(legend.get_texts(), legend.get_lines(), strict=True):
            name_and_end.set_parse_math(False)
            line.set_marker("")
        if len(curves) > _MOST_LEGEND:
            legend.set_title(f"the {_MOST_LEGEND} largest of {len(curves)}")

    def _draw_levels(self, axes: Axes) -> None:
        """A line where the size of the picture changes, and the size beside it where there is room."""
        steps, (low, high) = self._trace.steps, axes.get_xlim()
        starts = [
            (step.step, step.size)
            for before, step in pairwise((None, *steps))
            if step is not None and (before is None or (before.level, before.size) != (step.level, step.size))
        ]
        for (start, size), (end, _) in pairwise([*starts, (steps[-1].step if steps else high, (0, 0))]):
            axes.axvline(start, color="#c3c8cf", linewidth=1)
            if (end - start) / (high - low) > 0.08:
                axes.text(
                    start, 0.98, f" {size[0]} x {size[1]}", transform=axes.get_xaxis_transform(), va="top", size=10
                )


def _parts(figure: Figure, heights: Sequence[float]) -> list[SubFigure]:
    return list(figure.subfigures(len(heights), 1, squeeze=False, height_ratios=heights).flat)


def _draw_curve(
    axes: Axes,
    x: Sequence[int],
    y: np.ndarray[Any, np.dtype[np.float64]],
    steps: Sequence[TraceStep],
    color: str,
    width: float,
    label: str | None,
) -> None:
    """One curve; broken where there is no number and where the size changes. A number that stands alone is a dot."""
    breaks = [number for number, (a, b) in enumerate(pairwise(steps), 1) if a.size != b.size]
    x_broken, y_broken = np.insert(np.asarray(x, float), breaks, np.nan), np.insert(y, breaks, np.nan)
    there = np.pad(np.isfinite(y_broken), 1)
    alone = np.flatnonzero(there[1:-1] & ~there[:-2] & ~there[2:])
    axes.plot(x_broken, y_broken, color=color, linewidth=width, label=label, marker="o", markevery=alone.tolist())


def _values(steps: Sequence[TraceStep], name: str | None) -> np.ndarray[Any, np.dtype[np.float64]]:
    """A term's numbers, ``None`` for the total's; NaN where there is none that a logarithmic axis can show."""
    values = [(step.loss if name is None else step.terms.get(name, math.nan)) for step in steps]
    shown = [step.is_finite and value > _SMALLEST for step, value in zip(steps, values, strict=True)]
    return np.where(shown, values, np.nan).astype(np.float64)


def _last(values: np.ndarray[Any, np.dtype[np.float64]]) -> float:
    finite = values[np.isfinite(values)]
    return float(finite[-1]) if len(finite) else math.nan


def _left_out(steps: Sequence[TraceStep]) -> Iterator[str]:
    if odd := sum(not step.is_finite for step in steps):
        yield f"left out: {_amount(odd, 'step')} with a loss that is NaN or infinite"
    low: dict[str, int] = {}
    for step in steps:
        for name, value in {**step.terms, "total": step.loss}.items():
            if step.is_finite and value <= _SMALLEST:
                low[name] = low.get(name, 0) + 1
    if low:
        named = ", ".join(f"{name} ({_amount(count, 'step')})" for name, count in low.items())
        yield f"left out, for a logarithmic axis ends above zero: {named}"


def _readable(snapshots: Sequence[Snapshot]) -> tuple[list[tuple[int, Any]], list[str]]:
    """Up to eight, the first and the last among them, small; and notes of those that are missing or broken."""
    there = [snapshot for snapshot in snapshots if _is_file(snapshot)]
    chosen = sorted({round(number) for number in np.linspace(0, len(there) - 1, _MOST_SNAPSHOTS)} if there else ())
    cells = []
    for snapshot in (there[number] for number in chosen):
        try:
            image = Picture.open(snapshot.path).to_pil()
        except ImpastoError:
            continue
        image.thumbnail((400, 400))
        cells.append((snapshot.step, np.asarray(image)))
    counts = ((len(snapshots) - len(there), "missing"), (len(chosen) - len(cells), "not readable"))
    notes = [f"left out: {_amount(n, 'snapshot')}, {how}" for n, how in counts if n]
    return cells, notes


def _is_file(snapshot: Snapshot) -> bool:
    try:
        return snapshot.path.is_file()
    except (OSError, ValueError):  # a name too long, a folder that may not be read
        return False


def _differences(traces: Sequence[Trace]) -> list[str]:
    """For each trace, its settings that are not the same in all of them."""
    names = dict.fromkeys(name for trace in traces for name in trace.settings)
    texts = {name: [_text(trace.settings.get(name)) for trace in traces] for name in names}
    telling = [name for name in names if len(set(texts[name])) > 1][:_MOST_REMARKS]
    return [", ".join(f"{name} {texts[name][number]}" for name in telling) for number in range(len(traces))]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _short(text: str, longest: int = _LONGEST) -> str:
    """``text`` on one line, without what cannot be encoded, its end left out where it is too long."""
    plain = "".join(letter if letter.isprintable() else "?" for letter in text[: longest + 1])
    return plain if len(plain) <= longest else f"{plain[: longest - 1]}…"


def _amount(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.3g} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min"
