"""``impasto bench`` and ``impasto bench serve``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from impasto.cli.options.grouped_help import typed_options
from impasto.cli.ui import terminal

if TYPE_CHECKING:
    from impasto.bench import Figure

__all__ = ["bench"]


_magenta = click.option(
    "--magenta",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder with Magenta's TFLite pair, to compare with.",
)
_rounds = click.option("--rounds", type=click.IntRange(1, 10_000), help="How often to measure each.")
_json = click.option("--json", "as_json", is_flag=True, help="As JSON.")


@click.group(invoke_without_command=True, short_help="Measure how fast this machine is.")
@_rounds
@_magenta
@click.option(
    "--network",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A network of one style, .t7, to compare with OpenCV's DNN.",
)
@click.option("--large", is_flag=True, help="Also a 96-megapixel picture: memory and seams. Takes a minute.")
@_json
@click.pass_context
def bench(
    ctx: click.Context, rounds: int | None, magenta: Path | None, network: Path | None, large: bool, as_json: bool
) -> None:
    """Measure how fast this machine makes pastiches, and how that compares.

    \b
    impasto bench
    impasto bench --rounds 20 --json
    impasto bench serve                  the server
    """
    if ctx.invoked_subcommand is not None:
        if unheard := typed_options(ctx):
            name, command = unheard[0].opts[0], ctx.invoked_subcommand
            raise click.UsageError(f"{name} comes before {command}; give it after: impasto bench {command} {name}")
        return
    from impasto.bench import run

    _measure_and_show(run, rounds, as_json, magenta=magenta, network=network, with_large=large)


@bench.command(short_help="Measure the HTTP server; needs impasto[serve].")
@_rounds
@_magenta
@_json
def serve(rounds: int | None, magenta: Path | None, as_json: bool) -> None:
    """Measure the HTTP server, in a process of its own, against the bare engine in this one.

    With --magenta, and from a checkout, also against a server as tutorials build it, which loads Magenta's TFLite
    pair for each request.

    \b
    impasto bench serve
    impasto bench serve --magenta magenta/ --json
    """
    from impasto.bench import server_figures

    _measure_and_show(server_figures, rounds, as_json, magenta=magenta)


def _measure_and_show(measure: Callable[..., list[Figure]], rounds: int | None, as_json: bool, **settings: Any) -> None:
    # How many rounds are enough, the measurement itself knows.
    settings |= {} if rounds is None else {"rounds": rounds}
    if terminal.is_terminal("stderr") and not as_json:
        with terminal.console("stderr").status("measuring; close other programs for steady figures"):
            figures = measure(**settings)
    else:
        figures = measure(**settings)
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
    table.add_column("measured", justify="right", no_wrap=True)
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
