"""Training: what is asked of a job that teaches a network one style."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

from impasto.errors import RequestError
from impasto.styles import StyleCard
from impasto.training.plan_limits import BOUNDS

__all__ = ["TEXTS", "Training"]

_MOST = BOUNDS["minutes"].maximum or 0.0
TEXTS = ("title", "artist", "date", "source")
"""What may be told of the painting."""


@dataclass(frozen=True, slots=True)
class Training:
    """The new style's ``name``, for how many ``minutes`` its network learns, and what is told of the painting.

    Raises :class:`RequestError` for minutes that are none, and :class:`StyleError` for a name or a text that no style
    card could hold: better now than when the minutes are spent.
    """

    name: str
    minutes: float = 20.0
    title: str = ""
    artist: str = ""
    date: str = ""
    source: str = ""

    def __post_init__(self) -> None:
        if not 0 < self.minutes <= _MOST:
            raise RequestError(f"minutes is {self.minutes}; give a number above 0, up to {_MOST:g}")
        StyleCard(self.name, {}, self.title, self.artist, self.date, self.source, network="network")

    @property
    def texts(self) -> dict[str, str]:
        """Title, artist, date and source."""
        return {name: getattr(self, name) for name in TEXTS}

    def to_json(self) -> dict[str, Any]:
        """As a job's settings."""
        return asdict(self)

    @classmethod
    def from_json(cls, settings: Mapping[str, Any]) -> Self:
        """What :meth:`to_json` made."""
        return cls(**{field.name: settings[field.name] for field in fields(cls) if field.name in settings})
