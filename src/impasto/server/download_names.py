"""File names: what the files are called that clients save, in every script."""

from __future__ import annotations

import unicodedata
from urllib.parse import quote

__all__ = ["disposition", "file_name"]

_SUFFIXES = {"image/jpeg": "jpg", "image/png": "png", "image/webp": "webp", "image/tiff": "tiff", "image/avif": "avif"}
_RESERVED = frozenset('<>:"/\\|?*%')
# Without them, words of Persian and of Indic scripts are other ones.
_JOINERS = ("\u200c", "\u200d")
_LONGEST = 180
"""Bytes of a name: with a number in front and a suffix, every file system takes that."""


def file_name(name: str, media_type: str | None) -> str:
    """What a photograph's pastiche of that type is called: as the photograph, with what no file system takes
    replaced."""
    stem = unicodedata.normalize("NFC", name.rpartition(".")[0] or name)
    plain = "".join(c if (c.isprintable() or c in _JOINERS) and c not in _RESERVED else "-" for c in stem)
    short = plain.encode("utf-8", "replace")[:_LONGEST].decode("utf-8", "ignore").strip(" .")
    return f"{short or 'picture'}.{_SUFFIXES.get(media_type or '', 'bin')}"


def disposition(kind: str, name: str) -> str:
    """``Content-Disposition`` of a file of that name, ``inline`` or ``attachment`` (RFC 6266)."""
    plain = unicodedata.normalize("NFD", name).encode("ascii", "ignore").decode()
    if plain == name:
        return f'{kind}; filename="{name}"'
    # Old clients read the first alone.
    stem, _, suffix = plain.rpartition(".")
    return f"{kind}; filename=\"{stem.strip() or 'picture'}.{suffix}\"; filename*=UTF-8''{quote(name, safe='')}"
