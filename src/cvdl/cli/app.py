"""Puts the sub-commands together."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from cvdl import __version__
from cvdl.cli import bag, demo, evaluate, info, live, replay, simulate, train
from cvdl.core.errors import InputError

__all__ = ["app", "main"]

app = typer.Typer(
    name="cvdl",
    help="RGB-D perception for robots: boxes, masks and grasp poses from colour and depth.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
)


def _show_version(asked: bool) -> None:
    if asked:
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


app.command("demo")(demo.command)
app.command("replay")(replay.command)
app.command("live")(live.command)
app.command("info")(info.command)
app.command("simulate")(simulate.command)
app.add_typer(bag.app, name="bag")
app.add_typer(train.app, name="train")
app.add_typer(evaluate.app, name="evaluate")


def main() -> None:
    """Entry point of the console script; bad input ends it with one line and status 1."""
    try:
        app()
    except (InputError, OSError) as error:
        sys.exit(f"error: {error}")
