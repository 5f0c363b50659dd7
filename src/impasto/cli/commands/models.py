"""``impasto models`` and what is under it: the models that ship, and the user's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from impasto.cli.commands.models_install import add, pull
from impasto.cli.commands.models_output import details, draw, facts
from impasto.cli.ui import terminal
from impasto.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable

    from impasto.models import Model

__all__ = ["models"]


def _filters(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of a list."""
    kinds = click.Choice(["arbitrary", "per-style", "encoder", "base", "detector"])
    for option in (
        click.option("--json", "as_json", is_flag=True, help="List them as JSON."),
        click.option("--commercial", is_flag=True, help="Only those with a licence known to permit commercial use."),
        click.option("--kind", type=kinds, help="Only of a kind."),
    ):
        command = option(command)
    return command


@click.group(invoke_without_command=True, short_help="List, fetch, add, choose and remove models.")
@_filters
@click.pass_context
def models(ctx: click.Context, as_json: bool, commercial: bool, kind: str | None) -> None:
    """List the models there are, or get others.

    \b
    impasto models
    impasto models pull                  what can be fetched from its publisher
    impasto models pull vgg19            ... fetch it
    impasto models pull fast-neural-style   ... Johnson's ten, which serve --compat paints with
    impasto models add starry_night.t7   add a network that you have
    impasto models use candy@2           choose among versions
    impasto models remove candy@1
    """
    if ctx.invoked_subcommand is None:
        _list(as_json, commercial, kind)


models.add_command(pull)
models.add_command(add)


@models.command("list", short_help="List the models there are.")
@_filters
def list_(as_json: bool, commercial: bool, kind: str | None) -> None:
    """List the models there are, those that ship first."""
    _list(as_json, commercial, kind)


def _list(as_json: bool, commercial: bool, kind: str | None) -> None:
    from impasto.models import Store
    from impasto.models import models as every

    listed = [facts(model) for model in every() if kind in (None, model.kind)]
    if commercial:
        listed = [told for told in listed if told["commercial"]]
    if as_json:
        terminal.emit(listed, indent=2)
    elif terminal.is_terminal("stdout"):
        draw(listed)
        if kind is None and not commercial:
            terminal.note("others can be fetched or added: impasto models pull, impasto models add FILE")
    else:
        for told in listed:
            click.echo("\t".join(str(told[key]) for key in ("model", "kind", "licence", "bytes", "path")))
    for problem in Store().problems():
        terminal.note(f"warning: {problem}")


@models.command(short_help="Show all that is known of a model.")
@click.argument("name", metavar="NAME[@VERSION]")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def show(name: str, as_json: bool) -> None:
    """Show all that is known of the model NAME: what was recognised, its licence, files and rules."""
    from impasto.models import find

    told = details(find(name))
    if as_json:
        terminal.emit(told, indent=2)
        return
    for line in _lines(told, ""):
        click.echo(terminal.printable(line))


def _lines(value: dict[str, Any], indent: str) -> list[str]:
    lines = []
    for key, entry in value.items():
        if isinstance(entry, dict):
            lines += [f"{indent}{key}:", *_lines(entry, f"{indent}  ")] if entry else []
        elif isinstance(entry, list) and entry and isinstance(entry[0], dict):
            for item in entry:
                lines += [f"{indent}{key}:", *_lines(item, f"{indent}  ")]
        elif entry != "":
            lines.append(f"{indent}{key}: {entry}")
    return lines


@models.command(short_help="Choose which version a name means.")
@click.argument("identity", metavar="NAME@VERSION")
def use(identity: str) -> None:
    """Let NAME mean the version VERSION of it, in running servers as well."""
    from impasto.models import Store

    terminal.note(f"{Store().use(identity).name} is {identity} from now on")


@models.command(short_help="Check that models are what they were.")
@click.argument("name", metavar="[NAME[@VERSION]]", required=False)
def verify(name: str | None) -> None:
    """Check every file of the model NAME, or of all models, against its sha256. Exit status 1 where one differs."""
    from impasto.models import Store, find
    from impasto.models import models as every

    checked = every() if name is None else [find(name)]
    wrong = [*Store().problems()] if name is None else []
    for model in checked:
        try:
            model.verify()
            click.echo(f"{model.identity}\tok")
        except ModelError as error:
            wrong.append(str(error))
    for problem in wrong[1:]:
        terminal.error(problem)
    if wrong:
        raise ModelError(wrong[0])


@models.command(short_help="Remove a model that you added.")
@click.argument("name", metavar="NAME[@VERSION]")
def remove(name: str) -> None:
    """Remove the model NAME, one you fetched or added.

    With the last version of a network of one style, its style is removed as well.
    """
    from impasto.models import Store

    store = Store()
    own = {model.identity: model for model in store.models()}
    removed = store.remove(name)
    terminal.note(f"removed {', '.join(removed)}")
    left = {model.name for model in store.models()}
    for model in (own[identity] for identity in removed if identity in own):
        if model.kind == "per-style" and model.name not in left:
            _remove_styles(model)
            left.add(model.name)


def _remove_styles(model: Model) -> None:
    """Those that only this network painted."""
    from impasto.styles.gallery import Gallery

    gallery = Gallery()
    for name in gallery.own():
        card = gallery.get(name)
        if card.network.partition("@")[0] == model.name and not card.codes:
            gallery.remove(name)
            terminal.note(f"removed its style {name}")
