"""``cvdl compile``: compiles the loops over pixels before their first use."""

from __future__ import annotations

__all__ = ["command"]


def command() -> None:
    """Compile code for this processor, so that no first frame waits for it.

    Commands and nodes compile what is missing when they start, once on a machine,
    and say so. Where each start is the first one, as in a container, this belongs
    into the installation. The compiled code is kept beside the package, in the
    user's cache folder where that cannot be written, or in NUMBA_CACHE_DIR.
    """
    from cvdl.cli.console import status_console
    from cvdl.pipeline import PerceptionConfig
    from cvdl.warm_up import warmed_up

    status_console()
    warmed_up(PerceptionConfig())
