"""``MAP=STYLE``: a mask's file, and the style that applies where it is white."""

from __future__ import annotations

import os
from collections.abc import Callable

import click

__all__ = ["parse"]


def parse(text: str, exists: Callable[[str], bool]) -> tuple[str, str]:
    """Split ``text`` into mask and style, at the last ``=`` that a file's name stands before."""
    end = len(text)
    while (end := text.rfind("=", 0, end)) >= 0:
        mask, style = text[:end], text[end + 1 :]
        if exists(mask):
            if not style.strip():
                raise _wrong(f"{text!r}, which names no style")
            return mask, os.path.expanduser(style)  # behind =, where no shell does it
    if "=" not in text:
        raise _wrong(f"{text!r}, which has no =")
    raise _wrong(f"{text!r}, but there is no file {text.rpartition('=')[0]}")


def _wrong(what: str) -> click.BadParameter:
    return click.BadParameter(
        f"it is {what}; give a mask's file, =, and a style's name or picture, such as sky.png=NAME",
        param_hint="'--regions'",
    )
