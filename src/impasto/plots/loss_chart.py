"""Chart: the losses of runs above each other, to see how they went and to compare them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from impasto.errors import RequestError
from impasto.picture.picture import Picture
from impasto.plots.axis import StepAxis
from impasto.plots.run_panel import Panel
from impasto.plots.trace import Trace

__all__ = ["COLORS", "draw"]

COLORS = (
    "#0072b2",
    "#d55e00",
    "#009e73",
    "#cc79a7",
    "#e69f00",
    "#56b4e9",
    "#882255",
    "#999933",
    "#332288",
)
"""Of the terms, in the order in which they come: those of Okabe and Ito that show on white, then some of Tol's."""

_MOST_ROWS = 20_000  # a hundred megabytes, and more than anyone compares
_MOST_REMARKS = 4


def draw(traces: Sequence[Trace]) -> Picture:
    """A picture of ``traces``, a panel each, over the same steps and with the same colours.

    What is not finite, zero or negative has no place on a logarithmic axis; a note says what was left
    out. So it does of snapshots that are missing. Raises :class:`RequestError` for no traces at all, or too many.
    """
    if not traces:
        raise RequestError("there are 0 traces to draw; give at least 1")
    names = dict.fromkeys(name for trace in traces for name in trace.terms)
    colors = {name: COLORS[number % len(COLORS)] for number, name in enumerate(names)}
    steps = StepAxis.around(step.step for trace in traces for step in trace.steps)
    remarks = _differences(traces)
    panels = [Panel(trace, steps, colors, remark) for trace, remark in zip(traces, remarks, strict=True)]
    rows = sum(panel.height for panel in panels)
    if rows > _MOST_ROWS:
        raise RequestError(f"{len(traces)} traces make {rows} rows of pixels, more than {_MOST_ROWS}; give fewer")
    return Picture(np.concatenate([panel.draw() for panel in panels]))


def _differences(traces: Sequence[Trace]) -> list[str]:
    """For each trace, its settings that are not the same in all of them."""
    names = dict.fromkeys(name for trace in traces for name in trace.settings)
    texts = {name: [_text(trace.settings.get(name)) for trace in traces] for name in names}
    telling = [name for name in names if len(set(texts[name])) > 1][:_MOST_REMARKS]
    return [", ".join(f"{name} {texts[name][number]}" for name in telling) for number in range(len(traces))]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
