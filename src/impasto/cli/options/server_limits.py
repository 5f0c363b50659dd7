"""Limits of ``impasto serve`` by their names, as ``--limit NAME=VALUE`` gives them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from impasto.jobs.limits import Limits

__all__ = ["limited", "settable"]

_OWN_OPTIONS = {"upload_bytes": "--max-upload", "kept_seconds": "--keep"}
_NUMBER = re.compile(r"(\d{1,18}(?:\.\d{1,9})?(?:e\d{1,2})?)([KMGT]?)")
_KINDS: dict[object, type[int] | type[float]] = {"int": int, "float": float}
"""By what the field is declared to be: a limit in seconds may happen to be whole."""
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


def settable(limits: Limits) -> dict[str, type[int] | type[float]]:
    """Those that are one number and have no option of their own, by name."""
    found = {field.name: _KINDS[field.type] for field in fields(limits) if field.type in _KINDS}
    return {name: kind for name, kind in found.items() if name not in _OWN_OPTIONS}


def limited(limits: Limits, given: Iterable[str]) -> Limits:
    """``limits`` with those that are given. Raises :class:`click.UsageError`."""
    names = settable(limits)
    new: dict[str, Any] = {}
    for text in given:
        name, _, value = text.partition("=")
        if name in _OWN_OPTIONS:
            raise click.UsageError(f"the limit {name} has an option of its own: {_OWN_OPTIONS[name]}")
        if name not in names:
            raise click.UsageError(f"there is no limit {name!r}; those there are: {', '.join(names)}")
        new[name] = _number(name, value, names[name])
    return replace(limits, **new)


def _number(name: str, value: str, kind: type[int] | type[float]) -> int | float:
    found = _NUMBER.fullmatch(value)
    number = float(found[1]) * _UNITS[found[2]] if found else math.nan
    if not (number > 0 and math.isfinite(number) and (kind is float or number == int(number))):
        raise click.UsageError(
            f"--limit {name}={value}: give {'a whole number' if kind is int else 'a number'} above 0, such as "
            f"{'100 or 4G' if kind is int else '60 or 2e10'}"
        )
    return kind(number)
