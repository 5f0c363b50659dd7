"""``impasto models`` and what is under it: the models that ship, and the user's own."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from impasto.cli import terminal
from impasto.errors import MissingExtra, ModelError
from impasto.models.published import PUBLISHED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from impasto.models import Model, Store
    from impasto.models.download import Watcher

__all__ = ["models"]

_NAME = click.Choice(sorted(PUBLISHED))
_EVERY = 10.0
"""Seconds between lines about a download, where there is no terminal to draw a bar on."""


@click.group(invoke_without_command=True, short_help="List, fetch, add and remove models.")
@click.option("--json", "as_json", is_flag=True, help="List them as JSON.")
@click.pass_context
def models(ctx: click.Context, as_json: bool) -> None:
    """List the models there are, or get others.

    \b
    impasto models
    impasto models pull vgg19            fetch it from its publisher
    impasto models add vgg19 FILE        ... or take it from a file, without a network
    impasto models remove vgg19
    """
    if ctx.invoked_subcommand is not None:
        return
    from impasto.models import Store
    from impasto.models import models as every

    listed = [_facts(model) for model in every()]
    if as_json:
        terminal.emit(listed, indent=2)
    elif terminal.is_terminal("stdout"):
        _draw(listed)
    else:
        for facts in listed:
            click.echo("\t".join(str(facts[key]) for key in ("model", "kind", "licence", "bytes", "path")))
    for problem in Store().problems():
        terminal.note(f"warning: {problem}")


@models.command(short_help="Fetch a model from its publisher.")
@click.argument("name", type=_NAME)
@click.option("--url", metavar="URL", help="Where to fetch it from instead; its sha256 has to be the same.")
def pull(name: str, url: str | None) -> None:
    """Fetch the encoder NAME, vgg16 or vgg19, from its publisher, and keep the part of it that is needed.

    About 550 MB are fetched, and 60 to 80 MB kept. What is cut off goes on where it stopped. Needs impasto[iterative].
    """
    from impasto.models import Store
    from impasto.models.download import download

    published, store = PUBLISHED[name], Store()
    if _is_there(store, published.identity):
        return
    _require_torch(name)
    try:
        with _watched(name) as watcher:
            file = download(
                url or published.url,
                store.downloads / published.url.rpartition("/")[2],
                published.sha256,
                size=published.size,
                progress=watcher,
            )
    except KeyboardInterrupt:
        terminal.note("stopped; the same command goes on from there")
        raise click.exceptions.Exit(130) from None
    except ModelError as error:
        raise ModelError(f"{error} (or: impasto models add {name} FILE)") from error
    model = _install(store, name, file, None)
    file.unlink(missing_ok=True)
    _told(model)


@models.command(short_help="Add a model from a file that you have.")
@click.argument("name", type=_NAME)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--convention",
    type=click.Choice(["caffe", "torchvision"]),
    help="How pictures are prepared for it.  [default what the file says, or its kind]",
)
def add(name: str, file: Path, convention: str | None) -> None:
    """Add the encoder NAME, vgg16 or vgg19, from FILE.

    FILE is torchvision's state dict (.pth), or weights named conv1_1.weight ... as .npz (Caffe's) or
    .safetensors. Nothing that is in it is run. Needs impasto[iterative].
    """
    from impasto.models import Store

    store = Store()
    if _is_there(store, PUBLISHED[name].identity):
        return
    _require_torch(name)
    _told(_install(store, name, file, convention))


@models.command(short_help="Remove a model that you added.")
@click.argument("name", metavar="NAME[@VERSION]")
def remove(name: str) -> None:
    """Remove the model NAME, one you fetched or added."""
    from impasto.models import Store

    terminal.note(f"removed {', '.join(Store().remove(name))}")


def _require_torch(name: str) -> None:
    """Before anything is fetched."""
    try:
        import impasto.perceptual.conversion  # noqa: F401
    except ImportError as error:
        raise MissingExtra(f"the encoder {name}", "iterative") from error


def _is_there(store: Store, identity: str) -> bool:
    """Whether the model is there and whole, and say so; one that is not whole is removed."""
    found = next((m for m in store.models() if m.identity == identity), None)
    try:
        if found is not None:
            found.verify()
            terminal.note(f"{identity} is there already: {found.path}")
            return True
    except ModelError as error:
        terminal.note(f"warning: {error}; it is replaced")
    if (store.folder / identity).is_dir():
        store.remove(identity)
    return False


def _install(store: Store, name: str, file: Path, convention: Any) -> Model:
    from impasto.models import Model
    from impasto.perceptual.conversion import convert_vgg

    identity = PUBLISHED[name].identity
    with store.installing(identity) as folder:
        convert_vgg(file, folder, name=name, convention=convention)
    return Model.read(store.folder / identity)


def _told(model: Model) -> None:
    terminal.note(f"added {model.identity}, {_size(_bytes(model))}: {model.path}")


def _facts(model: Model) -> dict[str, Any]:
    from impasto.models.store import shipped

    return {
        "model": model.identity,
        "kind": model.kind,
        "licence": model.licence,
        "bytes": _bytes(model),
        "shipped": any(model.path == other.path for other in shipped()),
        "path": str(model.path),
    }


def _bytes(model: Model) -> int:
    files = [model.path / entry["file"] for entry in model.files.values()]
    return sum(file.stat().st_size for file in files if file.is_file())


def _size(count: float) -> str:
    return f"{count / 1e6:.1f} MB" if count < 1e8 else f"{count / 1e6:.0f} MB"


def _draw(listed: Sequence[dict[str, Any]]) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False)
    table.add_column("model", no_wrap=True)
    table.add_column("kind", no_wrap=True)
    table.add_column("size", no_wrap=True, justify="right")
    table.add_column("licence", style="dim")
    table.add_column("where", style="dim", overflow="fold")
    for facts in listed:
        where = "ships with Impasto" if facts["shipped"] else facts["path"]
        row = (facts["model"], facts["kind"], _size(facts["bytes"]), facts["licence"], where)
        table.add_row(*(Text(cell) for cell in row))
    terminal.console().print(table)
    if missing := sorted(set(PUBLISHED) - {facts["model"].partition("@")[0] for facts in listed}):
        terminal.note(f"{' and '.join(missing)} can be fetched with: impasto models pull {missing[-1]}")


@contextmanager
def _watched(name: str) -> Iterator[Watcher]:
    """Draw a download: a bar on a terminal, else a line now and then."""
    if not terminal.is_terminal("stderr"):
        told = -_EVERY

        def tell(done: int, total: int | None) -> None:
            nonlocal told
            if time.monotonic() - told >= _EVERY or done == total:
                told = time.monotonic()
                terminal.note(f"{name}: {_size(done)} of {'?' if total is None else _size(total)}")

        yield tell
        return
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(24),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(compact=True),
    )
    console = terminal.console("stderr")
    with Progress(*columns, console=console, transient=True, redirect_stdout=False, redirect_stderr=False) as bar:
        row = bar.add_task(name, total=None)
        yield lambda done, total: bar.update(row, completed=done, total=total)
