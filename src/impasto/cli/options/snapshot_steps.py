"""Moments: when ``--snapshots`` are taken: so many, evenly spread, or after the steps that are listed."""

from __future__ import annotations

import re
from typing import Any

import click

__all__ = ["Moments"]

_LISTED = re.compile(r"\s*\d+\s*(,\s*\d+\s*)*,?\s*")


class Moments(click.ParamType):  # type: ignore[type-arg]
    """``5``, or ``1,2,5``; ``5,`` is the one step. Gives the number, or the steps in order, each once."""

    name = "moments"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | tuple[int, ...]:
        if not isinstance(value, str):
            given: int | tuple[int, ...] = value
            return given
        steps = [int(part) for part in value.split(",") if part.strip()] if _LISTED.fullmatch(value) else []
        if not steps or min(steps) < 1:
            self.fail(f"{value!r} is neither a number of pictures nor a list of steps; give 5, or 1,2,5", param, ctx)
        return tuple(sorted(set(steps))) if "," in value else steps[0]
