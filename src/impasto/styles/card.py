"""Style card: the numbers an engine needs of a style, saved under a name, without the picture."""

from __future__ import annotations

import base64
import json
import os
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from math import isfinite, log2
from pathlib import Path
from typing import Any

import numpy as np

from impasto.errors import StyleError
from impasto.picture.raster import Pixels

__all__ = ["MAX_BYTES", "SUFFIX", "StyleCard", "check_name", "fold_name"]

SUFFIX = ".style"
"""What a card's file is called after its name."""

MAX_BYTES = 1 << 20
"""Largest card that is read or written, in bytes."""

_VERSION = 1
_MAX_THUMBNAIL = 256 * 1024
_MAX_SWATCH = 64 * 1024
_MAX_ALIASES = 32
_MAX_RANK = 9999
_MAX_CODE = 65536  # numbers in one code
_MAX_KEYS = 32  # models of a card, scales of a model
_HALF = float(np.finfo(np.float16).max)
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_NETWORK = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*(@\d{1,9}(\.\d{1,9})*)?")
_COLOR = re.compile(r"#[0-9a-f]{6}")
_TEXTS = ("title", "artist", "date", "source")
_MORE_TEXTS = ("movement", "place", "about")  # written where they are given: older versions refuse them
_SKIPPED = re.compile(r"[\s_'\u2019-]+")


def check_name(name: object) -> str:
    """``name``, if it is small letters and digits in words joined by ``-``, at most 64 characters.

    Raises :class:`StyleError` otherwise.
    """
    if not isinstance(name, str) or len(name) > 64 or not _NAME.fullmatch(name):
        raise StyleError(
            f"{_short(name)} is not a style name; give small letters a-z and digits in words joined by '-', "
            "at most 64 characters, such as 'starry-night'"
        )
    return name


def fold_name(text: str) -> str:
    """What two ways to write a name have in common: not case, accents, spaces, hyphens and apostrophes."""
    letters = (c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    return _SKIPPED.sub("", "".join(letters).casefold())


@dataclass(frozen=True, slots=True, eq=False)
class StyleCard:
    """A named style. ``codes`` holds, for each model (``"instant@1"``), style codes by style scale.

    A code is a float32 vector; the scale says how large the painting was when it was read, so that
    ``style_scale`` works without the picture. ``network`` names a model of kind ``per-style`` that paints this style
    alone, ``"candy"`` or ``"candy@2"``; a card that has one needs no codes. ``palette`` is a few ``"#rrggbb"`` colours,
    the most common first. ``thumbnail`` is a WebP file: a photograph in this style, made by our own network; ``swatch``
    is one of under 64 kB: a square of the style's texture alone, with no photograph under it.

    ``movement`` and ``place`` are the school and where the work hangs, ``about`` one line on the work. ``aliases`` are
    what else the style is called, in any language: at most 32, of 64 characters each. ``rank`` is its place in the
    gallery's order, 1 for the boldest, 0 where it has none.

    Codes are held at half precision, so that a card gives the same pixels before and after it is
    saved. Checked when it is made; raises :class:`StyleError`, naming what is wrong. :meth:`Stylizer.card` makes one of
    pictures.

    >>> from impasto import Gallery, StyleCard
    >>> card = Gallery().get("the-wave")
    >>> StyleCard.from_bytes(card.to_bytes()).network
    'the-wave'
    """

    name: str
    codes: Mapping[str, Mapping[float, Pixels]] = field(default_factory=dict)
    title: str = ""
    artist: str = ""
    date: str = ""
    source: str = ""
    palette: tuple[str, ...] = ()
    thumbnail: bytes = field(default=b"", repr=False)
    network: str = ""
    movement: str = ""
    place: str = ""
    about: str = ""
    aliases: tuple[str, ...] = ()
    swatch: bytes = field(default=b"", repr=False)
    rank: int = 0

    def __post_init__(self) -> None:
        check_name(self.name)
        for key in (*_TEXTS, *_MORE_TEXTS):
            _check_text(self.name, key, getattr(self, key))
        palette = self.palette
        if not isinstance(palette, (tuple, list)) or len(palette) > 16:
            raise StyleError(f"the palette of style {self.name} is {_short(palette)}; give at most 16 colours")
        for color in palette:
            if not isinstance(color, str) or not _COLOR.fullmatch(color):
                raise StyleError(f"the palette of style {self.name} has {_short(color)}; give colours as '#rrggbb'")
        _check_webp(self.name, "thumbnail", self.thumbnail, _MAX_THUMBNAIL)
        _check_webp(self.name, "swatch", self.swatch, _MAX_SWATCH)
        _check_aliases(self.name, self.aliases)
        if type(self.rank) is not int or not 0 <= self.rank <= _MAX_RANK:
            raise StyleError(
                f"the rank of style {self.name} is {_short(self.rank)}; give a number from 0 to {_MAX_RANK}"
            )
        object.__setattr__(self, "palette", tuple(palette))
        object.__setattr__(self, "aliases", tuple(self.aliases))
        if not isinstance(self.network, str) or (self.network and not _NETWORK.fullmatch(self.network)):
            raise StyleError(
                f"the network of style {self.name} is {_short(self.network)}; give a model's name, or name@version"
            )
        if self.codes or not self.network:
            object.__setattr__(self, "codes", _checked_codes(self.name, self.codes))

    def code(self, model: str, scale: float = 1.0) -> Pixels:
        """The code for ``model`` at ``scale``, interpolated in log2 of the scale between those stored.

        Scales beyond the smallest and largest stored give the nearest one. Raises
        :class:`StyleError` where the card was made for other models only.
        """
        codes = self.codes.get(model)
        if codes is None:
            others = f"codes for {', '.join(self.codes)}" if self.codes else f"a network of its own, {self.network}"
            raise StyleError(f"style {self.name} has {others}, not for {model}; add it again from the picture")
        if not (isfinite(scale) and scale > 0):
            raise StyleError(f"the style scale is {scale}; give a positive number")
        scales = sorted(codes)
        above = next((i for i, s in enumerate(scales) if s >= scale), len(scales) - 1)
        below = max(above - 1, 0)
        if scale >= scales[above] or above == below:
            return codes[scales[above]]
        share = (log2(scale) - log2(scales[below])) / (log2(scales[above]) - log2(scales[below]))
        mixed = codes[scales[below]] * (1 - share) + codes[scales[above]] * share
        return mixed.astype(np.float32)

    def facts(self) -> dict[str, Any]:
        """What is known of the style, as JSON: texts, aliases, palette, the models that it has codes for, its network,
        its rank."""
        return {
            "name": self.name,
            **{key: getattr(self, key) for key in (*_TEXTS, *_MORE_TEXTS)},
            "aliases": list(self.aliases),
            "palette": list(self.palette),
            "models": sorted(self.codes),
            "network": self.network,
            "rank": self.rank,
        }

    def to_bytes(self) -> bytes:
        """The card as a ``.style`` file: compact JSON, codes as base64 of little-endian float16.

        Raises :class:`StyleError` where it would be larger than 1 MiB.
        """
        document: dict[str, Any] = {
            "impasto_style": _VERSION,
            "name": self.name,
            **{key: getattr(self, key) for key in _TEXTS},
            **{key: getattr(self, key) for key in (*_MORE_TEXTS, "aliases", "rank") if getattr(self, key)},
            "palette": self.palette,
            "codes": {
                model: {repr(scale): _text(code.astype("<f2").tobytes()) for scale, code in scales.items()}
                for model, scales in self.codes.items()
            },
            "thumbnail": _text(self.thumbnail),
        }
        if self.swatch:
            document["swatch"] = _text(self.swatch)
        if self.network:
            document["network"] = self.network
        data = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
        _check_size(f"style card {self.name}", len(data))
        return data

    @classmethod
    def from_bytes(cls, data: bytes) -> StyleCard:
        """Read what :meth:`to_bytes` wrote. Raises :class:`StyleError`, naming what is wrong, for anything else."""
        _check_size("the style card", len(data))
        try:
            document = json.loads(bytes(data).decode())
        except (ValueError, RecursionError) as error:
            raise StyleError(f"this is not a style card: {_short(str(error))}; give a {SUFFIX} file") from None
        if not isinstance(document, dict) or "impasto_style" not in document:
            raise StyleError(f"this is not a style card: impasto_style is missing; give a {SUFFIX} file")
        version = document.pop("impasto_style")
        if type(version) is not int or version != _VERSION:
            raise StyleError(
                f"the style card has version {_short(version)}, but this Impasto reads {_VERSION}; update it"
            )
        known = {field.name for field in fields(cls)}
        if unknown := document.keys() - known:
            raise StyleError(f"the style card has an unknown field {_short(min(unknown))}; remove it")
        if missing := {"name", "codes"} - document.keys():
            raise StyleError(f"the style card has no {min(missing)}; it is incomplete")
        document["name"] = check_name(document["name"])
        for key in ("thumbnail", "swatch"):
            document[key] = _binary(key, document.get(key, ""))
        codes = _object("codes", document["codes"])
        document["codes"] = {model: _scales(f"codes of {_short(model)}", scales) for model, scales in codes.items()}
        return cls(**document)

    @classmethod
    def from_file(cls, path: str | os.PathLike[str]) -> StyleCard:
        """Read a ``.style`` file. Raises :class:`StyleError`, naming the file."""
        try:
            with Path(path).open("rb") as file:
                data = file.read(MAX_BYTES + 1)
        except (OSError, ValueError) as error:
            raise StyleError(f"cannot read style card {_short(os.fspath(path))}: {error}") from error
        try:
            return cls.from_bytes(data)
        except StyleError as error:
            raise StyleError(f"{Path(path).name}: {error}") from error


def _short(value: object) -> str:
    text = value if isinstance(value, str) else repr(value)
    quoted = ascii(text) if isinstance(value, str) else text
    return quoted if len(quoted) <= 80 else quoted[:77] + "..."


def _check_size(what: str, size: int) -> None:
    if size > MAX_BYTES:
        raise StyleError(f"{what} has more than {MAX_BYTES} bytes; leave out models or the thumbnail")


def _check_text(name: str, key: str, text: object) -> None:
    if not isinstance(text, str) or len(text) > 300:
        raise StyleError(f"the {key} of style {name} is {_short(text)}; give a text of at most 300 characters")
    # Lone surrogates cannot be written as UTF-8, and control characters would act on terminals.
    if any(unicodedata.category(c) in ("Cc", "Cs") for c in text):
        raise StyleError(f"the {key} of style {name} is {_short(text)}; leave out control characters")


def _check_webp(name: str, key: str, data: object, limit: int) -> None:
    if not isinstance(data, bytes) or len(data) >= limit:
        raise StyleError(
            f"the {key} of style {name} is too large or not bytes; give a WebP file under {limit // 1024} kB"
        )
    if data and (len(data) < 16 or data[:4] != b"RIFF" or data[8:12] != b"WEBP"):
        raise StyleError(f"the {key} of style {name} is not a WebP file; give one under {limit // 1024} kB")


def _check_aliases(name: str, aliases: object) -> None:
    if not isinstance(aliases, (tuple, list)) or len(aliases) > _MAX_ALIASES:
        raise StyleError(f"the aliases of style {name} are {_short(aliases)}; give a list of at most {_MAX_ALIASES}")
    for alias in aliases:
        _check_text(name, "alias", alias)
        if len(alias) > 64 or not fold_name(alias):
            raise StyleError(f"style {name} has the alias {_short(alias)}; give 1 to 64 characters with a letter")


def _checked_codes(name: str, codes: object) -> dict[str, dict[float, Pixels]]:
    """A read-only copy of ``codes`` at half precision, its scales in order."""
    if not isinstance(codes, Mapping) or not 0 < len(codes) <= _MAX_KEYS:
        raise StyleError(f"style {name} needs codes for 1 to {_MAX_KEYS} models; add it again from the picture")
    result: dict[str, dict[float, Pixels]] = {}
    for model, scales in codes.items():
        if not isinstance(model, str) or not _MODEL.fullmatch(model):
            raise StyleError(
                f"style {name} has codes for {_short(model)}, which is not a model; give one as 'instant@1'"
            )
        if not isinstance(scales, Mapping) or not 0 < len(scales) <= _MAX_KEYS:
            raise StyleError(f"style {name} needs codes at 1 to {_MAX_KEYS} scales for {model}")
        for scale in scales:
            if isinstance(scale, bool) or not isinstance(scale, (int, float)) or not 0.01 <= scale <= 100:
                raise StyleError(f"style {name} has a code of {model} at scale {_short(scale)}; give 0.01 to 100")
        result[model] = {float(s): _half(f"style {name}, model {model}, scale {s}", scales[s]) for s in sorted(scales)}
        if len({len(code) for code in result[model].values()}) > 1:
            raise StyleError(f"style {name} has codes of several lengths for {model}; give one length")
    return result


def _half(what: str, code: object) -> Pixels:
    if not isinstance(code, np.ndarray) or code.dtype.kind != "f" or code.ndim != 1 or not 0 < len(code) <= _MAX_CODE:
        raise StyleError(f"{what}: the code is not a float vector of 1 to {_MAX_CODE} numbers")
    if not (np.isfinite(code).all() and np.abs(code).max() <= _HALF):
        raise StyleError(f"{what}: the code holds numbers that are not finite or beyond {_HALF:g}")
    half = code.astype(np.float16).astype(np.float32)
    half.flags.writeable = False
    return half


def _object(what: str, value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise StyleError(f"the style card's {what} is {_short(value)}; an object is needed")
    return value


def _scales(what: str, value: object) -> dict[float, Pixels]:
    codes = {}
    for scale, text in _object(what, value).items():
        try:
            codes[float(scale)] = _code(what, text)
        except ValueError:
            raise StyleError(f"the style card's {what} has scale {_short(scale)}; a number is needed") from None
    return codes


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _binary(what: str, text: object) -> bytes:
    try:
        if isinstance(text, str):
            return base64.b64decode(text, validate=True)
    except ValueError:
        pass
    raise StyleError(f"the style card's {what} is {_short(text)}; base64 is needed")


def _code(what: str, text: object) -> Pixels:
    data = _binary(what, text)
    if len(data) % 2:
        raise StyleError(f"the style card's {what} has {len(data)} bytes; an even number is needed")
    return np.frombuffer(data, "<f2")
