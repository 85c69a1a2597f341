"""Ctrl-C ends a process once.

Below ros2 launch it comes twice, a moment apart: from the terminal, and from launch, which hands
it on where its own input is none. The second one must not cut the end short.
"""

from __future__ import annotations

import signal
from types import FrameType

__all__ = ["ignore_interrupts", "raise_first_interrupt"]


def raise_first_interrupt() -> None:
    """From now on the first SIGINT raises KeyboardInterrupt, and later ones do nothing.

    To be called before rclpy.init, whose handler hands on to this one.
    """
    signal.signal(signal.SIGINT, _raise)


def ignore_interrupts() -> None:
    """From now on a SIGINT does nothing."""
    # Not SIG_IGN: of a signal that came before it, Python would print that there was a race.
    signal.signal(signal.SIGINT, _ignore)


def _raise(number: int, frame: FrameType | None) -> None:
    ignore_interrupts()
    raise KeyboardInterrupt


def _ignore(number: int, frame: FrameType | None) -> None:
    pass
