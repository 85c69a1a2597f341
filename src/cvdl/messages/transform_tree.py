"""The coordinate frames in tf2 messages.

Only the latest transform of each frame to its parent is kept, without interpolation. That is
enough for rigidly mounted cameras, and for the direction of gravity.
"""

from __future__ import annotations

from math import inf, isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cvdl.core.rotations import rotation_of

__all__ = ["TransformTree", "matrix_of"]


def matrix_of(transform: Any) -> NDArray[np.float64]:
    """A geometry_msgs/Transform as (4, 4): from the child's coordinates to the parent's, meters.

    Raises:
        ValueError: if the length of the quaternion is 0 or not finite, or the translation is not
            finite.
    """
    turn, shift = transform.rotation, transform.translation
    matrix = np.eye(4)
    matrix[:3, :3] = rotation_of([turn.x, turn.y, turn.z, turn.w])
    matrix[:3, 3] = shift.x, shift.y, shift.z
    if not np.isfinite(matrix).all():
        raise ValueError(f"the transform is not finite: {transform}")
    return matrix


class TransformTree:
    """Frames by name, each with the transform to its parent."""

    def __init__(self) -> None:
        self._parents: dict[str, tuple[str, Any]] = {}
        # Computed on demand: a robot sends thousands of transforms a second.
        self._matrices: dict[str, tuple[Any, NDArray[np.float64]]] = {}

    @property
    def frames(self) -> frozenset[str]:
        """The names of all frames, without a leading slash."""
        # A copy first: another thread may add to it.
        known = dict(self._parents)
        return frozenset(known.keys() | {parent for parent, _ in known.values()})

    def add(self, message: Any) -> None:
        """Add the transforms of a tf2_msgs/TFMessage; unusable ones are skipped."""
        for each in message.transforms:
            child, parent = _name(each.child_frame_id), _name(each.header.frame_id)
            if not child or not parent or child == parent:
                continue
            if _is_usable(each.transform):
                self._parents[child] = (parent, each.transform)

    def lookup(self, target: str, source: str) -> NDArray[np.float64] | None:
        """(4, 4) from the source frame's coordinates to the target frame's, meters.

        None if the two frames are not connected.
        """
        to_source = self._ancestors(_name(source))
        to_target = self._ancestors(_name(target))
        for ancestor, from_source in to_source.items():
            if ancestor in to_target:
                return np.linalg.inv(to_target[ancestor]) @ from_source
        return None

    def gap(self, camera: str, *frames: str) -> str:
        """A sentence for a camera's frame that is connected with none of the others."""
        return (
            f"tf does not connect the camera's frame {camera!r} with {' or '.join(frames)}; "
            f"frames in tf: {', '.join(sorted(self.frames)) or 'none'}. Provide that transform"
        )

    def _ancestors(self, frame: str) -> dict[str, NDArray[np.float64]]:
        """The frame and its ancestors, with the transform from the frame to each."""
        matrix = np.eye(4)
        found = {frame: matrix}
        while frame in self._parents:
            child = frame
            frame, transform = self._parents[child]
            if frame in found:  # a loop: broken tf data
                break
            made_of, to_parent = self._matrices.get(child, (None, matrix))
            if made_of is not transform:
                to_parent = matrix_of(transform)
                self._matrices[child] = (transform, to_parent)
            matrix = to_parent @ matrix
            found[frame] = matrix
        return found


def _is_usable(transform: Any) -> bool:
    """Whether `matrix_of` accepts it."""
    turn, shift = transform.rotation, transform.translation
    length = turn.x * turn.x + turn.y * turn.y + turn.z * turn.z + turn.w * turn.w
    return 0 < length < inf and isfinite(shift.x + shift.y + shift.z)


def _name(frame: str) -> str:
    return str(frame).lstrip("/")  # ROS 1 wrote "/camera_link"
