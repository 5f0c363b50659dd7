"""Provenance: how a pastiche was made, kept inside its file.

PNG has a text chunk of our own name. The other formats have EXIF, where the settings are the user's
comment and the software is Impasto. They are JSON in ASCII everywhere, so that no charset can break them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping

from PIL import ExifTags, Image

from impasto.picture.formats.tiff_page import TiffPage
from impasto.picture.reading import Source, open_image

__all__ = ["KEYWORD", "annotate_exif", "read_settings", "settings_note"]

KEYWORD = "impasto"
"""The name of PNG's text chunk, and what a user comment of ours begins with."""

_PREFIX = b"ASCII\0\0\0" + f"{KEYWORD}:".encode("ascii")
_MAX_BYTES = 2**20
_COMMENT = ExifTags.Base.UserComment
_INCH = 2


def settings_note(settings: Mapping[str, object]) -> str:
    """``settings`` as compact ASCII JSON; what JSON has no word for becomes its text."""
    return json.dumps(settings, separators=(",", ":"), default=str)


def annotate_exif(
    exif: bytes, settings: Mapping[str, object] | None, *, limit: int, dpi: tuple[float, float] | None = None
) -> bytes:
    """EXIF with the settings and the resolution merged into it, at most ``limit`` bytes long.

    What does not fit is left out, the source's EXIF first: a picture is worth more than its notes.
    """
    for kept in (exif, b"") if exif else (b"",):
        try:
            tags = Image.Exif()
            tags.load(kept)
            if settings is not None:
                tags[ExifTags.Base.Software] = "Impasto"
                tags.get_ifd(ExifTags.IFD.Exif)[_COMMENT] = _PREFIX + settings_note(settings).encode("ascii")
            if dpi is not None:
                tags[ExifTags.Base.XResolution], tags[ExifTags.Base.YResolution] = dpi
                tags[ExifTags.Base.ResolutionUnit] = _INCH
            whole = tags.tobytes() if kept or settings is not None or dpi is not None else b""
        except Exception:  # noqa: S112 - EXIF that cannot be written again is left out
            continue
        if len(whole) <= limit:
            return whole
    return b""


def read_settings(source: Source) -> dict[str, object] | None:
    """The settings stored in a file, without decoding its pixels; ``None`` where there are none.

    Raises what :func:`impasto.picture.reading.read` raises for a file that is not a picture.
    """
    with open_image(source) as (image, _, _):
        text = image.info.get(KEYWORD)
        return _parsed(text if isinstance(text, str) else _user_comment(image))


def _user_comment(image: Image.Image | TiffPage) -> str | None:
    if image.format == "PNG":
        return None  # its EXIF may stand behind the pixels, and ours is not there
    try:
        value = image.getexif().get_ifd(ExifTags.IFD.Exif).get(_COMMENT)
    except Exception:  # EXIF is hostile input; broken means that there are no settings
        return None
    value = value.encode("latin-1", "replace") if isinstance(value, str) else value
    if not isinstance(value, bytes) or not value.startswith(_PREFIX):
        return None
    return value.removeprefix(_PREFIX).decode("ascii", "replace")


def _parsed(text: str | None) -> dict[str, object] | None:
    if text is None or len(text) > _MAX_BYTES:
        return None
    try:
        value = json.loads(text, parse_float=_finite, parse_constant=_finite)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _finite(text: str) -> float:
    """A number; ``NaN``, ``Infinity`` and ``1e999`` are none that JSON could give on."""
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number
