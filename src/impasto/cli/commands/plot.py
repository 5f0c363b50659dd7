"""``impasto plot``."""

from __future__ import annotations

import os
from pathlib import Path

import click

from impasto.cli.ui import terminal
from impasto.user_folders import own_folder

__all__ = ["plot"]


@click.command(short_help="Draw the losses of runs of the iterative engine.")
@click.argument("traces", nargs=-1, required=True, metavar="TRACE...")
@click.option("-o", "--output", metavar="FILE", help="The PNG to write, - for standard output.  [default TRACE.png]")
@click.option("--overwrite", is_flag=True, help="Replace a picture that is there.")
def plot(traces: tuple[str, ...], output: str | None, overwrite: bool) -> None:
    """Draw how the loss of each TRACE fell, and how its picture came about.

    TRACE is a file that `impasto stylize --engine iterative --trace TRACE` wrote, or is still writing.
    Several are drawn below each other over the same steps, in one picture: by default beside
    the first, with its name and the suffix .png.

    \b
    impasto plot harbour.jsonl
    impasto plot weak.jsonl strong.jsonl -o both.png
    """
    from impasto.picture.files import write_atomically
    from impasto.picture.writing import encode
    from impasto.plots.loss_chart import draw
    from impasto.plots.trace import Trace

    target = _target(traces, output)
    # matplotlib keeps a list of the fonts that it finds: in our folder, not in one of its own.
    os.environ.setdefault("MPLCONFIGDIR", str(own_folder("matplotlib")))
    chart = draw([Trace.read(trace) for trace in traces])
    data = encode(chart, "png", quality=100, bits=8, keep_metadata=False, settings=None)
    if target is None:
        terminal.send(data)
        return
    write_atomically(target, data, overwrite=overwrite)
    click.echo(click.format_filename(target))


def _target(traces: tuple[str, ...], output: str | None) -> Path | None:
    """Where the chart goes; ``None`` is standard output."""
    if output == "-":
        return None
    if output is None:
        target = Path(f"{os.path.splitext(traces[0])[0]}.png")
    else:
        target = Path(output)
        if target.suffix.lower() != ".png":
            raise click.UsageError(f"-o is {output}, but a chart is a PNG; give a name that ends in .png")
    if any(os.path.realpath(target) == os.path.realpath(trace) for trace in traces):
        raise click.UsageError(f"the chart would replace the trace {target}; give another name with -o FILE.png")
    return target
