"""Option: one setting, its type, default, bounds and help."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from numbers import Integral, Real
from typing import Any

from impasto.errors import RequestError
from impasto.plugins import Group, plugin_names

__all__ = ["Option", "comma_hint", "option"]


@dataclass(frozen=True, slots=True)
class Option:
    """What is known of one setting: its name, type, default, bounds (inclusive) or choices, unit and help.

    ``group`` names the engine that alone uses it; ``plugins`` those plugins whose names may be given, too.
    """

    name: str
    type: type
    default: Any
    help: str
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    unit: str = ""
    group: str = ""
    plugins: Group | None = None

    @property
    def full_help(self) -> str:
        """``help``, with the names of plugins that are installed; they are read here."""
        names = () if self.plugins is None else plugin_names(self.plugins)
        return f"{self.help} Of plugins: {', '.join(names)}." if names else self.help

    def check(self, value: Any) -> None:
        """Raise :class:`RequestError` where ``value`` is not allowed."""
        if value is None and self.default is None:
            return
        if self.choices:
            if value not in self.choices:
                raise RequestError(f"{self.name} is {value!r}; choose one of {', '.join(self.choices)}")
            return
        if not isinstance(value, _KINDS[self.type]) or (isinstance(value, bool) and self.type is not bool):
            raise RequestError(f"{self.name} is {value!r}; give {_article(self.type)}{comma_hint(self.type, value)}")
        number: Any = value
        low = -math.inf if self.minimum is None else self.minimum
        high = math.inf if self.maximum is None else self.maximum
        if self.type in (int, float) and not low <= number <= high:
            raise RequestError(f"{self.name} is {value}; give {_range(low, high)}{self.unit and ' ' + self.unit}")


def comma_hint(kind: type, value: object) -> str:
    """How half the world writes a half, and what to write instead: what goes on after "give a number"."""
    is_comma = isinstance(value, str) and _WITH_COMMA.fullmatch(value.strip())
    hints = {float: ", with a point before its decimals", int: " without commas"}
    return hints.get(kind, "") if is_comma else ""


_WITH_COMMA = re.compile(r"[-+]?\d*(,\d+)+")

# Also NumPy's numbers.
_KINDS: dict[type, type] = {int: Integral, float: Real, bool: bool, str: str}


def _article(kind: type) -> str:
    return {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}[kind]


def _range(low: float, high: float) -> str:
    return f"a number from {low:g} to {high:g}"


def option(kind: type, default: Any, help: str, **rules: Any) -> Any:  # noqa: A002
    """A dataclass field that is a setting."""
    return field(default=default, metadata={"option": (kind, help, rules)})
