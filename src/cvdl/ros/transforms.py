"""Transforms from tf2, for results in another frame than the camera's."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cvdl.core.errors import InputError
from cvdl.messages.target_frame import TransformMissingError
from cvdl.messages.transform_tree import matrix_of

__all__ = ["Transformer"]


class Transformer:
    """Looks up transforms to the target frame, with a timeout.

    Args:
        node: node whose executor receives /tf and /tf_static; call this from another thread.
        target_frame: frame to transform to.

    Raises:
        InputError: if tf2_ros is not installed.
    """

    def __init__(self, node: Any, target_frame: str) -> None:
        try:
            from tf2_ros import Buffer, TransformListener
        except ImportError as error:
            raise InputError(
                f"target_frame is {target_frame!r}, but tf2_ros is missing ({error}): it comes "
                "with a ROS 2 installation (apt install ros-$ROS_DISTRO-tf2-ros), not with "
                "cvdl[live]; leave target_frame empty for results in the camera's frame"
            ) from error
        self.target_frame = target_frame
        self._buffer = Buffer()
        self._listener = TransformListener(self._buffer, node)

    def __call__(self, source_frame: str, stamp_ns: int, timeout_s: float) -> NDArray[np.float64]:
        """(4, 4) from the source frame's coordinates to the target frame's, meters.

        Raises:
            TransformMissingError: if it is not known within the timeout.
        """
        from rclpy.duration import Duration
        from rclpy.time import Time
        from tf2_ros import TransformException

        try:
            found = self._buffer.lookup_transform(
                self.target_frame,
                source_frame,
                Time(nanoseconds=stamp_ns),
                timeout=Duration(nanoseconds=round(timeout_s * 1e9)),
            ).transform
        except TransformException as error:
            raise TransformMissingError(
                f"{source_frame} to {self.target_frame}: {error}"
            ) from error
        return matrix_of(found)

    def close(self) -> None:
        """Stop receiving transforms."""
        self._listener.unregister()
