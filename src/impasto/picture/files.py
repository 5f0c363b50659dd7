"""Files: what their names say of pictures, and writing them all at once or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from pathlib import Path, PurePath

from impasto.errors import OutputError, OutputExists

__all__ = ["SUFFIXES", "is_picture_name", "pictures_in", "write_atomically"]

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


def write_atomically(path: str | os.PathLike[str], data: bytes, *, overwrite: bool = True) -> None:
    """Write ``data`` to ``path`` so that at every moment it holds all of it or what was there before.

    Raises :class:`OutputExists` where something is there and ``overwrite`` is false, and
    :class:`OutputError` with the reason where it cannot be written. Folders are not created.
    """
    path = Path(path)
    try:
        _check_target(path, overwrite)
        temporary = path.with_name(f".impasto-{secrets.token_hex(8)}.tmp")
        try:
            # open, not mkstemp: the file gets the permissions that the umask says.
            with open(temporary, "xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            if overwrite:
                os.replace(temporary, path)
            else:
                _claim(temporary, path)
        finally:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
    except FileExistsError as error:
        raise OutputExists(f"{path} exists; choose another name or allow overwriting it") from error
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or error
        raise OutputError(f"{path} cannot be written: {reason}") from error


def _check_target(path: Path, overwrite: bool) -> None:
    if not path.parent.is_dir():
        raise OutputError(f"{path} cannot be written: the folder {path.parent} does not exist; create it first")
    if not path.exists():
        return
    if not overwrite:
        raise FileExistsError
    if not stat.S_ISREG(path.stat().st_mode):
        # Replacing a folder fails late; replacing a device such as /dev/null succeeds.
        raise OutputError(f"{path} cannot be written: it is not a regular file; choose another name")


def _claim(temporary: Path, path: Path) -> None:
    """Move to a name that must be free; no other process can take it in between."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError:
        # A file system without hard links: take the name first, then fill it.
        with open(path, "xb"):
            pass
        try:
            os.replace(temporary, path)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
