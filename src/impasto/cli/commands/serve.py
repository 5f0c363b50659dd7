"""``impasto serve``: the HTTP API and the studio."""

from __future__ import annotations

import logging
import math
import os
import re
import signal
import sys
from collections.abc import Iterable
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from impasto.cli.commands.serve_backup import backup, database_option, home_of, home_option, restore
from impasto.cli.options.request_options import Value
from impasto.cli.ui import terminal
from impasto.errors import ImpastoError, MissingExtra, RequestError
from impasto.request import Option

if TYPE_CHECKING:
    from impasto.jobs.limits import Limits

__all__ = ["serve", "settable_limits", "with_limits"]

_VARIABLE = "IMPASTO_SERVE"
# Not click's own range, in which NaN is as well.
_KEEP = Value(Option("keep", float, 24.0, "", 0.01, 24.0 * 365, unit="hours"))
_LEVELS = ("debug", "info", "warning", "error")


@click.group(
    invoke_without_command=True,
    context_settings={"auto_envvar_prefix": _VARIABLE},
    short_help="Serve the HTTP API and the studio; needs impasto[serve].",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="Port; 0 takes a free one."
)
@home_option
@database_option
@click.option(
    "--api-key-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Lines of OWNER:SHA256. Then every request needs a key. Read again at SIGHUP.",
)
@click.option(
    "--new-key", metavar="OWNER", allow_from_autoenv=False, help="Print a new key and its line for the file, and end."
)
@click.option(
    "--insecure", is_flag=True, help="Allow requests without a key at an address that other machines can reach."
)
@click.option("--host-name", multiple=True, help="Another name that the server is called by. Repeat it.")
@click.option("--root-path", default="", help="Path below which a proxy serves it, such as /impasto.")
@click.option(
    "--max-connections", type=click.IntRange(1, 100_000), default=500, show_default=True, help="Clients at once."
)
@click.option("--workers", type=click.IntRange(1, 64), help="Processes for what somebody waits for.  [by processors]")
@click.option("--bulk-workers", type=click.IntRange(1, 64), help="Processes for long jobs.  [1]")
@click.option(
    "--max-upload", type=click.IntRange(1, 4096), default=64, show_default=True, help="Megabytes in one request."
)
@click.option("--keep", type=_KEEP, metavar="HOURS", default=24.0, show_default=True, help="Hours that jobs are kept.")
@click.option("--limit", multiple=True, metavar="NAME=VALUE", help="Another limit, such as files=100. Repeat it.")
@click.option(
    "--log", type=click.Choice(["text", "json"]), default="text", show_default=True, help="Format of log lines."
)
@click.option(
    "--log-level",
    type=click.Choice(_LEVELS),
    default="info",
    show_default=True,
    help="Lowest level that is logged.",
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
@click.option(
    "--compat-size",
    type=click.IntRange(16, 32768),
    help="With --compat: longest side of what those clients are sent, in pixels, where the photograph is larger.  "
    "[default 512 for TorchServe's clients, the photograph's own for others]",
)
@click.pass_context
def serve(ctx: click.Context, /, **given: Any) -> None:
    """Serve the studio, a web page, and the HTTP API that it uses.

    Everything is on this machine: no account, no database to install, no other server asked. Jobs survive a restart,
    and a kill. Ctrl-C saves what runs and ends.

    \b
    impasto serve                        http://127.0.0.1:8000
    impasto serve --new-key anna         a key, and the line of it for keys.txt
    impasto serve --host 0.0.0.0 --api-key-file keys.txt
    impasto serve backup DIR             copy all that it keeps, while it runs

    Every option can be given by the environment as well: IMPASTO_SERVE_MAX_UPLOAD is --max-upload, and so on; what may
    be repeated is separated by spaces there.
    """
    if ctx.invoked_subcommand is not None:
        return
    if given["new_key"] is not None:
        _make_key(given["new_key"])
    else:
        _serve(given)


serve.add_command(backup)
serve.add_command(restore)


def _make_key(owner: str) -> None:
    try:
        from impasto.server.auth import Keys
    except ImportError as error:
        raise MissingExtra("the server", "serve") from error
    key, line = Keys.new(owner)
    terminal.emit({"key": key, "line": line}, indent=2)


def _serve(given: dict[str, Any]) -> None:
    # Before all that takes its time: of a container's first process, the kernel drops what is not asked for.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        from impasto import logs
        from impasto.jobs.limits import Limits
        from impasto.server.client_limits import ClientLimits
        from impasto.server.run import serve as run
        from impasto.server.shutdown import exit_now
    except ImportError as error:
        raise MissingExtra("the server", "serve") from error
    if given["storage"] is not None and not given["compat"]:
        raise click.UsageError("--storage is for the clients of other programs; give --compat, too")
    if given["compat_size"] is not None and not given["compat"]:
        raise click.UsageError("--compat-size is for the clients of other programs; give --compat, too")
    limits = with_limits(
        Limits(upload_bytes=given["max_upload"] << 20, kept_seconds=given["keep"] * 3600), given["limit"]
    )
    logs.set_up(given["log"], given["log_level"].upper())
    os.environ[logs.FORM_VARIABLE] = given["log"]  # for its workers
    log = logging.getLogger("impasto.server")
    for name in _warn_of_unknown_variables():
        log.warning("%s is not an option of impasto serve, and is ignored", name)
    try:
        run(
            home_of(given["home"]),
            host=given["host"],
            port=given["port"],
            database=given["database"],
            key_file=given["api_key_file"],
            insecure=given["insecure"],
            names=given["host_name"],
            root=given["root_path"],
            clients=ClientLimits(connections=given["max_connections"]),
            interactive=given["workers"],
            bulk=given["bulk_workers"],
            limits=limits,
            compat=given["compat"],
            storage=given["storage"],
            compat_size=given["compat_size"],
            ready=lambda address: log.info("the studio is at %s (Ctrl-C ends)", address),
        )
    except ImpastoError as error:
        if given["log"] == "text":
            raise
        log.critical("%s", error)
        raise click.exceptions.Exit(2 if isinstance(error, RequestError) else 1) from error
    except SystemExit as end:
        exit_now(end.code if isinstance(end.code, int) else 1)
    # Threads of libraries may wait for long yet, and for nothing that matters.
    exit_now()


def _warn_of_unknown_variables() -> list[str]:
    """What looks like an option in the environment and is none."""
    known = {f"{_VARIABLE}_{param.name}".upper() for param in serve.params if param.name != "new_key"}
    return sorted(name for name in os.environ if name.startswith(f"{_VARIABLE}_") and name not in known)


_OWN_OPTIONS = {"upload_bytes": "--max-upload", "kept_seconds": "--keep"}
_NUMBER = re.compile(r"(\d{1,18}(?:\.\d{1,9})?(?:e\d{1,2})?)([KMGT]?)")
_KINDS: dict[object, type[int] | type[float]] = {"int": int, "float": float}
"""By what the field is declared to be: a limit in seconds may happen to be whole."""
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


def settable_limits(limits: Limits) -> dict[str, type[int] | type[float]]:
    """Those that are one number and have no option of their own, by name."""
    found = {field.name: _KINDS[field.type] for field in fields(limits) if field.type in _KINDS}
    return {name: kind for name, kind in found.items() if name not in _OWN_OPTIONS}


def with_limits(limits: Limits, given: Iterable[str]) -> Limits:
    """``limits`` with those that are given. Raises :class:`click.UsageError`."""
    names = settable_limits(limits)
    new: dict[str, Any] = {}
    for text in given:
        name, _, value = text.partition("=")
        if name in _OWN_OPTIONS:
            raise click.UsageError(f"the limit {name} has an option of its own: {_OWN_OPTIONS[name]}")
        if name not in names:
            raise click.UsageError(f"there is no limit {name!r}; those there are: {', '.join(names)}")
        new[name] = _number(name, value, names[name])
    return replace(limits, **new)


def _number(name: str, value: str, kind: type[int] | type[float]) -> int | float:
    found = _NUMBER.fullmatch(value)
    number = float(found[1]) * _UNITS[found[2]] if found else math.nan
    if not (number > 0 and math.isfinite(number) and (kind is float or number == int(number))):
        raise click.UsageError(
            f"--limit {name}={value}: give {'a whole number' if kind is int else 'a number'} above 0, such as "
            f"{'100 or 4G' if kind is int else '60 or 2e10'}"
        )
    return kind(number)
