"""Request: one photograph to repaint, and every setting.

Defaults, ranges and help texts of all settings live in this room and nowhere else; the command line,
the HTTP schema and the documentation are derived from :func:`options`.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal, Protocol, cast

from impasto.errors import PictureTooLarge, RequestError
from impasto.picture.limits import MAX_PIXELS
from impasto.request.optimisation import Optimisation
from impasto.request.options import Option, option

if TYPE_CHECKING:
    from impasto.picture import Picture

__all__ = ["Format", "Precision", "Region", "Request", "StyleLike", "options"]

Colors = Literal["style", "keep", "match"]
Skin = Literal["keep", "free"]
Precision = Literal["auto", "bf16", "f32"]
Format = Literal["png", "jpeg", "webp", "tiff", "avif"]


class StyleLike(Protocol):
    """What a request needs of a style: how to describe it in one JSON value."""

    def describe(self) -> object:
        """The style as a JSON value, such as its name."""
        ...


@dataclass(frozen=True, slots=True)
class Region:
    """Where a style of its own applies: ``mask``, white there and black elsewhere, scaled to the content's size.

    ``guide`` says which part of the style's picture to learn from, in the same way.
    """

    mask: Picture
    style: StyleLike
    name: str = "region"
    guide: Picture | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Request(Optimisation):
    """One photograph to repaint.

    Checked when it is made: raises :class:`RequestError` for a setting that is wrong, and
    :class:`PictureTooLarge` where a size makes more pixels than allowed.

    ``mask`` says where to apply the style: white is everywhere, black nowhere, grey partly; it is
    scaled to the content's size. The engine ``iterative`` also takes ``guide``, which says in the same way
    which part of the style's picture to learn from; ``regions`` with styles of their own, where ``style`` is
    for the rest and may be left out where there is none; and ``initial``, a picture to start from.
    """

    content: Picture
    style: StyleLike | None = None
    mask: Picture | None = None
    guide: Picture | None = None
    regions: tuple[Region, ...] = ()
    initial: Picture | None = None
    engine: str = option(
        str,
        "instant",
        "One pass of a network; or the picture itself optimised, finer and slower.",
        choices=("instant", "iterative"),
    )
    model: str | None = option(
        str,
        None,
        "Model that paints, by its name or name@version: one of any style, or a network of one style, for which no "
        "style is needed. By default the style's own network where it has one, else instant.",
    )
    strength: float = option(
        float, 1.0, "How far to go: 0 gives the photograph back, 1 the full style.", minimum=0.0, maximum=1.0
    )
    boldness: float = option(
        float,
        0.5,
        "How far the drawing may go: 0 keeps it, as one pass of a network does; at 1 strokes override it.",
        minimum=0.0,
        maximum=1.0,
    )
    size: int | None = option(
        int,
        None,
        "Longest side while stylising. The photograph's own size by default.",
        minimum=16,
        maximum=32768,
        unit="pixels",
    )
    resize: int | None = option(
        int,
        None,
        "Longest side of the result. The photograph's own size by default.",
        minimum=1,
        maximum=32768,
        unit="pixels",
    )
    style_scale: float = option(
        float,
        1.0,
        "Stroke size, relative to the picture: 2 doubles the strokes, 0.5 halves them.",
        minimum=0.25,
        maximum=4.0,
    )
    colors: Colors = option(
        str,
        "style",
        "Whose colours: the style's; the photograph's under the pastiche's light and dark (keep); "
        "or the photograph itself with only its palette moved (match).",
        choices=("style", "keep", "match"),
    )
    skin: Skin = option(
        str,
        "keep",
        "Skin: about as dark or as fair as it is (keep), or as the style has it (free).",
        choices=("keep", "free"),
    )
    seed: int = option(
        int, 0, "Random seed, of the grain in flat areas and of a start from noise.", minimum=0, maximum=2**31 - 1
    )
    precision: Precision = option(
        str, "auto", "Arithmetic: bf16 where the processor has it (auto), or f32.", choices=("auto", "bf16", "f32")
    )
    deterministic: bool = option(bool, False, "Same bytes on every run: f32 arithmetic.")
    format: Format | None = option(
        str,
        None,
        "File format of the result. The photograph's own by default, else PNG.",
        choices=("png", "jpeg", "webp", "tiff", "avif"),
    )
    quality: int = option(int, 92, "Quality of JPEG, WebP and AVIF.", minimum=1, maximum=100)
    bits: int = option(int, 8, "Bits per channel: 8, or 16 for PNG and TIFF.", minimum=8, maximum=16)
    keep_metadata: bool = option(
        bool, False, "Keep the photograph's metadata (camera, date, place). Removed by default."
    )
    max_pixels: int = option(
        int, MAX_PIXELS, "Refuse larger pictures before decoding them.", minimum=1, maximum=2**31 - 1, unit="pixels"
    )

    def __post_init__(self) -> None:
        from impasto.picture.picture import Picture
        from impasto.picture.scaling import fit_side
        from impasto.picture.writing import DEEP

        pictures = [("content", self.content), ("mask", self.mask), ("guide", self.guide), ("initial", self.initial)]
        for name, value in pictures:
            if not isinstance(value, Picture) and (value is not None or name == "content"):
                raise RequestError(f"{name} is {type(value).__name__}; give a Picture, such as Picture.of(...) makes")
        object.__setattr__(self, "regions", tuple(self.regions))
        styled = self.regions or (self.engine == "instant" and self.model)
        if not hasattr(self.style, "describe") and not (self.style is None and styled):
            raise RequestError(f"style is {type(self.style).__name__}; give a Style, such as Style.of(...) makes")
        if self.mask is not None and 0 < (white := int(self.mask.pixels.max())) <= self.mask.peak // 255:
            warnings.warn(
                f"the mask's brightest value is {white} of {self.mask.peak}, so that almost nothing is painted; "
                "give booleans, or white where the style applies",
                stacklevel=3,
            )
        self._settle()
        for known in options():
            value = getattr(self, known.name)
            known.check(value)
            if value is not None and known.type in (int, float):
                object.__setattr__(self, known.name, known.type(value))  # a plain number, which JSON can hold
        if self.engine == "instant":
            self._refuse()
        for name, pixels, side in (("size", self.size, self.size_side), ("resize", self.resize, "longest")):
            width, height = fit_side(self.content.size, pixels, side)
            if pixels is not None and width * height > max(self.max_pixels, self.content.width * self.content.height):
                raise PictureTooLarge(
                    f"{name} is {pixels}, which makes {width * height / 1e6:.3g} megapixels; the limit is "
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
        changed: dict[str, object] = {}
        if self.style is not None:
            changed["style"] = self.style.describe()
        if self.regions:
            changed["regions"] = {region.name: region.style.describe() for region in self.regions}
        for known in options():
            value = getattr(self, known.name)
            if value != known.default:
                changed[known.name] = value
        for name in ("mask", "guide", "initial"):
            if getattr(self, name) is not None:
                changed[name] = True
        return changed

    def _refuse(self) -> None:
        """What only the engine ``iterative`` can do is not passed over in silence."""
        given = [name for name in ("guide", "regions", "initial") if getattr(self, name)]
        given += [o.name for o in options() if o.group and getattr(self, o.name) != o.default]
        if given:
            raise RequestError(f"{given[0]} is for the engine iterative; set engine to iterative, or leave it out")


def options() -> tuple[Option, ...]:
    """Every setting of :class:`Request`, in order, with its default, bounds and help."""
    return _OPTIONS


def _collect() -> tuple[Option, ...]:
    found = []
    # What every engine uses comes first.
    for f in sorted(fields(Request), key=lambda f: "group" in f.metadata.get("option", ((), (), {}))[2]):
        if "option" in f.metadata:
            kind, text, rules = cast(tuple[type, str, Mapping[str, Any]], f.metadata["option"])
            found.append(Option(f.name, kind, f.default, text, **rules))
    return tuple(found)


_OPTIONS = _collect()
