"""The ``cvdl`` command: one module a sub-command; the work itself is done elsewhere."""

from cvdl.cli.app import main

__all__ = ["main"]
