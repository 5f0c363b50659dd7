"""What ``impasto models`` shows of models: facts for programs, tables for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from impasto.cli.ui import terminal

if TYPE_CHECKING:
    from impasto.models import Model

__all__ = ["details", "draw", "draw_published", "facts", "published_facts", "size"]


def facts(model: Model) -> dict[str, Any]:
    """What a list says of a model. ``active`` is whether its name alone means this version."""
    from impasto.models import find
    from impasto.models.licences import permits_commercial
    from impasto.models.store import shipped

    return {
        "model": model.identity,
        "kind": model.kind,
        "licence": model.licence,
        "commercial": permits_commercial(model.licence),
        "bytes": model.size(),
        "shipped": any(model.path == other.path for other in shipped()),
        "active": find(model.name).path == model.path,
        "path": str(model.path),
    }


def details(model: Model) -> dict[str, Any]:
    """All that is known of a model."""
    return {
        **facts(model),
        "source": model.source,
        "architecture": dict(model.architecture),
        "files": {part: dict(entry) for part, entry in model.files.items()},
        "rules": dict(model.rules),
    }


def published_facts() -> list[dict[str, Any]]:
    """What a list says of each model that can be fetched."""
    from impasto.models import models
    from impasto.models.published import PUBLISHED

    there = {model.name for model in models()}
    return [
        {
            "model": entry.name,
            "kind": entry.kind,
            "licence": entry.licence,
            "megabytes": round(entry.megabytes, 1),
            "here": entry.name in there,
            "source": entry.source,
            "files": [file.url for file in entry.files],
        }
        for entry in PUBLISHED.values()
    ]


def size(count: float) -> str:
    """``80.1 MB``."""
    return f"{count / 1e6:.1f} MB" if count < 1e8 else f"{count / 1e6:.0f} MB"


def draw(listed: Sequence[dict[str, Any]]) -> None:
    """A table of models on the terminal."""
    names = [told["model"].partition("@")[0] for told in listed]
    rows = []
    for name, told in zip(names, listed, strict=True):
        where = "ships with Impasto" if told["shipped"] else told["path"]
        mark = " *" if told["active"] and names.count(name) > 1 else ""
        rows.append((told["model"] + mark, told["kind"], size(told["bytes"]), told["licence"], where))
    _table(("model", "kind", "size", "licence", "where"), rows)
    if any(row[0].endswith("*") for row in rows):
        terminal.note("* is meant by the name alone; choose another with: impasto models use NAME@VERSION")


def draw_published(listed: Sequence[dict[str, Any]]) -> None:
    """A table of what can be fetched."""
    rows = [
        (told["model"], told["kind"], size(told["megabytes"] * 1e6), told["licence"], "here" if told["here"] else "")
        for told in listed
    ]
    _table(("model", "kind", "to fetch", "licence", ""), rows)


def _table(columns: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False)
    for column in columns[:2]:
        table.add_column(column, no_wrap=True)
    table.add_column(columns[2], no_wrap=True, justify="right")
    table.add_column(columns[3], style="dim")
    table.add_column(columns[4], style="dim", overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    terminal.console().print(table)
