"""Task, what one worker does once, and Painted, what comes of it; both as messages of a connection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from impasto.jobs.records.style_ref import StyleRef
from impasto.jobs.workers.transport import Message
from impasto.picture.limits import MAX_PIXELS

__all__ = ["Painted", "Source", "Task", "pack_source", "unpack_source"]

Source = Path | bytes
"""A file that the worker opens itself, or its bytes."""


@dataclass(frozen=True, slots=True)
class Task:
    """One photograph to repaint.

    ``styles`` are pairs of a weight and a style: a gallery's, or a file, of a picture or a style card. ``files`` may
    hold a ``mask``, ``guide`` and ``initial``. ``settings`` are those of :class:`impasto.request.Request` by name;
    ``format`` overrides the one there, and no more than ``max_pixels`` are allowed whatever they say. ``state`` is
    the file that an iterative run is saved in and goes on from. With ``preview`` reports come with one. ``gallery``
    is the folder of an owner's styles, which are looked up beside the worker's.
    """

    content: Source
    styles: Sequence[tuple[float, StyleRef]]
    files: Mapping[str, Source] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    state: Path | None = None
    preview: bool = False
    format: str | None = None
    max_pixels: int = MAX_PIXELS
    gallery: Path | None = None

    def to_message(self) -> Message:
        blobs: list[bytes] = []
        header = {
            "content": pack_source(self.content, blobs),
            "styles": [[weight, _pack_style(style, blobs)] for weight, style in self.styles],
            "files": {role: pack_source(source, blobs) for role, source in self.files.items()},
            "settings": dict(self.settings),
            "state": None if self.state is None else str(self.state),
            "preview": self.preview,
            "format": self.format,
            "max_pixels": self.max_pixels,
            "gallery": None if self.gallery is None else str(self.gallery.absolute()),
        }
        return header, blobs

    @classmethod
    def from_message(cls, message: Message) -> Task:
        header, blobs = message
        return cls(
            content=unpack_source(header["content"], blobs),
            styles=[(weight, _unpack_style(style, blobs)) for weight, style in header["styles"]],
            files={role: unpack_source(source, blobs) for role, source in header["files"].items()},
            settings=header["settings"],
            state=None if header["state"] is None else Path(header["state"]),
            preview=header["preview"],
            format=header["format"],
            max_pixels=header["max_pixels"],
            gallery=None if header["gallery"] is None else Path(header["gallery"]),
        )


@dataclass(frozen=True, slots=True)
class Painted:
    """A finished pastiche as a file's bytes.

    ``seconds`` is what the engine took, ``model`` its ``name@version``; ``complete`` is false where it was ended before
    its time. ``settings`` is how it was made, as :meth:`impasto.request.Result.settings` says.
    """

    data: bytes = field(repr=False)
    media_type: str
    width: int
    height: int
    seconds: float
    model: str
    complete: bool = True
    settings: Mapping[str, Any] = field(default_factory=dict)

    def to_message(self) -> Message:
        header = {
            "media_type": self.media_type,
            "width": self.width,
            "height": self.height,
            "seconds": self.seconds,
            "model": self.model,
            "complete": self.complete,
            "settings": dict(self.settings),
        }
        return header, [self.data]

    @classmethod
    def from_message(cls, message: Message) -> Painted:
        header, (data,) = message
        return cls(
            data=data,
            media_type=str(header["media_type"]),
            width=int(header["width"]),
            height=int(header["height"]),
            seconds=float(header["seconds"]),
            model=str(header["model"]),
            complete=bool(header["complete"]),
            settings=dict(header["settings"]),
        )


def pack_source(source: Source, blobs: list[bytes]) -> dict[str, Any]:
    """A source as JSON; its bytes, if it is bytes, are added to ``blobs``."""
    if isinstance(source, Path):
        return {"path": str(source.absolute())}
    blobs.append(source)
    return {"blob": len(blobs) - 1}


def unpack_source(source: Mapping[str, Any], blobs: Sequence[bytes]) -> Source:
    """What :func:`pack_source` took."""
    return Path(source["path"]) if "path" in source else blobs[source["blob"]]


def _pack_style(style: StyleRef, blobs: list[bytes]) -> dict[str, Any]:
    return {"name": style.name} if style.file is None else pack_source(style.file, blobs)


def _unpack_style(style: Mapping[str, Any], blobs: Sequence[bytes]) -> StyleRef:
    return StyleRef(name=style["name"]) if "name" in style else StyleRef(file=unpack_source(style, blobs))
