"""Tables: the figures of a report in rows and columns, for a terminal as for Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

from impasto.evaluation.metrics import Interval

if TYPE_CHECKING:
    from impasto.evaluation.large_pictures import Scale
    from impasto.evaluation.measurements import Light, Standing

__all__ = ["Cell", "Row", "Table", "tables"]

_DIGITS = {"cfsd": 4, "recall": 2}

Cell = tuple[str, str]
"""A figure, and what stands below it or behind it in brackets: its range; it may be empty."""


@dataclass(frozen=True, slots=True)
class Row:
    """A contestant's cells."""

    name: str
    control: bool
    cells: list[Cell]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells under a line of column names; ``title`` heads the names."""

    title: str
    columns: tuple[str, ...]
    rows: list[Row]

    def to_markdown(self) -> str:
        """Lines without an end."""
        lines = [f"| {' | '.join((self.title, *self.columns))} |", "|---|" + "---:|" * len(self.columns)]
        for row in self.rows:
            cells = (f"{figure} ({below})" if below else figure for figure, below in row.cells)
            name = " ".join(row.name.split()).replace("|", "\\|")
            lines.append(f"| {name} | {' | '.join(cells)} |")
        return "\n".join(lines)


def tables(standings: Sequence[Standing], large: Mapping[str, Sequence[Scale]]) -> list[Table]:
    """At one look, at more than one, light where there are faces, and large photographs where there are some."""
    found = [
        _means("as it is", ("style", "gram", "content", "cfsd"), standings),
        _means("painted", ("coarse", "deep", "lattice", "drawing", "recall"), standings),
    ]
    if any(standing.light for standing in standings):
        rows = [Row(s.name, s.kind == "control", _light(s.light)) for s in standings if s.light]
        found.append(Table("light", ("faces", "mean", "largest", "within"), rows))
    if large:
        rows = [Row(name, False, _large(scales)) for name, scales in large.items()]
        found.append(Table("large", ("style", "coarse", "content", "sharpness"), rows))
    return found


def _means(title: str, measures: Sequence[str], standings: Sequence[Standing]) -> Table:
    columns, rows = list(measures), []
    for standing in standings:
        cells = [_cell(standing.means[measure], _DIGITS.get(measure, 3)) for measure in measures]
        rows.append(Row(standing.name, standing.kind == "control", cells))
        if measures[0] == "style":
            cells.insert(1, (f"{standing.median:.3f}", ""))
    if measures[0] == "style":
        columns.insert(1, "median")
    return Table(title, tuple(columns), rows)


def _cell(mean: Interval | None, digits: int) -> Cell:
    if mean is None:
        return "-", ""
    # Adding 0 turns -0 into 0: a cosine can miss 1 by a hair.
    value, low, high = (round(number, digits) + 0.0 for number in (mean.mean, mean.low, mean.high))
    return f"{value:.{digits}f}", f"{low:.{digits}f}-{high:.{digits}f}"


def _light(light: Light) -> list[Cell]:
    return [
        (str(light.faces), ""),
        (f"{light.mean:.1f}", ""),
        (f"{light.largest:.1f}", ""),
        (f"{light.within:.2f}", ""),
    ]


def _large(scales: Sequence[Scale]) -> list[Cell]:
    cells = [
        (f"{fmean(s.large[measure] for s in scales):.3f}", f"{fmean(s.small[measure] for s in scales):.3f} at 512")
        for measure in ("style", "coarse", "content")
    ]
    return [*cells, (f"{fmean(s.sharpness for s in scales):.2f}", "")]
