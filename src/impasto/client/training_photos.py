"""Photographs for training, scaled to the size that training uses."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from pathlib import Path

from impasto.client.multipart import Source, Upload
from impasto.errors import PictureError

__all__ = ["load_training_photos"]

_MOST = 300
"""More teach no more in minutes."""
_SHORT_SIDE = 640


def load_training_photos(photos: str | os.PathLike[str] | Sequence[Source]) -> list[Upload]:
    """The pictures in a folder, or these: at most 300, spread evenly, as JPEG of 640 pixels on the short side.

    One that cannot be read is left out, with a warning that names it. Raises :class:`PictureError` where none is left.
    """
    sources = _pictures_of_folder(Path(photos)) if isinstance(photos, (str, os.PathLike)) else list(photos)
    if not sources:
        raise PictureError("there is no photograph to learn on; give a folder of pictures, or some of them")
    step = max(1.0, len(sources) / _MOST)
    chosen = [sources[int(i * step)] for i in range(min(len(sources), _MOST))]
    found: list[Upload] = []
    broken: list[PictureError] = []
    for source in chosen:
        try:
            found.append(_shrink(source))
        except PictureError as error:
            broken.append(error)
    if not found:
        raise broken[0]
    for why in broken:
        warnings.warn(f"a photograph is left out: {why}", stacklevel=3)
    return found


def _pictures_of_folder(folder: Path) -> list[Source]:
    from impasto.picture.files import pictures_in

    return [*pictures_in(folder)] if folder.is_dir() else [folder]


def _shrink(source: Source) -> Upload:
    from impasto.picture import Picture
    from impasto.picture.transparency import fill_transparent
    from impasto.picture.writing import encode

    name, given = ("picture", source) if isinstance(source, bytes) else (str(source), source)
    if isinstance(source, Upload):
        name, given = source.name, source.data
    try:
        picture = fill_transparent(Picture.of(given))
    except PictureError as error:
        error.args = (f"{Path(name).name}: {error}", *error.args[1:])
        raise
    factor = min(1.0, _SHORT_SIDE / min(picture.size))
    width, height = (max(1, round(side * factor)) for side in picture.size)
    data = encode(picture.resized((width, height)), "jpeg", quality=92, bits=8, keep_metadata=False, settings=None)
    return Upload(f"{Path(name).stem}.jpg", data)
