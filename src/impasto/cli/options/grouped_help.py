"""Grouped help: a command whose help lists the options of the engine ``iterative`` by themselves."""

from __future__ import annotations

from typing import Any

import click
from click.core import ParameterSource

from impasto.plugins import Group, plugin_names

__all__ = ["EngineOption", "GroupedCommand", "typed_options"]


class EngineOption(click.Option):
    """An option that the engine ``iterative`` alone uses; whoever gives it wants that engine."""

    def __init__(self, *args: Any, plugins: Group | None = None, **kwargs: Any) -> None:
        """``plugins`` are those whose names may be given."""
        super().__init__(*args, **kwargs)
        self._plugins = plugins

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        # Only here, where help is shown: to read names takes longer than to parse a command.
        record = super().get_help_record(ctx)
        names = () if record is None or self._plugins is None else plugin_names(self._plugins)
        return (record[0], f"{record[1]}  [of plugins: {', '.join(names)}]") if record and names else record


class GroupedCommand(click.Command):
    """Options for every engine first, then those of the engine ``iterative``."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        general: list[tuple[str, str]] = []
        iterative: list[tuple[str, str]] = []
        for param in self.get_params(ctx):
            record = None if isinstance(param, click.Argument) else param.get_help_record(ctx)
            if record is not None:
                (iterative if isinstance(param, EngineOption) else general).append(record)
        with formatter.section("Options"):
            formatter.write_dl(general)
        with formatter.section("Options of the engine iterative"):
            formatter.write_text("Each of them selects that engine by itself.")
            formatter.write_paragraph()
            formatter.write_dl(iterative)


def typed_options(ctx: click.Context) -> list[click.Parameter]:
    """What was really typed, in the command's order."""
    return [p for p in ctx.command.params if p.name and ctx.get_parameter_source(p.name) is ParameterSource.COMMANDLINE]
