"""Progress and Result: what an engine says while it works, and at the end."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from impasto.picture import Picture
    from impasto.picture.notebook_display import Comparison
    from impasto.request.request import Format, Request

__all__ = ["Enough", "Progress", "Result", "run_to_end"]


class Enough(Exception):
    """Thrown into a running engine's generator: end now, with the best so far as the result.

    >>> from impasto import Stylizer
    >>> from impasto.request import Enough
    >>> stylizer = Stylizer("iterative")
    >>> steps = stylizer.run(stylizer.request("photo.jpg", "painting.jpg", size=64, steps=50))
    >>> while next(steps).step != 2:
    ...     pass
    >>> try:
    ...     _ = steps.throw(Enough())
    ... except StopIteration as end:
    ...     result = end.value
    >>> result.complete
    False

    Where there is nothing yet to give, the generator raises it again.
    """


@dataclass(frozen=True, slots=True)
class Progress:
    """One report of a running engine.

    ``done`` is the share of the work finished, 0..1; ``seconds_left`` is ``None`` until it can be
    told; ``preview`` is a small pastiche where one was asked for. The engine ``iterative`` also tells
    ``step`` of ``steps``, the losses by term, weights included, and at its first report the ``memory``
    that it is going to take, in bytes.
    """

    stage: str
    done: float
    seconds: float
    seconds_left: float | None = None
    preview: Picture | None = None
    step: int | None = None
    steps: int | None = None
    size: tuple[int, int] | None = None
    losses: Mapping[str, float] = field(default_factory=dict)
    memory: int | None = None

    @property
    def loss(self) -> float | None:
        """The total of the losses, as the papers' notebooks print it; ``None`` where none were told."""
        return sum(self.losses.values()) if self.losses else None


@dataclass(frozen=True, slots=True)
class Result:
    """A finished pastiche, the request it answers, the model (``name@version``), and seconds spent.

    ``complete`` is false where it was ended before its time.
    """

    pastiche: Picture
    request: Request
    model: str
    seconds: float
    complete: bool = True

    def __repr__(self) -> str:
        ended = "" if self.complete else ", ended before its time"
        return f"<Result {self.pastiche.width} x {self.pastiche.height} by {self.model}, {self.seconds:.2f} s{ended}>"

    def _repr_png_(self) -> bytes:
        from impasto.picture.notebook_display import notebook_png

        return notebook_png(self.pastiche)

    def compare(self, before: str = "before", after: str = "after") -> Comparison:
        """The photograph and the pastiche under a slider, for a notebook; ``before`` and ``after`` are its labels."""
        from impasto.picture.notebook_display import Comparison

        return Comparison(self.request.content, self.pastiche, (before, after))

    def settings(self) -> dict[str, object]:
        """What is stored in the file, so that ``impasto show FILE`` can tell how it was made."""
        # First, and with its version, whatever was asked for.
        return {"model": self.model} | self.request.settings() | {"model": self.model}

    def to_bytes(self, format: Format | None = None) -> bytes:  # noqa: A002
        """The pastiche as a file's bytes, in ``format``, else the request's, else the photograph's own.

        Raises :class:`OutputError` where that format cannot hold the picture.
        """
        from impasto.picture.writing import encode

        return encode(
            self.pastiche,
            format or self.format,
            quality=self.request.quality,
            bits=self.request.bits,
            keep_metadata=self.request.keep_metadata,
            settings=self.settings(),
        )

    def save(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write the pastiche to ``path`` atomically, in the format its suffix names, with its settings inside.

        Raises :class:`OutputExists` where something is there, unless ``overwrite`` says that it may be replaced,
        :class:`OutputError` where writing fails, and :class:`UnsupportedFormat` for an unknown suffix.
        """
        from impasto.picture.files import write_atomically
        from impasto.picture.writing import format_of

        path = Path(path)
        chosen = cast("Format", format_of(path)) if path.suffix else self.format
        write_atomically(path, self.to_bytes(chosen), overwrite=overwrite)
        return path

    @property
    def format(self) -> Format:
        """The format asked for; else the photograph's own where it can be written; else PNG."""
        from impasto.picture.writing import chosen_format

        return cast("Format", chosen_format(self.request.content.format, self.request.format, self.request.bits))


def run_to_end(steps: Generator[Progress, None, Result]) -> Result:
    """What a running engine ends in, its reports unread."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: Result = end.value
            return result
