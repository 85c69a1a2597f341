"""The command ``cvdl``: each sub-command is a module of this package, imported when needed."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from cvdl.core.errors import InputError

__all__ = ["app", "main"]

#: The modules of the sub-commands; each has ``command`` or, with commands of its own, ``app``.
_MODULES = (
    *("demo", "replay", "find", "describe", "teach", "live", "info", "simulate", "bag"),
    *("train", "evaluate", "export", "compile"),
)


class _Commands(TyperGroup):
    """Imports a sub-command when it is needed: the modules of some take longer than others run."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(_MODULES)

    def get_command(self, ctx: Any, name: str) -> Any:
        if name not in _MODULES:
            return None
        module = import_module(f"cvdl.cli.{name}")
        if hasattr(module, "app"):
            group = typer.main.get_command(module.app)
            group.name = name
            return group
        single = typer.Typer(add_completion=False, pretty_exceptions_show_locals=False)
        single.command(name)(module.command)
        return typer.main.get_command(single)


app = typer.Typer(
    name="cvdl",
    cls=_Commands,
    help="RGB-D perception for robots: boxes, masks and grasp poses from color and depth.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
)


def _show_version(asked: bool) -> None:
    if asked:
        from cvdl import __version__

        typer.echo(f"cvdl {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    pass


def main() -> None:
    """Entry point of the console script; bad input ends it with one line and status 1."""
    try:
        app()
    except (InputError, OSError) as error:
        sys.exit(f"error: {error}")
