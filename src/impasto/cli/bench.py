"""``impasto bench``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from impasto.cli import terminal

if TYPE_CHECKING:
    from impasto.bench import Figure

__all__ = ["bench"]


@click.command(short_help="Measure how fast this machine is.")
@click.option("--rounds", type=click.IntRange(1, 10_000), help="How often to measure each.")
@click.option(
    "--magenta",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder with Magenta's TFLite pair, to compare with.",
)
@click.option("--large", is_flag=True, help="Also a 96-megapixel picture: memory and seams. Takes a minute.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def bench(rounds: int | None, magenta: Path | None, large: bool, as_json: bool) -> None:
    """Measure how fast this machine makes pastiches, and how that compares.

    \b
    impasto bench
    impasto bench --rounds 20 --json
    """
    from impasto.bench import run

    # How many rounds are enough, the measurement itself knows.
    given: dict[str, Any] = {"magenta": magenta, "with_large": large} | ({} if rounds is None else {"rounds": rounds})
    if terminal.is_terminal("stderr") and not as_json:
        with terminal.console("stderr").status("measuring; close other programs for steady figures"):
            figures = run(**given)
    else:
        figures = run(**given)
    if as_json:
        terminal.emit([asdict(figure) for figure in figures], indent=2)
    else:
        _draw(figures)


def _draw(figures: list[Figure]) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False)
    table.add_column("what", overflow="fold")
    table.add_column("time", justify="right", no_wrap=True)
    table.add_column("compared", no_wrap=True)
    for figure in figures:
        what = Text(figure.name)
        if figure.note:
            what.append(f"\n{figure.note}", "dim")
        table.add_row(what, _value(figure), _ratio(figure))
    terminal.console().print(table)


def _value(figure: Figure) -> str:
    if figure.value is None:
        return "-"
    if figure.unit == "ms" and figure.value >= 1000:
        return f"{figure.value / 1000:.2f} s"
    return f"{figure.value:.4g} {figure.unit}".rstrip()


def _ratio(figure: Figure) -> str:
    return "" if figure.ratio is None else f"{figure.ratio:.2f} of {figure.against}"
