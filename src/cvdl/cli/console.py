"""The console for progress and the log, apart from the results of a command."""

from __future__ import annotations

import logging

from rich.console import Console
from rich.logging import RichHandler

__all__ = ["status_console"]


def status_console() -> Console:
    """A console on stderr for progress; what the library logs goes there, too."""
    console = Console(stderr=True)
    handler = RichHandler(console=console, show_time=False, show_path=False)
    log = logging.getLogger("cvdl")
    log.handlers = [handler]
    log.setLevel(logging.INFO)
    return console
