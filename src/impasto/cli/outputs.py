"""Outputs: which file each pastiche goes to, settled before the first one is made."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from impasto.cli.photos import Photo
from impasto.errors import OutputError

__all__ = ["Task", "plan"]


_LONGEST = 200
"""What a file's name may have in bytes, suffix aside; file systems take 255."""


@dataclass(frozen=True, slots=True)
class Task:
    """A photo and where its pastiche goes; ``None`` is standard output."""

    photo: Photo
    output: Path | None

    def make_folder(self) -> None:
        """Make the folder that the output lies in. Raises :class:`OutputError`."""
        if self.output is None:
            return
        folder = self.output.parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"the folder {folder} cannot be made: {error.strerror}; name another") from error


def plan(photos: Sequence[Photo], target: str | None, styles: Sequence[str], settings: dict[str, Any]) -> list[Task]:
    """Give every photo an output.

    ``target`` is what ``-o`` said: a file for one photo, a folder, ``-``, or nothing: beside the
    photo, as ``photo.style.jpg``. Raises :class:`click.UsageError` where that cannot be.
    """
    several = len(photos) > 1 or any(photo.found for photo in photos)
    piped = any(photo.path is None for photo in photos)
    if target == "-" or (target is None and piped):
        if len(photos) > 1:
            raise click.UsageError(
                f"standard output takes one pastiche, but there are {len(photos)} photos; give a folder with -o FOLDER"
            )
        return [Task(photos[0], None)]
    if target is not None and not several and not _is_folder(target):
        return [Task(photos[0], _file(target, settings))]
    if target is not None and several and not _may_be_folder(target):
        raise click.UsageError(f"-o is {target}, a file, but there may be several pastiches; give a folder: -o FOLDER/")
    return _named(photos, None if target is None else Path(target), "+".join(styles), settings)


def _file(target: str, settings: dict[str, Any]) -> Path:
    from impasto.errors import UnsupportedFormat
    from impasto.picture.writing import DEEP, format_of

    path = Path(target)
    if not path.suffix:
        return path
    try:
        own = format_of(path)
    except UnsupportedFormat as error:
        raise click.UsageError(f"-o is {error}") from None
    wanted = settings["format"] or own
    if wanted != own:
        raise click.UsageError(f"-o is {target}, but --format is {wanted}; leave one of them out")
    if settings["bits"] == 16 and own not in DEEP:
        raise click.UsageError(f"-o is {target}, but {own} cannot hold --bits 16; choose {' or '.join(DEEP)}")
    return path


def _is_folder(target: str) -> bool:
    ends = (os.sep, "/") if os.altsep is None else (os.sep, os.altsep)
    return target.endswith(ends) or os.path.isdir(target)


def _may_be_folder(target: str) -> bool:
    from impasto.errors import UnsupportedFormat
    from impasto.picture.writing import format_of

    if _is_folder(target):
        return True
    if os.path.exists(target):
        return False
    try:
        format_of(target)
    except UnsupportedFormat:
        return True
    return False


def _named(photos: Sequence[Photo], folder: Path | None, style: str, settings: dict[str, Any]) -> list[Task]:
    # No photo of this run is ever an output, and no two outputs are one file, on any file system.
    taken = {_key(photo.path) for photo in photos if photo.path}
    tasks = []
    for photo in photos:
        own = photo.path or Path("stdin")
        stem, suffix = _cut(own.stem, _LONGEST), _suffix(own, settings)
        label = _cut(style, max(_LONGEST - len(os.fsencode(stem)), _LONGEST // 5))
        beside = folder if folder is not None else own.parent
        output, copy = beside / f"{stem}.{label}{suffix}", 1
        while _key(output) in taken:
            copy += 1
            output = beside / f"{stem}-{copy}.{label}{suffix}"
        if not photo.problem:
            taken.add(_key(output))
        tasks.append(Task(photo, output))
    return tasks


def _key(path: Path) -> str:
    return os.path.realpath(path).casefold()


def _cut(text: str, most: int) -> str:
    """The beginning of ``text``, at most so many bytes of a file's name."""
    text = text[:most]
    while len(os.fsencode(text)) > most:
        text = text[:-1]
    return text


def _suffix(photo: Path, settings: dict[str, Any]) -> str:
    """The photo's own suffix where its format is the one to write; else that format's usual one."""
    from impasto.errors import UnsupportedFormat
    from impasto.picture.writing import chosen_format, format_of

    try:
        own = format_of(photo)
    except UnsupportedFormat:
        own = None
    wanted = chosen_format(own, settings["format"], settings["bits"])
    if wanted == own:
        return photo.suffix
    return {"jpeg": ".jpg", "tiff": ".tif"}.get(wanted, f".{wanted}")
