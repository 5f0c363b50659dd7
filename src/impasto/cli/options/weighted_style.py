"""``STYLE[:WEIGHT]``: a style's name or a painting's file, and how much of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path

import click

__all__ = ["label", "parse", "total"]

_WEIGHTED = re.compile(r"(?P<style>.+):(?P<weight>[-+]?(?:\d+(?:\.\d*)?|\.\d+))", re.DOTALL)
_WITH_COMMA = re.compile(r"(?P<style>.+):(?P<weight>[-+]?\d*,\d+)", re.DOTALL)


def parse(text: str, exists: Callable[[str], bool]) -> tuple[str, float]:
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


def total(texts: Iterable[str], exists: Callable[[str], bool]) -> dict[str, float]:
    """The weight of every style; one that is given twice counts twice."""
    weights: dict[str, float] = {}
    for text in texts:
        style, weight = parse(text, exists)
        weights[style] = weights.get(style, 0.0) + weight
    return weights


def label(style: str, names: Iterable[str]) -> str:
    """What a style is called in a file's name: its own name, or its file's; a pipe's is a number that says nothing."""
    from impasto.picture.pipes import is_pipe

    if style in set(names):
        return style
    return "picture" if is_pipe(style) else Path(style).stem
