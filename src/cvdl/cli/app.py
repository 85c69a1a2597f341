"""Puts the sub-commands together."""

from __future__ import annotations

import typer

__all__ = ["app", "main"]

app = typer.Typer(
    name="cvdl",
    help="RGB-D perception for robots: boxes, masks and grasp poses from colour and depth.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
)


@app.callback()
def _root() -> None:
    pass


def main() -> None:
    """Entry point of the console script."""
    app()
