"""The command ``impasto``: finds its subcommands, and turns every failure into one line and an exit status."""

from __future__ import annotations

try:
    import os
    import re
    from importlib import import_module
    from typing import Any

    import click

    from impasto.cli.ui import terminal
    from impasto.errors import ImpastoError, RequestError
    from impasto.inference.threads import take_turns
except KeyboardInterrupt:  # as main() does it, for whoever is quicker than the imports
    raise SystemExit(130) from None

__all__ = ["cli", "main"]

_HOMELY = re.compile(r"(?P<option>--[a-z][a-z-]*=|-[a-z])?(?P<path>~[^/]*/.*)", re.DOTALL)
_COMMANDS = ("stylize", "serve", "styles", "models", "show", "plot", "doctor", "bench", "evaluate", "train")
"""Each is a module of ``commands`` that holds a command of its own name, imported when it is called."""


class Commands(click.Group):
    """A group whose subcommands are imported one at a time, so that help and typing errors are instant."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, [_at_home(arg) for arg in args])

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _COMMANDS:
            return None
        command = getattr(import_module(f"impasto.cli.commands.{cmd_name}"), cmd_name)
        assert isinstance(command, click.Command)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ImpastoError as error:
            terminal.error(str(error))
            # Settings that contradict each other are wrong usage, though only Request can tell.
            raise click.exceptions.Exit(2 if isinstance(error, RequestError) else 1) from error
        except KeyboardInterrupt:
            raise click.exceptions.Exit(130) from None
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise  # click's own business
        except Exception as error:  # whatever it is, a page of Python helps nobody at a prompt
            terminal.error(terminal.failure(error))
            raise click.exceptions.Exit(1) from error


def _at_home(arg: str) -> str:
    """``--style=~/x.jpg`` with the home folder in it, which shells put only where a word begins with ``~``."""
    match = _HOMELY.fullmatch(arg)
    if match is None or os.path.lexists(match["path"]):
        return arg
    return f"{match['option'] or ''}{os.path.expanduser(match['path'])}"


def _version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted:
        from impasto.cli.installed_packages import version

        click.echo(f"impasto {version('impasto') or '(not installed)'}")
        ctx.exit()


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Show the version.")
def cli() -> None:
    """Repaint photographs in the style of paintings.

    \b
    impasto stylize holiday.jpg --style NAME      a photograph in a style of the gallery
    impasto stylize holiday.jpg --style monet.jpg ... or of any painting
    impasto stylize photos/ --style NAME -o out/  a whole folder
    impasto styles                                the styles there are

    Exit status: 0 all is well, 1 it failed, 2 wrong usage, 130 interrupted. `impasto stylize` says how
    many pictures failed instead (100 for a hundred or more).
    """


def main() -> None:
    """The entry point of the installed command."""
    try:
        take_turns()
        terminal.prepare()
        cli(prog_name="impasto")
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    finally:
        terminal.finish()
