"""Files that are often mistaken for a network, and what they are."""

from __future__ import annotations

import codecs
import re

__all__ = ["describe_mistaken_file"]

_MISTAKEN = (
    (
        rb"version https://git-lfs\.github\.com/spec/",
        "a pointer of Git LFS, which stands for the file; fetch the file itself with: git lfs pull",
    ),
    (rb"(\.\./)*(\.git)?/?annex/objects/", "a pointer of git-annex; fetch the file itself with: git annex get"),
    (rb"(\xef\xbb\xbf)?\s*<(!--|!doctype\s+html|html|head|body)", "a web page; get the file that it leads to"),
    (rb"(\xef\xbb\xbf)?\s*<(\?xml|[A-Za-z])", "XML, such as servers send in place of a file; get the file again"),
    (rb"\s*\{\s*\"", "JSON, such as servers send in place of a file; get the file again"),
    (rb"\x1f\x8b|7z\xbc\xaf\x27\x1c|Rar!|BZh|\xfd7zXZ", "an archive; unpack it, and give the network that is in it"),
)


def describe_mistaken_file(data: bytes) -> str | None:
    """What a file is that begins like ``data``, and what to do; ``None`` for what may be a network."""
    if not data:
        return "empty; get it again"
    said = next((said for begins, said in _MISTAKEN if re.match(begins, data[:512], re.IGNORECASE)), None)
    return _text(data[:512]) if said is None else said


def _text(start: bytes) -> str | None:
    """What a file is that begins so, where that is text."""
    try:
        # It may be cut off in the midst of a letter.
        words = codecs.getincrementaldecoder("utf-8")().decode(start).split()
    except UnicodeDecodeError:
        return None
    if not words or not all(word.isprintable() for word in words):
        return None
    return f"text, such as servers send in place of a file: {' '.join(words)[:60]!r}; get the file again"
