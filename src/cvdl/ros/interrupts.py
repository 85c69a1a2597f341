"""Handles Ctrl-C once per process.

Under ros2 launch it arrives twice: from the terminal, and from launch, which forwards it if its own
input is not a terminal. The second one must not interrupt the shutdown.
"""

from __future__ import annotations

import signal
from types import FrameType

__all__ = ["ignore_interrupts", "leave_interrupts_to_rclpy", "raise_first_interrupt"]

_is_raised = True


def raise_first_interrupt() -> None:
    """Let the first SIGINT raise KeyboardInterrupt, and later ones do nothing.

    Call it before rclpy.init, whose handler calls this one.
    """
    global _is_raised
    _is_raised = True
    signal.signal(signal.SIGINT, _handle)


def leave_interrupts_to_rclpy() -> None:
    """Let a SIGINT only shut rclpy down, without an exception."""
    global _is_raised
    _is_raised = False


def ignore_interrupts() -> None:
    """Ignore every SIGINT from now on, also in rclpy."""
    leave_interrupts_to_rclpy()
    signal.signal(signal.SIGINT, _handle)  # in the place of rclpy's


def _handle(number: int, frame: FrameType | None) -> None:
    if _is_raised:
        ignore_interrupts()
        raise KeyboardInterrupt
