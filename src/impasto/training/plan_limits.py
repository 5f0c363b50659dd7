"""Bounds on the numbers of a training plan, the same everywhere."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from impasto.errors import RequestError
from impasto.request import Option

__all__ = ["BOUNDS", "SIDES", "check_plan", "check_sides"]

SIDES = ("size", "sizes", "own_sizes")
"""Fields that are sides of crops in pixels."""

_SMALLEST, _LARGEST = 32, 2048
_STEP = 16
_YEAR = 525_600.0


def _whole(name: str, minimum: int, maximum: int) -> Option:
    return Option(name, int, 0, "", minimum, maximum)


def _number(name: str, minimum: float, maximum: float, unit: str = "") -> Option:
    return Option(name, float, 0.0, "", minimum, maximum, unit=unit)


BOUNDS = {
    bound.name: bound
    for bound in (
        _number("minutes", 0.001, _YEAR),
        _number("save_every", 0.0, _YEAR * 60, "seconds"),
        _number("spare", 0.0, _YEAR * 60, "seconds"),
        _number("learning_rate", 1e-9, 1.0),
        *(
            _number(f"{term}_weight", 0.0, 1e9)
            for term in ("style", "gram", "light", "shift", "grid", "lattice", "stamp", "self")
        ),
        _number("drawing", 0.01, 100.0),
        _number("style_scale", 0.1, 10.0),
        *(_whole(name, 1, 256) for name in ("pictures", "photos_per_step", "styles_per_step", "pairs", "lanes")),
        _whole("textures", 0, 100_000),
        *(_whole(name, 0, 4096) for name in ("deep", "rank")),
        _whole("seed", 0, 2**31 - 1),
    )
}
"""By the field's name, which means the same in every plan."""


def check_plan(plan: Any) -> None:
    """Raise :class:`RequestError` where a number of the dataclass ``plan`` is none that a training could use."""
    for field in dataclasses.fields(plan):
        value = getattr(plan, field.name)
        if field.name in BOUNDS:
            BOUNDS[field.name].check(value)
        elif field.name in SIDES:
            check_sides(field.name, value if isinstance(value, Sequence) else (value,))


def check_sides(name: str, sides: Sequence[Any], step: int = _STEP) -> None:
    """Raise :class:`RequestError` where ``sides`` are none, or no sides of crops: multiples of ``step``."""
    if isinstance(sides, str) or not sides:
        raise RequestError(f"{name} is {sides!r}; give at least one side in pixels")
    for side in sides:
        Option(name, int, 0, "", _SMALLEST, _LARGEST, unit="pixels").check(side)
        if side % step:
            raise RequestError(f"{name} is {side}; give a multiple of {step}, such as {side // step * step + step}")
