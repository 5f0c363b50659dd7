"""Suffixes: what names of files say of pictures, for whatever takes in a folder or an archive."""

from __future__ import annotations

import os
from pathlib import Path, PurePath

__all__ = ["SUFFIXES", "is_picture_name", "pictures_in"]

SUFFIXES = {
    ".png": "png",
    ".jpg": "jpeg",
    ".jpeg": "jpeg",
    ".jpe": "jpeg",
    ".jfif": "jpeg",
    ".webp": "webp",
    ".tif": "tiff",
    ".tiff": "tiff",
    ".avif": "avif",
    ".gif": "gif",
    ".bmp": "bmp",
    ".heic": "heif",
    ".heif": "heif",
    ".hif": "heif",
}
"""The format that a suffix names, of those that can be read. A file that is named by itself may be called anything."""


def is_picture_name(name: str | os.PathLike[str]) -> bool:
    """Whether a file that nobody named counts as a picture: by its suffix, whatever its case, and not where it is
    hidden, as macOS's ``._photo.jpg`` are."""
    path = PurePath(name)
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")


def pictures_in(folder: Path) -> list[Path]:
    """The pictures that lie in ``folder`` itself, sorted. Raises :class:`OSError` where it cannot be read."""
    return sorted(path for path in folder.iterdir() if is_picture_name(path) and os.path.isfile(path))
