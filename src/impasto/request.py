"""Request, Progress and Result: the three records that every engine and every door speak.

Defaults, ranges and help texts of all settings live here and nowhere else; the command line, the
HTTP schema and the documentation are derived from :func:`options`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from numbers import Integral, Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, cast

from impasto.errors import PictureTooLarge, RequestError

if TYPE_CHECKING:
    from impasto.picture import Picture

__all__ = ["MAX_PIXELS", "Option", "Progress", "Request", "Result", "StyleLike", "options"]

MAX_PIXELS = 50_000_000
"""Largest picture that is decoded unless the caller allows more, in pixels."""

Colors = Literal["style", "keep", "match"]
Precision = Literal["auto", "bf16", "f32"]
Format = Literal["png", "jpeg", "webp", "tiff", "avif"]


@dataclass(frozen=True, slots=True)
class Option:
    """What is known of one setting: its name, type, default, bounds (inclusive) or choices, unit and help."""

    name: str
    type: type
    default: Any
    help: str
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    unit: str = ""

    def check(self, value: Any) -> None:
        """Raise :class:`RequestError` where ``value`` is not allowed."""
        if value is None and self.default is None:
            return
        if self.choices:
            if value not in self.choices:
                raise RequestError(f"{self.name} is {value!r}; choose one of {', '.join(self.choices)}")
            return
        if not isinstance(value, _KINDS[self.type]) or (isinstance(value, bool) and self.type is not bool):
            raise RequestError(f"{self.name} is {value!r}; give {_article(self.type)}")
        low = -math.inf if self.minimum is None else self.minimum
        high = math.inf if self.maximum is None else self.maximum
        if isinstance(value, Real) and not low <= float(value) <= high:
            raise RequestError(f"{self.name} is {value}; give {_range(low, high)}{self.unit and ' ' + self.unit}")


# Also NumPy's numbers.
_KINDS: dict[type, type] = {int: Integral, float: Real, bool: bool, str: str}


def _article(kind: type) -> str:
    return {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}[kind]


def _range(low: float, high: float) -> str:
    return f"a number from {low:g} to {high:g}"


def _option(kind: type, default: Any, help: str, **rules: Any) -> Any:  # noqa: A002
    return field(default=default, metadata={"option": (kind, help, rules)})


class StyleLike(Protocol):
    """What a request needs of a style: how to describe it in one JSON value."""

    def describe(self) -> object: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One photograph to repaint.

    Checked when it is made: raises :class:`RequestError` for a setting that is wrong, and
    :class:`PictureTooLarge` where a size makes more pixels than allowed.

    ``mask`` says where to apply the style: white is everywhere, black nowhere, grey partly; it is
    scaled to the content's size.
    """

    content: Picture
    style: StyleLike
    mask: Picture | None = None
    engine: str = _option(str, "instant", "How the pastiche is made.", choices=("instant",))
    strength: float = _option(
        float, 1.0, "How far to go: 0 gives the photograph back, 1 the full style.", minimum=0.0, maximum=1.0
    )
    size: int | None = _option(
        int,
        None,
        "Longest side while stylising; smaller means larger strokes. The photograph's own size by default.",
        minimum=16,
        maximum=32768,
        unit="pixels",
    )
    resize: int | None = _option(
        int,
        None,
        "Longest side of the result. The photograph's own size by default.",
        minimum=1,
        maximum=32768,
        unit="pixels",
    )
    style_scale: float = _option(
        float, 1.0, "Stroke size: 2 doubles the strokes, 0.5 halves them.", minimum=0.25, maximum=4.0
    )
    colors: Colors = _option(
        str,
        "style",
        "Whose colours: the style's; the photograph's under the pastiche's light and dark (keep); "
        "or the photograph itself with only its palette moved (match).",
        choices=("style", "keep", "match"),
    )
    seed: int = _option(
        int, 0, "Random seed. The instant engine draws nothing at random.", minimum=0, maximum=2**31 - 1
    )
    precision: Precision = _option(
        str, "auto", "Arithmetic: bf16 where the processor has it (auto), or f32.", choices=("auto", "bf16", "f32")
    )
    deterministic: bool = _option(bool, False, "Same bytes on every run: f32 arithmetic.")
    format: Format | None = _option(
        str,
        None,
        "File format of the result. The photograph's own by default, else PNG.",
        choices=("png", "jpeg", "webp", "tiff", "avif"),
    )
    quality: int = _option(int, 92, "Quality of JPEG, WebP and AVIF.", minimum=1, maximum=100)
    bits: int = _option(int, 8, "Bits per channel: 8, or 16 for PNG and TIFF.", minimum=8, maximum=16)
    keep_metadata: bool = _option(
        bool, False, "Keep the photograph's metadata (camera, date, place). Removed by default."
    )
    max_pixels: int = _option(
        int, MAX_PIXELS, "Refuse larger pictures before decoding them.", minimum=1, maximum=2**31 - 1, unit="pixels"
    )

    def __post_init__(self) -> None:
        from impasto.picture.picture import Picture
        from impasto.picture.scaling import fit
        from impasto.picture.writing import DEEP

        for name, value in (("content", self.content), ("mask", self.mask)):
            if not isinstance(value, Picture) and (value is not None or name == "content"):
                raise RequestError(f"{name} is {type(value).__name__}; give a Picture, such as Picture.of(...) makes")
        if not hasattr(self.style, "describe"):
            raise RequestError(f"style is {type(self.style).__name__}; give a Style, such as Style.of(...) makes")
        for option in options():
            value = getattr(self, option.name)
            option.check(value)
            if value is not None and option.type in (int, float):
                object.__setattr__(self, option.name, option.type(value))  # a plain number, which JSON can hold
        for name, longest in (("size", self.size), ("resize", self.resize)):
            width, height = fit(self.content.size, longest)
            if longest is not None and width * height > max(self.max_pixels, self.content.width * self.content.height):
                raise PictureTooLarge(
                    f"{name} is {longest}, which makes {width * height / 1e6:.3g} megapixels; the limit is "
                    f"{self.max_pixels / 1e6:.3g} (raise max_pixels)"
                )
        if self.bits not in (8, 16):
            raise RequestError(f"bits is {self.bits}; give 8 or 16")
        if self.bits == 16 and self.format not in (None, *DEEP):
            raise RequestError(f"bits is 16, which {self.format} cannot hold; choose png or tiff")
        if self.deterministic and self.precision == "bf16":
            raise RequestError("deterministic needs f32, but precision is bf16; leave one of them out")

    @property
    def arithmetic(self) -> Precision:
        """The precision to run in: ``deterministic`` means f32."""
        return "f32" if self.deterministic else self.precision

    def settings(self) -> dict[str, object]:
        """The settings that differ from their defaults, and the style, as JSON values."""
        changed: dict[str, object] = {"style": self.style.describe()}
        for option in options():
            value = getattr(self, option.name)
            if value != option.default:
                changed[option.name] = value
        if self.mask is not None:
            changed["mask"] = True
        return changed


def options() -> tuple[Option, ...]:
    """Every setting of :class:`Request`, in order, with its default, bounds and help."""
    return _OPTIONS


def _collect() -> tuple[Option, ...]:
    found = []
    for f in fields(Request):
        if "option" in f.metadata:
            kind, text, rules = cast(tuple[type, str, Mapping[str, Any]], f.metadata["option"])
            found.append(Option(f.name, kind, f.default, text, **rules))
    return tuple(found)


_OPTIONS = _collect()


@dataclass(frozen=True, slots=True)
class Progress:
    """One report of a running engine.

    ``done`` is the share of the work finished, 0..1; ``seconds_left`` is ``None`` until it can be
    told; ``preview`` is a small pastiche where one was asked for.
    """

    stage: str
    done: float
    seconds: float
    seconds_left: float | None = None
    preview: Picture | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """A finished pastiche, the request it answers, the model (``name@version``), and seconds spent."""

    pastiche: Picture
    request: Request
    model: str
    seconds: float

    def settings(self) -> dict[str, object]:
        """What is stored in the file, so that ``impasto show FILE`` can tell how it was made."""
        return {"model": self.model, **self.request.settings()}

    def to_bytes(self, format: Format | None = None) -> bytes:  # noqa: A002
        """The pastiche as a file's bytes, in ``format``, else the request's, else the photograph's own."""
        from impasto.picture.writing import encode

        return encode(
            self.pastiche,
            format or self.format,
            quality=self.request.quality,
            bits=self.request.bits,
            keep_metadata=self.request.keep_metadata,
            settings=self.settings(),
        )

    def save(self, path: str | Path, *, overwrite: bool = True) -> Path:
        """Write the pastiche to ``path`` atomically, in the format its suffix names, with its settings inside.

        Raises :class:`OutputExists` unless ``overwrite``, :class:`OutputError` where writing fails,
        and :class:`UnsupportedFormat` for an unknown suffix.
        """
        from impasto.picture.writing import format_of, write_atomically

        path = Path(path)
        chosen = cast("Format", format_of(path)) if path.suffix else self.format
        write_atomically(path, self.to_bytes(chosen), overwrite=overwrite)
        return path

    @property
    def format(self) -> Format:
        """The format asked for; else the photograph's own where it can be written; else PNG."""
        from impasto.picture.writing import chosen_format

        return cast("Format", chosen_format(self.request.content.format, self.request.format, self.request.bits))
