"""The ``cvdl`` command. Every sub-command is declared here; the work is done elsewhere."""

from __future__ import annotations

import typer

app = typer.Typer(name="cvdl", help="RGB-D perception for robots.", no_args_is_help=True)


def main() -> None:
    """Entry point of the console script."""
    app()
