"""Output paths: which file each pastiche goes to, settled before the first one is made."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from impasto.cli.stylize.photos import Photo
from impasto.errors import OutputError
from impasto.picture.files import SUFFIXES

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
    photo, as ``photo.style.jpg``; in a folder, photos of a pattern's subfolders keep these.
    Raises :class:`click.UsageError` where that cannot be.
    """
    several = len(photos) > 1 or any(photo.found for photo in photos)
    piped = any(photo.is_stream for photo in photos)
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
    return _outputs_in_folder(photos, None if target is None else Path(target), "+".join(styles), settings)


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


def _outputs_in_folder(
    photos: Sequence[Photo], folder: Path | None, style: str, settings: dict[str, Any]
) -> list[Task]:
    named = [_name(photo, folder, style, settings) for photo in photos]
    # Photos of one name out of several folders: each output then tells of which folder it is. So do all of several
    # folders that were given as such, for what each holds may grow.
    homes: dict[str, set[str]] = {}
    for photo, plain in zip(photos, named, strict=True):
        homes.setdefault(_key(plain), set()).add(_home(photo))
        if photo.found:
            homes.setdefault(_key(plain.parent), set()).add(_home(photo))
    # No photo of this run is ever an output, on any file system, and no two outputs are one file.
    kept = {_key(photo.path): photo for photo in photos if photo.path and not photo.is_stream}
    taken: set[str] = set()
    copies: dict[str, int] = {}
    tasks = []
    for photo, plain in zip(photos, named, strict=True):
        alike = homes[_key(plain)] | (homes[_key(plain.parent)] if photo.found else set())
        mark = f"-{_short_hash(_home(photo))}" if len(alike) > 1 else ""
        output = _name(photo, folder, style, settings, mark) if mark else plain
        first = str(output)
        while str(output) in taken or _is_kept(output, kept):
            copies[first] = copies.get(first, 1) + 1
            output = _name(photo, folder, style, settings, f"{mark}-{copies[first]}")
        if not photo.problem:
            taken.add(str(output))
        tasks.append(Task(photo, output))
    return tasks


def _name(photo: Photo, folder: Path | None, style: str, settings: dict[str, Any], mark: str = "") -> Path:
    """Where the pastiche goes by the photograph alone, so that it is found again whatever else there is by then."""
    own = Path("stdin") if photo.path is None else photo.path
    suffix = _suffix(own, settings)
    stem = _cut(_stem(own, suffix), _LONGEST - len(mark))
    label = _cut(style, max(_LONGEST - len(os.fsencode(stem)), _LONGEST // 5))
    beside = own.parent if folder is None else folder / photo.within
    return beside / f"{stem}{mark}.{label}{suffix}"


def _stem(own: Path, suffix: str) -> str:
    """``photo`` of ``photo.png``; all of ``photo.bmp`` where the pastiche is another format's, for both may be there.

    And all of ``photo.bmp.png``, which would else be called as the other is.
    """
    is_other = own.suffix.lower() in SUFFIXES and own.suffix != suffix
    return own.name if is_other or Path(own.stem).suffix.lower() in SUFFIXES else own.stem


def _is_kept(output: Path, kept: Mapping[str, Photo]) -> bool:
    """Whether a photo would be lost; what Impasto made of another one is only an output that exists."""
    photo = kept.get(_key(output))
    return photo is not None and not photo.is_pastiche


def _home(photo: Photo) -> str:
    return "" if photo.path is None else os.path.realpath(photo.path.parent)


def _short_hash(text: str) -> str:
    return hashlib.sha256(os.fsencode(text)).hexdigest()[:8]


def _key(path: Path) -> str:
    return os.path.realpath(path).casefold()


def _cut(text: str, most: int) -> str:
    """``text``, or its beginning and what tells it from others of that beginning: so many bytes of a file's name."""
    if len(os.fsencode(text)) <= most:
        return text
    tail = f"-{_short_hash(text)}"
    start = text[: most - len(tail)]
    while len(os.fsencode(start + tail)) > most:
        start = start[:-1]
    return start + tail


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
