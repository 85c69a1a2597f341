"""The command itself."""

from __future__ import annotations

import subprocess
import sys

import pytest
from typer.testing import CliRunner

from cvdl import __version__
from cvdl.cli import main
from cvdl.cli.app import app


def test_version_is_the_packages(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["cvdl", "--version"])
    with pytest.raises(SystemExit) as stop:
        main()
    assert not stop.value.code
    assert capsys.readouterr().out == f"cvdl {__version__}\n"


def test_the_command_starts_without_heavy_libraries():
    """They take seconds to come in, and --help needs none."""
    heavy = "torch", "torchvision", "sklearn", "matplotlib", "pycocotools", "open3d", "numba"
    script = f"import sys, cvdl.cli; print(sorted({set(heavy)} & set(sys.modules)))"
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert shown.stdout.strip() == b"[]"


@pytest.mark.slow
def test_compiling_ahead_needs_nothing():
    outcome = CliRunner().invoke(app, ["compile"])
    assert outcome.exit_code == 0, outcome.output
