"""Multipart: pictures, styles and settings as a multipart request."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from impasto.errors import PictureError

__all__ = ["Source", "Upload", "multipart_form", "picture_parts"]

_FILES = ("mask", "guide", "initial")


@dataclass(frozen=True, slots=True)
class Upload:
    """A file's bytes, and the name that the server shows for them."""

    name: str
    data: bytes = field(repr=False)


Source = str | os.PathLike[str] | bytes | Upload
"""A picture's path, or its bytes."""


def picture_parts(name: str, sources: Source | Sequence[Source]) -> list[tuple[str, tuple[str, bytes]]]:
    """One picture or several, as files of that name."""
    each = [sources] if isinstance(sources, (str, bytes, os.PathLike, Upload)) else sources
    return [(name, _file(source)) for source in each]


def multipart_form(contents: Source | Sequence[Source], style: object, settings: Mapping[str, Any]) -> dict[str, Any]:
    """What is sent of an order. ``style`` may be none."""
    weighed = list(style.items()) if isinstance(style, Mapping) else [(one, None) for one in _each(style)]
    # Texts arrive before files, and the weights are in the order of arrival.
    weighed.sort(key=lambda pair: not _is_name(pair[0]))
    sent = picture_parts("content", contents)
    sent += [("style", _file(one)) for one, _ in weighed if not _is_name(one)]
    data = {
        "style": [str(one) for one, _ in weighed if _is_name(one)],
        "weight": [str(weight) for _, weight in weighed if weight is not None],
    }
    for name, value in settings.items():
        if name in _FILES and value is not None:
            sent.append((name, _file(value)))
        elif value is not None:
            data[name] = [str(value).lower() if isinstance(value, bool) else str(value)]
    return {"files": sent, "data": data}


def _is_name(style: object) -> bool:
    return isinstance(style, str) and not Path(style).is_file()


def _each(style: object) -> Sequence[object]:
    if style is None:
        return []
    return style if isinstance(style, Sequence) and not isinstance(style, (str, bytes)) else [style]


def _file(source: object) -> tuple[str, bytes]:
    if isinstance(source, bytes):
        return "picture", source
    if isinstance(source, Upload):
        # A name on disk may hold bytes that are not text.
        return os.fsencode(source.name).decode("utf-8", "replace"), source.data
    path = Path(source)  # type: ignore[arg-type]
    try:
        return os.fsencode(path.name).decode("utf-8", "replace"), path.read_bytes()
    except OSError as error:
        raise PictureError(f"{path} cannot be read: {error.strerror or error}") from error
