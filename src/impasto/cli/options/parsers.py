"""Values of options that are more than a word: ``STYLE:WEIGHT``, ``MASK=STYLE``, steps of snapshots."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import click

__all__ = ["SnapshotSteps", "parse_region", "parse_style", "style_label", "style_weights"]

_WEIGHTED = re.compile(r"(?P<style>.+):(?P<weight>[-+]?(?:\d+(?:\.\d*)?|\.\d+))", re.DOTALL)
_WITH_COMMA = re.compile(r"(?P<style>.+):(?P<weight>[-+]?\d*,\d+)", re.DOTALL)


def parse_style(text: str, exists: Callable[[str], bool]) -> tuple[str, float]:
    """Split ``text`` into style and weight.

    Only a number after the last colon is a weight, so ``C:\\monet.jpg`` and ``night: two.jpg`` are
    files; and what exists exactly as it was given is never split.
    """
    if not text.strip():
        raise click.BadParameter("the style is empty; give a name or a picture file", param_hint="'--style'")
    match = None if exists(text) else _WEIGHTED.fullmatch(text)
    if match is None and not exists(text) and (comma := _WITH_COMMA.fullmatch(text)):
        raise click.BadParameter(
            f"the weight of {comma['style']!r} is {comma['weight']}; give a number with a point before its decimals",
            param_hint="'--style'",
        )
    if match is None:
        return text, 1.0
    weight = float(match["weight"])
    if not 0 < weight < float("inf"):
        raise click.BadParameter(
            f"the weight of {match['style']!r} is {match['weight']}; give a number greater than 0",
            param_hint="'--style'",
        )
    return match["style"], weight


def style_weights(texts: Iterable[str], exists: Callable[[str], bool]) -> dict[str, float]:
    """The weight of every style; one that is given twice counts twice."""
    weights: dict[str, float] = {}
    for text in texts:
        style, weight = parse_style(text, exists)
        weights[style] = weights.get(style, 0.0) + weight
    return weights


def style_label(style: str, names: Iterable[str]) -> str:
    """What a style is called in a file's name: its own name, or its file's; a pipe's is a number that says nothing."""
    from impasto.picture.pipes import is_pipe

    if style in set(names):
        return style
    return "picture" if is_pipe(style) else Path(style).stem


def parse_region(text: str, exists: Callable[[str], bool]) -> tuple[str, str]:
    """Split ``text`` into mask and style, at the last ``=`` that a file's name stands before."""
    end = len(text)
    while (end := text.rfind("=", 0, end)) >= 0:
        mask, style = text[:end], text[end + 1 :]
        if exists(mask):
            if not style.strip():
                raise _region_error(f"{text!r}, which names no style")
            return mask, os.path.expanduser(style)  # behind =, where no shell does it
    if "=" not in text:
        raise _region_error(f"{text!r}, which has no =")
    raise _region_error(f"{text!r}, but there is no file {text.rpartition('=')[0]}")


def _region_error(what: str) -> click.BadParameter:
    return click.BadParameter(
        f"it is {what}; give a mask's file, =, and a style's name or picture, such as sky.png=NAME",
        param_hint="'--regions'",
    )


_LISTED = re.compile(r"\s*\d+\s*(,\s*\d+\s*)*,?\s*")


class SnapshotSteps(click.ParamType):  # type: ignore[type-arg]
    """``5``, or ``1,2,5``; ``5,`` is the one step. Gives the number, or the steps in order, each once."""

    name = "steps"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | tuple[int, ...]:
        if not isinstance(value, str):
            given: int | tuple[int, ...] = value
            return given
        steps = [int(part) for part in value.split(",") if part.strip()] if _LISTED.fullmatch(value) else []
        if not steps or min(steps) < 1:
            self.fail(f"{value!r} is neither a number of pictures nor a list of steps; give 5, or 1,2,5", param, ctx)
        return tuple(sorted(set(steps))) if "," in value else steps[0]
