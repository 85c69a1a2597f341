"""Ctrl-C ends a process once.

Below ros2 launch it comes twice, a moment apart: from the terminal, and from launch, which hands
it on where its own input is none. The second one must not cut the end short.
"""

from __future__ import annotations

import signal
from types import FrameType

__all__ = ["ignore_interrupts", "leave_interrupts_to_rclpy", "raise_first_interrupt"]

_is_raised = True


def raise_first_interrupt() -> None:
    """From now on the first SIGINT raises KeyboardInterrupt, and later ones do nothing.

    To be called before rclpy.init, whose handler hands on to this one.
    """
    global _is_raised
    _is_raised = True
    signal.signal(signal.SIGINT, _handle)


def leave_interrupts_to_rclpy() -> None:
    """From now on a SIGINT does what rclpy's handler does, a shutdown, and raises nothing."""
    global _is_raised
    _is_raised = False


def ignore_interrupts() -> None:
    """From now on a SIGINT does nothing, in rclpy either."""
    leave_interrupts_to_rclpy()
    signal.signal(signal.SIGINT, _handle)  # in the place of rclpy's


def _handle(number: int, frame: FrameType | None) -> None:
    if _is_raised:
        ignore_interrupts()
        raise KeyboardInterrupt
