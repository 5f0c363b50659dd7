"""``impasto serve``: the HTTP API and the studio."""

from __future__ import annotations

import math
from pathlib import Path

import click

from impasto.cli import terminal
from impasto.errors import MissingExtra
from impasto.folders import own_folder

__all__ = ["serve"]


@click.command(short_help="Serve the HTTP API and the studio; needs impasto[serve].")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="Port; 0 takes a free one."
)
@click.option(
    "--home",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for jobs and results.  [default 'jobs' in $IMPASTO_HOME, else in your data folder]",
)
@click.option(
    "--database", envvar="IMPASTO_DATABASE", show_envvar=True, help="URL of PostgreSQL, in place of SQLite files."
)
@click.option(
    "--api-key-file",
    "key_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Lines of OWNER:SHA256. Then every request needs a key.",
)
@click.option("--new-key", metavar="OWNER", help="Print a new key and its line for the file, and end.")
@click.option("--insecure", is_flag=True, help="Let everyone in at an address that others reach.")
@click.option("--host-name", "names", multiple=True, help="Another name that the server is called by. Repeat it.")
@click.option("--root-path", "root", default="", help="Path that a proxy has the server at, such as /impasto.")
@click.option(
    "--max-connections", type=click.IntRange(1, 100_000), default=500, show_default=True, help="Clients at once."
)
@click.option("--workers", type=click.IntRange(1, 64), help="Processes for what somebody waits for.  [by processors]")
@click.option("--bulk-workers", type=click.IntRange(1, 64), help="Processes for long jobs.  [1]")
@click.option(
    "--max-upload", type=click.IntRange(1, 4096), default=64, show_default=True, help="Megabytes in one request."
)
@click.option(
    "--max-per-minute",
    type=click.FloatRange(0, min_open=True),
    help="Pictures and jobs that one owner may ask for in a minute.  [no limit]",
)
@click.option(
    "--keep", type=click.FloatRange(0.01, 24 * 365), default=24.0, show_default=True, help="Hours that jobs are kept."
)
@click.option(
    "--compat",
    is_flag=True,
    help="Answer the clients of other public programs, too: TorchServe's, and of two FastAPI servers.",
)
@click.option(
    "--storage",
    type=click.Path(file_okay=False, path_type=Path),
    help="With --compat: folder in which those clients look for pictures.  [default 'storage' in --home]",
)
def serve(
    host: str,
    port: int,
    home: Path | None,
    database: str | None,
    key_file: Path | None,
    new_key: str | None,
    insecure: bool,
    names: tuple[str, ...],
    root: str,
    max_connections: int,
    workers: int | None,
    bulk_workers: int | None,
    max_upload: int,
    max_per_minute: float | None,
    keep: float,
    compat: bool,
    storage: Path | None,
) -> None:
    """Serve the studio, a web page, and the HTTP API that it uses.

    Everything is on this machine: no account, no database to install, no other server asked. Jobs survive a restart,
    and a kill. Ctrl-C saves what runs and ends.

    \b
    impasto serve                        http://127.0.0.1:8000
    impasto serve --new-key anna         a key, and the line of it for keys.txt
    impasto serve --host 0.0.0.0 --api-key-file keys.txt
    """
    try:
        from impasto.jobs.limits import Limits
        from impasto.server.client_limits import ClientLimits
        from impasto.server.keys import Keys
        from impasto.server.serving import serve as run
    except ImportError as error:
        raise MissingExtra("the server", "serve") from error
    if new_key is not None:
        key, line = Keys.new(new_key)
        terminal.emit({"key": key, "line": line}, indent=2)
        return
    if storage is not None and not compat:
        raise click.UsageError("--storage is for the clients of other programs; give --compat, too")
    limits = Limits(
        upload_bytes=max_upload << 20,
        kept_seconds=keep * 3600,
        requests_per_minute=math.inf if max_per_minute is None else max_per_minute,
    )

    def ready(address: str) -> None:
        terminal.note(f"the studio is at {address} (Ctrl-C ends)")

    run(
        home or own_folder("jobs"),
        host=host,
        port=port,
        database=database,
        key_file=key_file,
        insecure=insecure,
        names=names,
        root=root,
        clients=ClientLimits(connections=max_connections),
        interactive=workers,
        bulk=bulk_workers,
        limits=limits,
        compat=compat,
        storage=storage,
        ready=ready,
    )
