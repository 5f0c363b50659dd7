"""Contestants: who made the pictures that are scored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

from impasto.errors import ModelError, RequestError
from impasto.evaluation.inputs import read_pixels, read_square
from impasto.evaluation.pairs import Pair, is_name
from impasto.models import Model
from impasto.picture import Picture
from impasto.picture.files import SUFFIXES
from impasto.picture.raster import Pixels
from impasto.request import Precision
from impasto.stylizer import Stylizer

if TYPE_CHECKING:
    from impasto.evaluation.large_pictures import Large

__all__ = ["Contestant", "FromEngine", "FromFolder", "FromIterative", "Kind"]

Kind = Literal["control", "engine", "folder"]


class Contestant(Protocol):
    """Makes pictures of pairs."""

    kind: ClassVar[Kind]

    @property
    def name(self) -> str:
        """What it is called in all that is written of it."""
        ...

    def picture(self, pair: Pair, content: Pixels, style: Pixels) -> Pixels:
        """Its picture of two inputs ``(512, 512, 3)`` of ``uint8``, of their size and type."""
        ...

    def large(self, photograph: Large) -> tuple[Pixels, Pixels] | None:
        """Its pictures of a large photograph, of its size, and of its middle square; ``None`` where it has none."""
        ...


class FromEngine:
    """An engine with one of its models."""

    kind: ClassVar[Kind] = "engine"

    def __init__(self, engine: str, model: Model, precision: Precision) -> None:
        """Raises as :class:`Stylizer` does, and :class:`ModelError` for a model whose name cannot be a folder's."""
        if not is_name(model.name):
            raise ModelError(f"the model is called {model.name!r}; call it by letters, digits, ., - and _")
        self.engine, self.name = engine, model.name
        self.model = model
        self.precision = precision
        self._stylizer = Stylizer(engine, model=model.path)

    def picture(self, pair: Pair, content: Pixels, style: Pixels) -> Pixels:  # noqa: ARG002
        """Painted again at every call."""
        return self.paint(content, style)

    def large(self, photograph: Large) -> tuple[Pixels, Pixels]:
        """Painted again at every call."""
        return self.paint(photograph.whole, photograph.style), self.paint(photograph.content, photograph.style)

    def paint(self, content: Pixels, style: Pixels, *, strength: float = 1.0) -> Pixels:
        """The pastiche of two arrays ``(H, W, 3)``, of the content's size and type."""
        result = self._stylizer.stylize(Picture(content), Picture(style), strength=strength, precision=self.precision)
        return result.pastiche.pixels


class FromIterative:
    """The engine ``iterative`` as it comes, through one encoder."""

    kind: ClassVar[Kind] = "engine"
    name = "iterative"

    def __init__(self, encoder: str, precision: Precision) -> None:
        """Raises as :class:`Stylizer` does, and :class:`ModelError` for an unknown encoder."""
        self._stylizer = Stylizer("iterative")
        from impasto.encoders.open import find_encoder

        find_encoder(encoder)
        self._settings: dict[str, Any] = {"encoder": encoder, "precision": precision}

    def picture(self, pair: Pair, content: Pixels, style: Pixels) -> Pixels:  # noqa: ARG002
        """Painted again at every call."""
        return self.paint(content, style)

    def large(self, photograph: Large) -> tuple[Pixels, Pixels]:
        """Painted again at every call."""
        return self.paint(photograph.whole, photograph.style), self.paint(photograph.content, photograph.style)

    def paint(self, content: Pixels, style: Pixels) -> Pixels:
        """The pastiche of two arrays ``(H, W, 3)``, of the content's size and type."""
        return self._stylizer.stylize(Picture(content), Picture(style), **self._settings).pastiche.pixels


@dataclass(frozen=True, slots=True)
class FromFolder:
    """Pictures that another program made, ``<pair id>.png`` or another of the usual suffixes.

    Of large photographs, ``<photograph>.large.png`` and ``<photograph>.small.png``.
    """

    kind: ClassVar[Kind] = "folder"
    name: str
    path: Path

    def picture(self, pair: Pair, content: Pixels, style: Pixels) -> Pixels:  # noqa: ARG002
        """Cut and scaled as the inputs are. Raises :class:`RequestError` where it is not there."""
        file = self._file(pair.id)
        if file is None:
            raise RequestError(self._lacking([pair]))
        return read_square(file)

    def has_large(self, photograph: Path) -> bool:
        """Whether both pictures of a large photograph are there."""
        return all(self._large(photograph))

    def large(self, photograph: Large) -> tuple[Pixels, Pixels] | None:
        """One of another size is brought to the photograph's, as whoever looks at it there would."""
        whole, small = self._large(photograph.file)
        if whole is None or small is None:
            return None
        height, width = photograph.whole.shape[:2]
        return Picture(read_pixels(whole)).resized((width, height)).pixels, read_square(small)

    def check(self, pairs: Sequence[Pair]) -> None:
        """Raise :class:`RequestError` where the picture of a pair is missing: before hours of work, not after."""
        if missing := [pair for pair in pairs if self._file(pair.id) is None]:
            raise RequestError(self._lacking(missing))

    def _large(self, photograph: Path) -> tuple[Path | None, Path | None]:
        return self._file(f"{photograph.stem}.large"), self._file(f"{photograph.stem}.small")

    def _file(self, name: str) -> Path | None:
        return next((f for s in SUFFIXES if (f := self.path / f"{name}{s}").is_file()), None)

    def _lacking(self, missing: Sequence[Pair]) -> str:
        others = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        return f"{self.path} has no picture of {missing[0].id}{others}; name one {missing[0].id}.png, or another suffix"
