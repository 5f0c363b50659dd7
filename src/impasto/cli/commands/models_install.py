"""``impasto models pull`` and ``add``: models from their publishers, and from files."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from impasto.cli.commands.models_output import draw_published, published_facts, size
from impasto.cli.ui import terminal
from impasto.encoders.torchvision_layers import TORCHVISION
from impasto.errors import MissingExtra, ModelError
from impasto.models.published import PUBLISHED, SETS, find_published

if TYPE_CHECKING:
    from impasto.models import Model, Store
    from impasto.models.download import Watcher
    from impasto.models.published import Published, PublishedFile

__all__ = ["add", "pull"]

_EVERY = 10.0
"""Seconds between lines about a download, where there is no terminal to draw a bar on."""

_FROM = {
    "given": "as you said",
    "file": "as the file says",
    "constants": "from constants in its graph",
    "trial": "found by running it",
    "habit": "by default: it makes no difference to this network",
    "assumed": "assumed",
}


@click.command(short_help="Fetch a model from its publisher; without a name, list those there are.")
@click.argument("name", metavar="[NAME|SET]", required=False)
@click.option("--url", metavar="URL", help="Where to fetch it from instead; it has to be the same file.")
@click.option("--json", "as_json", is_flag=True, help="Without a name: list as JSON.")
def pull(name: str | None, url: str | None, as_json: bool) -> None:
    """Fetch the model NAME from its publisher, or all of a SET: fast-neural-style are Johnson's ten networks, onnx-zoo
    the five of the ONNX model zoo.

    What is cut off goes on where it stopped. Of the encoders vgg16 and vgg19 about 550 MB are fetched, and the 60 to
    80 MB kept that are needed; they need impasto[iterative]. A network of one style becomes a style of your gallery.
    """
    from impasto.models import Store

    if name is None:
        _list(as_json)
        return
    wanted, store = _find_published(name), Store()
    if url is not None and len(wanted) > 1:
        raise click.UsageError(f"{name} is of {len(wanted)} models; --url names one file")
    for published in wanted:
        with _exclusive(store, published.name):
            _pull(store, published, url)


def _pull(store: Store, published: Published, url: str | None) -> None:
    if _is_installed(store, published.identity):
        return
    if published.kind == "encoder":
        _require_torch(published.name)
    if url is not None and len(published.files) > 1:
        raise click.UsageError(f"{published.name} is of {len(published.files)} files; --url names one")
    try:
        files = [_fetch_file(store, published.name, file, url) for file in published.files]
    except KeyboardInterrupt:
        terminal.note("stopped; the same command goes on from there")
        raise click.exceptions.Exit(130) from None
    except ModelError as error:
        raise ModelError(f"{error} ({_offline_help(published)})") from error
    if published.kind == "encoder":
        model = _install(store, published.name, files[0], None)
    else:
        from impasto.models.install import add as added

        model = added(
            files, name=published.name, version="1", licence=published.licence, source=published.source, store=store
        )
    shutil.rmtree(store.downloads / published.name, ignore_errors=True)
    _report_added(model)


@click.command(short_help="Add a model from files that you have.")
@click.argument("files", nargs=-1, required=True, metavar="[ENCODER] FILE...")
@click.option("--name", metavar="NAME", help="What to call it.  [default the file's name]")
@click.option("--version", metavar="VERSION", help="Its version.  [default the next free number]")
@click.option("--licence", metavar="LICENCE", help="Its licence, an SPDX id such as Apache-2.0.  [default the file's]")
@click.option("--source", metavar="TEXT", default="", help="Where it is from.")
@click.option("--order", type=click.Choice(["rgb", "bgr"]), help="The order of its channels.  [default found by trial]")
@click.option("--range", "peak", type=click.Choice(["1", "255"]), help="What white is to it.  [default found by trial]")
@click.option("--index", type=click.IntRange(0), metavar="N", help="Of a network of many styles: which, from 0.")
@click.option(
    "--convention",
    type=click.Choice(["caffe", "torchvision"]),
    help="Of vgg16 and vgg19: how pictures are prepared for it.  [default what the file says, or its kind]",
)
def add(
    files: tuple[str, ...],
    name: str | None,
    version: str | None,
    licence: str | None,
    source: str,
    order: str | None,
    peak: str | None,
    index: int | None,
    convention: str | None,
) -> None:
    """Add a model from FILE. What it is, and how it takes pictures, is found out. Nothing that is in it is run.

    \b
    impasto models add starry_night.t7     a network of one style: .t7, .pth, .safetensors, .onnx or .tflite
    impasto models add predict.tflite transfer.tflite   a pair for any style; one finds the other beside it
    impasto models add runs/mine/model     a folder that impasto train export wrote
    impasto models add vgg19 FILE          an encoder: torchvision's .pth, or conv1_1.weight ... as .npz
                                           (Caffe's) or .safetensors; needs impasto[iterative]
    impasto models add resnet50 FILE       torchvision's weights of another encoder; needs impasto[encoders]

    A network of one style becomes a style of your gallery.
    """
    from impasto.models import Store
    from impasto.models.install import add as added

    store = Store()
    if len(files) == 2 and files[0] in _encoders() and not Path(files[0]).exists():
        encoder = files[0].replace("_", "-")
        with _exclusive(store, encoder):
            if not _is_installed(store, f"{encoder}@1"):
                _require_torch(encoder)
                _report_added(_install(store, files[0], _path(files[1]), convention))
        return
    if convention is not None:
        raise click.UsageError("--convention is for the encoders vgg16 and vgg19: impasto models add vgg19 FILE")
    paths = [_path(file) for file in files]
    orders: dict[str | None, Literal["RGB", "BGR"] | None] = {"rgb": "RGB", "bgr": "BGR"}
    peaks: dict[str | None, Literal[1, 255] | None] = {"1": 1, "255": 255}
    with _exclusive(store, "add"):
        before = {model.identity for model in store.models()}
        model = added(
            paths,
            name=name,
            version=version,
            licence=licence,
            source=source,
            order=orders.get(order),
            range=peaks.get(peak),
            index=index,
            store=store,
        )
        if model.identity in before:
            terminal.note(f"{model.identity} already exists: {model.path}")
        else:
            _report_added(model)


@contextmanager
def _exclusive(store: Store, what: str) -> Iterator[None]:
    """One process at a time: what another one is at is waited for, and is there then."""
    from impasto.models.file_lock import process_lock

    with ExitStack() as stack:
        # Where no lock can be written, neither can a model, and what is written next says why.
        with suppress(OSError):
            store.folder.mkdir(parents=True, exist_ok=True)
            lock = store.folder / f".{what}.lock"
            stack.enter_context(
                process_lock(lock, lambda: terminal.note(f"another process is working on {what}; waiting for it"))
            )
        yield


def _encoders() -> list[str]:
    return [*(name for name, entry in PUBLISHED.items() if entry.kind == "encoder"), *TORCHVISION]


def _path(text: str) -> Path:
    if not Path(text).exists():
        raise click.UsageError(
            f"there is no file {text!r}; give one, or fetch what is published: impasto models pull lists it"
        )
    return Path(text)


def _find_published(name: str) -> list[Published]:
    if name in SETS:
        return [PUBLISHED[each] for each in SETS[name]]
    found = find_published(name)
    if len(found) == 1:
        return [PUBLISHED[found[0]]]
    if found:
        raise click.UsageError(f"{name} may be {' or '.join(found)}; say which")
    raise click.UsageError(
        f"{name!r} is not published; impasto models pull lists what is, and {' and '.join(SETS)} are fetched as a whole"
    )


def _list(as_json: bool) -> None:
    listed = published_facts()
    if as_json:
        terminal.emit(listed, indent=2)
    elif terminal.is_terminal("stdout"):
        draw_published(listed)
        terminal.note(f"all of a publisher's at once: impasto models pull {' or '.join(SETS)}")
    else:
        for told in listed:
            click.echo("\t".join(str(told[key]) for key in ("model", "kind", "licence", "megabytes", "here")))


def _fetch_file(store: Store, name: str, file: PublishedFile, url: str | None) -> Path:
    """The published file on this machine."""
    from impasto.models.download import download
    from impasto.models.install import digest

    sha256 = file.sha256 or store.known.read().get(file.url)
    with _show_download(name) as watcher:
        found = download(
            url or file.url,
            store.downloads / name / file.name,
            sha256,
            sha1=file.sha1,
            size=file.size,
            progress=watcher,
        )
    if sha256 is None:
        store.known.set(file.url, digest(found))
    return found


def _offline_help(published: Published) -> str:
    """What to do without a network, in words."""
    if published.kind == "encoder":
        return f"or: impasto models add {published.name} FILE"
    urls = " and ".join(file.url for file in published.files)
    files = " ".join(file.name for file in published.files)
    return f"or bring {urls} here, and: impasto models add {files} --name {published.name}"


def _require_torch(name: str) -> None:
    """Before anything is fetched."""
    try:
        import impasto.encoders.vgg_conversion  # noqa: F401
    except ImportError as error:
        raise MissingExtra(f"the encoder {name}", "iterative") from error


def _is_installed(store: Store, identity: str) -> bool:
    """Whether the model is there and whole, and say so; one that is not whole is removed."""
    found = next((m for m in store.models() if m.identity == identity), None)
    try:
        if found is not None:
            found.verify()
            terminal.note(f"{identity} already exists: {found.path}")
            return True
    except ModelError as error:
        terminal.note(f"warning: {error}; it is replaced")
    if (store.folder / identity).is_dir():
        store.remove(identity)
    return False


def _install(store: Store, name: str, file: Path, convention: Any) -> Model:
    from impasto.encoders.torchvision_encoders import convert_torchvision
    from impasto.encoders.vgg_conversion import convert_vgg
    from impasto.models import Model

    identity = f"{name.replace('_', '-')}@1"
    with store.installing(identity) as folder:
        if name in TORCHVISION:
            convert_torchvision(file, folder, name=name)
        else:
            convert_vgg(file, folder, name=name, convention=convention)
    return Model.read(store.folder / identity)


def _report_added(model: Model) -> None:
    """Say what was added, and make a style of a network that has one."""
    terminal.note(f"added {model.identity}, {size(model.size())}: {model.path}")
    told = model.architecture
    if "order_from" in told:
        order, peak = (f"{told[key]}, {_FROM.get(str(told[f'{key}_from']), '')}" for key in ("order", "range"))
        terminal.note(f"it takes {order}; white is {peak}")
        if told["order_from"] == "assumed":
            other = "rgb" if told["order"] == "BGR" else "bgr"
            terminal.note(
                "warning: its channel order is unknown; if red and blue look swapped, add it again "
                f"with --order {other}"
            )
    if fixed := model.rules.get("fixed"):
        terminal.note(
            f"it was exported for pictures of {fixed[1]}x{fixed[0]} only: every picture is scaled to "
            "this size, painted, and scaled back; export it for any size for finer pictures"
        )
    if model.licence == "unknown":
        terminal.note("its licence is unknown; give it with --licence")
    if model.kind == "per-style":
        _make_style(model)


def _make_style(model: Model) -> None:
    from impasto import Stylizer
    from impasto.models import find
    from impasto.models.registry import own_network
    from impasto.models.store import shipped

    stylizer = Stylizer()
    if model.name in stylizer.gallery.names():
        there = stylizer.gallery.get(model.name)
        if own_network(model.name) == model and stylizer.gallery.is_shipped(model.name):
            ours = shipped(model.name)
            back = f"models use {ours[0].identity}" if ours else f"models remove {model.identity}"
            terminal.note(
                f"the style {model.name}, which comes with Impasto, is painted by it from now on: "
                f"impasto stylize PHOTO --style {model.name} (ours is back with: impasto {back})"
            )
        elif there.network.partition("@")[0] != model.name:
            terminal.note(
                f"warning: there is a style {model.name} already, so none was made of it; "
                f"give another name with --name, or paint with: impasto stylize PHOTO --model {model.identity}"
            )
        elif find(model.name).identity != model.identity:
            terminal.note(
                f"the style {model.name} keeps the version in use; change it with: impasto models use {model.identity}"
            )
        return
    stylizer.gallery.add(stylizer.card(model.name, (), source=model.source[:200], network=model.name))
    terminal.note(f"its style is there as well: impasto stylize PHOTO --style {model.name}")


@contextmanager
def _show_download(name: str) -> Iterator[Watcher]:
    """Draw a download: a bar on a terminal, else a line now and then."""
    if not terminal.is_terminal("stderr"):
        told = -_EVERY

        def tell(done: int, total: int | None) -> None:
            nonlocal told
            if time.monotonic() - told >= _EVERY or done == total:
                told = time.monotonic()
                terminal.note(f"{name}: {size(done)} of {'?' if total is None else size(total)}")

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
