"""Request options: the options of ``Request`` as those of a command, with its types, ranges, choices and help."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import click

from impasto.cli.options.grouped_help import EngineOption, typed_options
from impasto.errors import RequestError
from impasto.request import PRESETS, Option, options

__all__ = ["Value", "settings"]

P = ParamSpec("P")
R = TypeVar("R")

_COLORS = {
    "keep": "Keep the photograph's colours; the pastiche gives only light and dark.",
    "match": "Keep the photograph's drawing; move only its palette to the style's.",
}
_PREVIEWS = "preview_every"
"""A command line has nowhere to show previews; ``--snapshots`` asks for those that it saves."""

_COUNT = re.compile(r"(\d+(?:\.\d+)?)\s*([kKmMgG])(?:[pP])?")
_THOUSANDS = {"k": 10**3, "m": 10**6, "g": 10**9}


class Value(click.ParamType):  # type: ignore[type-arg]
    """A setting's value; the setting itself says what is wrong with it."""

    def __init__(self, option: Option) -> None:
        self.option = option
        self.name = {int: "integer", float: "number"}.get(option.type, "text")

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            converted = self._read(value) if isinstance(value, str) else value
            self.option.check(converted)
        except RequestError as error:
            self.fail(str(error), param, ctx)
        return converted

    def _read(self, text: str) -> Any:
        if self.option.name == "max_pixels" and (match := _COUNT.fullmatch(text.strip())):
            return round(float(match[1]) * _THOUSANDS[match[2].lower()])
        try:
            return self.option.type(text)
        except ValueError:
            return text


def settings(command: Callable[..., R]) -> Callable[..., R]:
    """Give ``command`` ``--preset`` and an option for every setting; it receives them together, as ``settings``."""

    @wraps(command)
    def collected(*args: Any, **values: Any) -> R:
        typed = typed_options(click.get_current_context())
        preset = values.pop("preset")
        base: dict[str, Any] = {} if preset is None else {"engine": "iterative", **PRESETS[preset]}
        engine = _engine(values["engine"], typed)
        names = {"colors" if str(param.name).endswith("_colors") else param.name for param in typed}
        chosen: dict[str, Any] = {}
        for option in options():
            if option.name == _PREVIEWS:
                value = option.default
            else:
                value = _colors(option, values) if option.name == "colors" else values.pop(option.name)
            chosen[option.name] = value if option.name in names else base.get(option.name, value)
        return command(*args, settings={**chosen, "engine": engine}, **values)

    shown = [option for option in options() if option.name != _PREVIEWS]
    for option in reversed([option for option in shown if option.group]):
        for add in reversed(_flags(option)):
            collected = add(collected)
    collected = click.option(
        "--preset",
        type=click.Choice(list(PRESETS)),
        cls=EngineOption,
        hidden=not PRESETS,
        help="Settings of a paper or notebook, all at once. Settings given beside it override its own.",
    )(collected)
    for option in reversed([option for option in shown if not option.group]):
        for add in reversed(_flags(option)):
            collected = add(collected)
    return collected


def _engine(engine: str, typed: list[click.Parameter]) -> str:
    """The engine that was asked for, be it only by an option of its own."""
    wanting = [param for param in typed if isinstance(param, EngineOption)]
    if not wanting:
        return engine
    if engine != "iterative" and any(param.name == "engine" for param in typed):
        raise click.UsageError(
            f"{wanting[0].opts[0]} is for the engine iterative, but --engine is {engine}; leave one of them out"
        )
    return "iterative"


def _flags(option: Option) -> list[Callable[[Callable[..., R]], Callable[..., R]]]:
    flag = f"--{option.name.replace('_', '-')}"
    if option.name == "colors":
        return [
            click.option(f"--{choice}-colors", is_flag=True, help=_COLORS[choice])
            for choice in option.choices
            if choice != option.default
        ]
    if option.type is bool:
        return [click.option(flag, is_flag=True, cls=_class(option), help=option.help)]
    kind = click.Choice(option.choices) if option.choices else Value(option)
    metavar = None if option.choices else _metavar(option)
    rules: dict[str, Any] = {"type": kind, "default": option.default, "metavar": metavar, "help": _help(option)}
    if option.plugins is not None:
        rules["plugins"] = option.plugins
    return [click.option(flag, option.name, cls=_class(option), **rules)]


def _class(option: Option) -> type[click.Option]:
    return EngineOption if option.group else click.Option


def _colors(option: Option, values: dict[str, Any]) -> str:
    chosen = [choice for choice in option.choices if values.pop(f"{choice}_colors", False)]
    if len(chosen) > 1:
        flags = " and ".join(f"--{choice}-colors" for choice in chosen)
        raise click.UsageError(f"{flags} contradict each other; give one of them")
    return chosen[0] if chosen else str(option.default)


def _metavar(option: Option) -> str:
    return (option.unit or {int: "N", float: "X"}.get(option.type, "TEXT")).upper()


def _help(option: Option) -> str:
    facts = []
    if option.minimum is not None and option.maximum is not None and option.maximum < 2**31 - 1:
        facts.append(f"{_count(option.minimum)} to {_count(option.maximum)}")
    if option.default is not None:
        facts.append(f"default {_count(option.default)}")
    return f"{option.help}  [{'; '.join(facts)}]" if facts else option.help


def _count(value: Any) -> str:
    if isinstance(value, str):
        return value
    return f"{value / 10**6:g}M" if value >= 10**6 and value % 10**6 == 0 else f"{value:g}"
