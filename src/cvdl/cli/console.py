"""The console for progress and warnings, apart from the results of a command."""

from __future__ import annotations

import logging

from rich.console import Console
from rich.logging import RichHandler

__all__ = ["status_console"]


def status_console() -> Console:
    """A console on stderr for progress; the warnings of the library go there, too."""
    console = Console(stderr=True)
    handler = RichHandler(console=console, show_time=False, show_path=False)
    logging.getLogger("cvdl").handlers = [handler]
    return console
