"""The command line, as a user runs it."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from cvdl.cli import main
from cvdl.cli.app import app

__all__ = ["error_of", "run_command"]


def run_command(*words: object) -> str:
    """Run `cvdl WORDS` and return its output; an exception of the command is raised."""
    result = CliRunner().invoke(app, list(map(str, words)))
    if result.exception:
        raise result.exception
    return result.output


def error_of(monkeypatch: pytest.MonkeyPatch, *words: object) -> str:
    """Run `cvdl WORDS`, check that it fails with one clear line, and return this line."""
    monkeypatch.setattr("sys.argv", ["cvdl", *map(str, words)])
    with pytest.raises(SystemExit) as stop:
        main()
    message = str(stop.value.code)
    assert message.startswith("error: ")
    assert "\n" not in message
    return message
