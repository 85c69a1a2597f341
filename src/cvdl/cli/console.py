"""Where commands say what is under way, apart from their results."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["status_console"]


def status_console() -> Console:
    """Console on stderr, for progress; the library's warnings go there too, between its lines."""
    import logging

    from rich.console import Console
    from rich.logging import RichHandler

    console = Console(stderr=True)
    handler = RichHandler(console=console, show_time=False, show_path=False)
    logging.getLogger("cvdl").handlers = [handler]
    return console
