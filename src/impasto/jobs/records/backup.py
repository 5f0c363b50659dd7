"""Backup: all that a server keeps, copied while it runs, and put back.

A backup is a folder: ``jobs.sqlite``, the ledger as it was at one moment, whatever database the server has; ``blobs``,
the pictures that it names; ``styles`` of owners, ``runs``, ``promises`` and ``storage`` as in the server's own folder;
``user``, the styles and models of the machine; and ``backup.json``, written last, without which it is none. The queue
is not part of it: it is made again from the ledger.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

from sqlalchemy import delete, func, insert, select, update

from impasto.errors import OutputError, RequestError
from impasto.jobs.errors import UnknownJob
from impasto.jobs.records.blobs import Blobs
from impasto.jobs.records.database import Database
from impasto.jobs.records.home_lock import lock_home
from impasto.jobs.records.ledger import Ledger
from impasto.jobs.records.schema import BLOBS, JOBS, TABLES
from impasto.models import Store
from impasto.picture.files import write_atomically
from impasto.styles import Gallery

__all__ = ["Backup", "back_up", "restore"]

_FORMAT = 1
_FACTS, _LEDGER = "backup.json", "jobs.sqlite"
_FOLDERS = ("styles", "runs", "promises", "storage")
"""What a server's folder has besides its blobs and its databases."""
_ROWS = 1000


@dataclass(frozen=True, slots=True)
class Backup:
    """What is in one: the moment of its ledger, in seconds since 1970, and how many of each there are.

    ``missing`` are pictures that jobs name and the server does not have.
    """

    time: float
    jobs: int
    pictures: int
    missing: int
    styles: int
    models: int
    impasto: str = version("impasto")
    format: int = _FORMAT


def back_up(target: Path, home: Path, database: str | None = None) -> Backup:
    """Copy all that the server of ``home`` and ``database`` keeps into the new folder ``target``; it may run meanwhile.

    Raises :class:`RequestError` where there is no such server's folder or ``target`` is not empty, and
    :class:`OutputError` where something cannot be read or written; then ``target`` is not there.
    """
    if not (home / "blobs").is_dir():
        raise RequestError(f"{home} is not a folder of a server; give its --home")
    if target.exists() and any(target.iterdir()):
        raise RequestError(f"{target} is not empty; give a new folder")
    with _explained(target):
        target.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            made = _copy(target, home, database or _ledger_in(home))
            os.sync()
            write_atomically(target / _FACTS, json.dumps(asdict(made), indent=2).encode())
        except BaseException:
            shutil.rmtree(target, ignore_errors=True)
            raise
    return made


def restore(source: Path, home: Path, database: str | None = None) -> Backup:
    """Put a backup into the new folder ``home``, and its jobs into ``database``, which is to have none.

    The machine's own styles and models are put where this one has them, but for those whose name is taken. Jobs are
    kept as much longer as the backup is old. Raises :class:`RequestError` where ``source`` is not a whole backup,
    something is there already, or another server has the database, and :class:`OutputError` where something cannot be
    written.
    """
    try:
        facts = Backup(**json.loads((source / _FACTS).read_bytes()))
    except (OSError, ValueError, TypeError) as error:
        raise RequestError(f"{source} is not a whole backup: its {_FACTS} cannot be read") from error
    if facts.format != _FORMAT:
        raise RequestError(f"{source} is a backup of format {facts.format}, and this Impasto reads {_FORMAT}")
    if home.exists() and {entry.name for entry in home.iterdir()} - {"held"}:
        raise RequestError(f"{home} is not empty; give a new folder with --home")
    with _explained(home):
        held = lock_home(home)
        try:
            _fill(source, home, database or _ledger_in(home), facts)
        finally:
            os.close(held)
    return facts


def _copy(target: Path, home: Path, url: str) -> Backup:
    moment = time.time()
    with closing(Database(url)) as theirs, closing(Database(_ledger_in(target))) as ours:
        _copy_tables(theirs, ours)
    # What a card names came before it, so it goes after it here.
    for name in _FOLDERS:
        _copy_folder(home / name, target / name)
    styles = _copy_folder(Gallery().folder, target / "user" / "styles")
    _copy_folder(Store().folder, target / "user" / "models")
    with closing(Ledger(_ledger_in(target))) as copied, closing(Ledger(url)) as live:
        wanted = copied.referenced()
        gone = {sha256 for sha256 in wanted if not _copy_blob(home, target, sha256)}
        missing = _forget_deleted(_ledger_in(target), copied, live, gone)
        jobs = sum(copied.counts().values())
    return Backup(
        time=moment,
        jobs=jobs,
        pictures=len(wanted - gone),
        missing=missing,
        styles=styles + _count(target / "styles", "*/*"),
        models=_count(target / "user" / "models", "*@*"),
    )


def _fill(source: Path, home: Path, url: str, facts: Backup) -> None:
    with closing(Database(url)) as theirs:
        # No server is to have it meanwhile.
        theirs.claim(lost=lambda: None, beaten=lambda: None, regained=lambda: None)
        with theirs.reading() as connection:
            if connection.execute(select(func.count()).select_from(JOBS)).scalar_one():
                raise RequestError("the database has jobs already; give another, or an empty one, with --database")
        for name in _FOLDERS:
            _copy_folder(source / name, home / name)
        _copy_folder(source / "user" / "styles", Gallery().folder)
        _put_models(source / "user" / "models", Store().folder)
        Blobs(home / "blobs")
        for shelf in _entries(source / "blobs"):
            _copy_folder(shelf, home / "blobs" / shelf.name)
        os.sync()
        # The last, as then all that they name is there.
        with closing(Database(_ledger_in(source))) as ours:
            _copy_tables(ours, theirs)
        with theirs.writing() as connection:
            late = max(0.0, time.time() - facts.time)
            connection.execute(update(JOBS).values(expires=JOBS.c.expires + late))


def _put_models(source: Path, store: Path) -> None:
    """Those that are not there, each whole or not at all at every moment; and then which versions are meant."""
    for model in (entry for entry in _entries(source) if entry.is_dir() and not (store / entry.name).exists()):
        new = store / f".restoring-{model.name}"
        shutil.rmtree(new, ignore_errors=True)
        _copy_folder(model, new)
        new.rename(store / model.name)
    for notes in (entry for entry in _entries(source) if entry.is_file() and not (store / entry.name).exists()):
        store.mkdir(parents=True, exist_ok=True)
        write_atomically(store / notes.name, notes.read_bytes())


def _copy_tables(source: Database, target: Database) -> None:
    """All rows, as they are at one moment, in place of those that are there."""
    with source.reading() as reader, target.writing() as writer:
        for table in reversed(TABLES.sorted_tables):
            writer.execute(delete(table))
        for table in TABLES.sorted_tables:
            found = reader.execute(select(table), execution_options={"yield_per": _ROWS})
            for rows in found.mappings().partitions():
                writer.execute(insert(table), [dict(row) for row in rows])


def _forget_deleted(url: str, copied: Ledger, live: Ledger, gone: set[str]) -> int:
    """Drop jobs that were deleted, with their pictures, since the ledger was copied; how many pictures of others are
    missing."""
    if not gone:
        return 0
    with closing(Database(url)) as database, database.reading() as connection:
        rows = connection.execute(select(BLOBS.c.owner, BLOBS.c.job, BLOBS.c.sha256)).all()
    missing = set()
    for owner, job, sha256 in rows:
        if sha256 not in gone:
            continue
        try:
            live.get(owner, job)
            missing.add(sha256)
        except UnknownJob:
            with suppress(UnknownJob):
                copied.delete(owner, job)
    return len(missing)


def _copy_blob(home: Path, target: Path, sha256: str) -> bool:
    """Whether it is there."""
    place = Path("blobs", sha256[:2], sha256)
    (target / place).parent.mkdir(parents=True, exist_ok=True)
    return _copy_file(home / place, target / place)


def _copy_folder(source: Path, target: Path) -> int:
    """Files that are not there yet, with those in folders below; how many. What is being written is left out."""
    copied = 0
    for entry in _entries(source):
        if entry.is_symlink() or entry.name.startswith("."):
            continue
        if entry.is_dir():
            copied += _copy_folder(entry, target / entry.name)
        elif not (target / entry.name).exists():
            target.mkdir(parents=True, exist_ok=True)
            copied += _copy_file(entry, target / entry.name)
    return copied


def _copy_file(source: Path, target: Path) -> bool:
    """Whether it was there: much is removed while a server runs."""
    try:
        shutil.copyfile(source, target)
    except FileNotFoundError:
        if target.parent.is_dir():
            return False
        raise
    return True


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []


def _count(folder: Path, pattern: str) -> int:
    return sum(1 for _ in folder.glob(pattern))


def _ledger_in(folder: Path) -> str:
    return f"sqlite:///{folder / _LEDGER}"


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"it cannot be copied to {folder}: {error.strerror or error} ({error.filename}); see that there is room, "
            "and that it may be read and written"
        ) from error
