"""Upload files: files of this machine on their way to a server, each read once."""

from __future__ import annotations

from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import IO

from impasto.cli.stylize.photos import Photo
from impasto.cli.ui import terminal
from impasto.client import Upload
from impasto.errors import MissingExtra, PictureError, PictureTooLarge

__all__ = ["checked_upload", "photo_upload"]

_MOST = 1 << 30


def photo_upload(photo: Photo) -> Upload:
    """A photograph, which the server looks at. Raises :class:`PictureError` where it cannot be read."""
    if photo.problem:
        raise photo.problem
    if photo.path is None:
        return Upload("stdin", _read(terminal.receive(), "standard input"))
    return _opened(photo.path)


def checked_upload(file: str, max_pixels: int) -> Upload:
    """A picture or style card, looked at here as well. Raises :class:`PictureError` and :class:`StyleError`."""
    from impasto.picture import Picture
    from impasto.styles import StyleCard

    upload = _opened(Path(file))
    if upload.data[:1] == b"{":
        StyleCard.from_bytes(upload.data)
        return upload
    with suppress(MissingExtra):  # the server may have what reads it
        Picture.open(_Named(upload.data, file), max_pixels=max_pixels)
    return upload


class _Named(BytesIO):
    """Bytes that messages call by the name of their file."""

    def __init__(self, data: bytes, name: str) -> None:
        super().__init__(data)
        self.name = name


def _opened(path: Path) -> Upload:
    try:
        with path.open("rb") as file:
            return Upload(path.name, _read(file, str(path)))
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or error
        raise PictureError(f"{path} cannot be read: {reason}") from error


def _read(file: IO[bytes], name: str) -> bytes:
    data = file.read(_MOST + 1)
    if not data:
        raise PictureError(f"{name} is empty")
    if len(data) > _MOST:
        raise PictureTooLarge(f"{name} is larger than {_MOST >> 20} MiB; give a smaller file")
    return data
