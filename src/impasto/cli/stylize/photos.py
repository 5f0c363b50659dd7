"""Photos: what the arguments of ``impasto stylize`` name: files, folders, patterns, standard input."""

from __future__ import annotations

import glob
import itertools
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from impasto.cli.ui import terminal
from impasto.errors import ImpastoError, PictureError

if TYPE_CHECKING:
    from impasto.picture import Picture

__all__ = ["Photo", "find"]


@dataclass(frozen=True, slots=True)
class Photo:
    """One picture to repaint. ``path`` is ``None`` for standard input; ``found`` where a folder or pattern gave it.

    ``within`` is the folder that it lies in, seen from where the pattern begins.
    """

    path: Path | None
    found: bool = False
    problem: PictureError | None = None
    within: Path = Path()

    @property
    def name(self) -> str:
        return "-" if self.path is None else str(self.path)

    def open(self, max_pixels: int) -> Picture:
        """Read it. Raises :class:`PictureError`."""
        from impasto.picture import Picture

        if self.problem:
            raise self.problem
        if self.path is None:
            return Picture.open(terminal.receive(), max_pixels=max_pixels)
        return Picture.open(self.path, max_pixels=max_pixels)

    @property
    def is_stream(self) -> bool:
        """Whether it can be read once only, from the beginning to the end: standard input, or a pipe that has a name,
        as of ``<(command)``."""
        from impasto.picture.pipes import is_pipe

        return self.path is None or is_pipe(self.path)

    @property
    def is_pastiche(self) -> bool:
        """Whether Impasto made it: such files carry the settings they were made with."""
        from impasto.picture.provenance import read_settings

        if self.path is None or self.problem or self.is_stream:
            return False
        try:
            return read_settings(self.path) is not None
        except ImpastoError:
            # Broken: whoever opens it later tells why.
            return False


def find(arguments: Iterable[str]) -> list[Photo]:
    """Every picture the arguments name, each once, in their order; folders and patterns sorted."""
    photos: dict[object, Photo] = {}
    for argument in arguments:
        for photo in _photos_of_argument(argument):
            key = os.path.realpath(photo.path) if photo.path else None
            photos.setdefault(key, photo)
    return list(photos.values())


def _photos_of_argument(argument: str) -> list[Photo]:
    path = Path(argument)
    if argument == "-":
        return [Photo(None)]
    # os.path, where pathlib raises: a name too long, or in a locked folder, is told when it is opened.
    if os.path.isdir(path):
        try:
            return _expand(path.iterdir()) or [_missing(path, f"{argument} holds no pictures; give another folder")]
        except OSError as error:
            return [_missing(path, f"{argument} cannot be read: {error.strerror}; give another folder")]
    if not os.path.exists(path) and glob.has_magic(argument):
        pattern = os.path.expanduser(path)
        matches = map(Path, glob.iglob(pattern, recursive=True))
        return _expand(matches, _fixed(Path(pattern))) or [
            _missing(path, f"no picture matches {argument!r}; check the pattern")
        ]
    return [Photo(path)]


def _fixed(pattern: Path) -> Path:
    """The folder that a pattern begins with."""
    return Path(*itertools.takewhile(lambda part: not glob.has_magic(part), pattern.parent.parts))


def _expand(paths: Iterable[Path], base: Path | None = None) -> list[Photo]:
    from impasto.picture.files import is_picture_name

    kept = (p for p in paths if is_picture_name(p) and os.path.isfile(p))
    return [Photo(p, found=True, within=Path() if base is None else p.parent.relative_to(base)) for p in sorted(kept)]


def _missing(path: Path, message: str) -> Photo:
    return Photo(path, found=True, problem=PictureError(message))
