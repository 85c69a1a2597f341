"""Scenes in another frame than the camera's, by tf2."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from cvdl.core.errors import InputError
from cvdl.core.scene import Plane, Scene, Segmentation
from cvdl.messages.transform_tree import matrix_of

__all__ = ["TransformMissingError", "Transformer", "transformed"]

Found = TypeVar("Found", Scene, Segmentation)


class TransformMissingError(Exception):
    """tf2 does not know a transform, or did not learn of it in time."""


class Transformer:
    """Looks up where the camera was, with a bounded wait.

    Args:
        node: whose executor hears /tf and /tf_static; not to be called from its thread.
        target_frame: name of the frame to transform to.

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
        """(4, 4) from the source frame's coordinates to the target frame's, metres.

        Raises:
            TransformMissingError: if it is not known within so many seconds.
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
        """No longer hear transforms."""
        self._listener.unregister()


def transformed(found: Found, matrix: NDArray[np.float64]) -> Found:
    """Plane, 3-D boxes and grasps in another frame; the picture's part stays.

    Args:
        found: a scene, or a segmentation alone.
        matrix: (4, 4), a rigid motion to the other frame's coordinates, metres.
    """
    turn, shift = matrix[:3, :3], matrix[:3, 3]
    plane = None
    if found.plane is not None:
        normal = turn @ found.plane.normal
        plane = Plane(normal, float(found.plane.offset - normal @ shift))
    objects = tuple(
        replace(
            item,
            box3d=replace(
                item.box3d,
                center=turn @ item.box3d.center + shift,
                rotation=turn @ item.box3d.rotation,
            ),
        )
        for item in found.objects
    )
    if isinstance(found, Segmentation):
        return replace(found, plane=plane, objects=objects)
    grasps = tuple(
        replace(grasp, position=turn @ grasp.position + shift, rotation=turn @ grasp.rotation)
        for grasp in found.grasps
    )
    return replace(found, plane=plane, objects=objects, grasps=grasps)
