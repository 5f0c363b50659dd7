"""Pairs: which photograph meets which painting."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from impasto.errors import RequestError

__all__ = ["Pair", "is_name", "read_json", "read_pairs"]

_FIELDS = ("id", "content", "style")
_NAME = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9._-]{0,98}[A-Za-z0-9_])?")


@dataclass(frozen=True, slots=True)
class Pair:
    """The files of a photograph and of a painting; ``id`` is what pictures made of them are called."""

    id: str
    content: Path
    style: Path


def is_name(text: str) -> bool:
    """Whether every file system takes ``text`` for the name of a file or a folder."""
    return _NAME.fullmatch(text) is not None


def read_pairs(file: Path) -> list[Pair]:
    """Read ``[{"id": ..., "content": path, "style": path}, ...]``, paths relative to the file's folder.

    Other fields are ignored. Raises :class:`RequestError`, naming the entry, for what is not that, for an id
    that is taken (whatever its case) or cannot be a file's name, and for pictures that are not there.
    """
    pairs: list[Pair] = []
    taken: set[str] = set()
    for number, entry in enumerate(_entries(file), 1):
        pair = _pair(entry, f"{file.name}: pair {number}", file.parent)
        if pair.id.lower() in taken:
            raise RequestError(f"{file.name}: pair {number} has the id {pair.id!r} of another; give it one of its own")
        taken.add(pair.id.lower())
        pairs.append(pair)
    return pairs


def read_json(file: Path) -> Any:
    """What a file says. Raises :class:`RequestError` where it cannot be read, or is not JSON."""
    try:
        return json.loads(file.read_text("utf-8"))
    except OSError as error:
        raise RequestError(f"{file} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise RequestError(f"{file} is not JSON: {error}") from error


def _entries(file: Path) -> list[Any]:
    entries = read_json(file)
    if not isinstance(entries, list) or not entries:
        shape = '[{"id": "one", "content": "photo.jpg", "style": "painting.jpg"}, ...]'
        raise RequestError(f"{file} is not a list of pairs; give {shape}")
    return entries


def _pair(entry: Any, where: str, folder: Path) -> Pair:
    if not isinstance(entry, dict):
        raise RequestError(f"{where} is {_short(entry)}; give an object with {', '.join(_FIELDS)}")
    for name in _FIELDS:
        if not isinstance(entry.get(name), str):
            found = _short(entry[name]) if name in entry else "missing"
            raise RequestError(f"{where}: {name} is {found}; give a text")
    if not is_name(entry["id"]):
        raise RequestError(
            f"{where} has the id {_short(entry['id'])}, which names pictures; give 1 to 100 letters of a-z, digits, "
            "., - and _, the first and last no . or -"
        )
    content, style = (folder / entry[name] for name in ("content", "style"))
    for path in (content, style):
        if not _is_file(path):
            raise RequestError(f"{where} ({entry['id']}) names {_short(str(path))}, which is not a file")
    return Pair(entry["id"], content, style)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name too long, a folder that may not be read
        return False


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 120 else f"{text[:117]}..."
