"""``impasto serve backup`` and ``impasto serve restore``, and where a server keeps its things."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from impasto.cli.ui import terminal
from impasto.errors import MissingExtra
from impasto.user_folders import own_folder, somewhere

if TYPE_CHECKING:
    from impasto.jobs.records.backup import Backup

__all__ = ["backup", "database_option", "home_of", "home_option", "restore"]

home_option = click.option(
    "--home",
    envvar="IMPASTO_SERVE_HOME",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for jobs and results.  [default 'jobs' in $IMPASTO_HOME, else in your data folder]",
)
database_option = click.option(
    "--database",
    envvar=["IMPASTO_SERVE_DATABASE", "IMPASTO_DATABASE"],
    help="URL of PostgreSQL, in place of SQLite files; better in $IMPASTO_DATABASE.",
)


def home_of(given: Path | None) -> Path:
    """The folder that is given, or the usual one. Raises :class:`OutputError` where there is no home for it."""
    return given or somewhere(own_folder("jobs"))


@click.command(short_help="Copy all that a server keeps, while it runs.")
@click.argument("folder", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
@home_option
@database_option
@click.pass_context
def backup(ctx: click.Context, folder: Path, home: Path | None, database: str | None) -> None:
    """Copy all that a server keeps into the new folder DIR; it may run meanwhile.

    Jobs with their pictures, styles and networks, those of this machine among them. --home and --database are the
    server's. The file with API keys is yours to keep.

    \b
    impasto serve backup /backups/monday
    """
    try:
        from impasto.jobs.records.backup import back_up
    except ImportError as error:
        raise MissingExtra("a backup", "serve") from error
    made = back_up(folder, *_home_and_database(ctx, home, database))
    terminal.note(f"{_backup_text(made)} are in {folder}")
    if made.missing:
        terminal.note(f"warning: jobs name {made.missing} more pictures, which the server has lost")


@click.command(short_help="Put a backup into a new server's folder.")
@click.argument("folder", metavar="DIR", type=click.Path(exists=True, file_okay=False, path_type=Path))
@home_option
@database_option
@click.pass_context
def restore(ctx: click.Context, folder: Path, home: Path | None, database: str | None) -> None:
    """Put a backup into the new folder --home, and into a database without jobs; then start the server there.

    The machine's own styles and networks are put back where their names are free. What was waiting or half done at the
    time is done by the new server.

    \b
    impasto serve restore /backups/monday --home /var/lib/impasto
    """
    try:
        from impasto.jobs.records.backup import restore as put_back
    except ImportError as error:
        raise MissingExtra("a backup", "serve") from error
    where = _home_and_database(ctx, home, database)
    terminal.note(f"{_backup_text(put_back(folder, *where))} are in {where[0]}")


def _home_and_database(ctx: click.Context, home: Path | None, database: str | None) -> tuple[Path, str | None]:
    """What was given here, or before the subcommand's name."""
    outer = ctx.parent.params if ctx.parent is not None else {}
    return home_of(home or outer.get("home")), database or outer.get("database")


def _backup_text(made: Backup) -> str:
    return (
        f"{terminal.amount(made.jobs, 'job')}, {terminal.amount(made.pictures, 'picture')}, "
        f"{terminal.amount(made.styles, 'style')} and {terminal.amount(made.models, 'model')}"
    )
