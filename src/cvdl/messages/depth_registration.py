"""Registers depth to color where that is needed and possible."""

from __future__ import annotations

import re
from time import monotonic
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cvdl.core.camera import Camera
from cvdl.depth.registration import register
from cvdl.messages.camera_info import is_rectified, read_camera
from cvdl.messages.images import MessageError
from cvdl.messages.transform_tree import TransformTree

__all__ = ["DepthRegistration", "NotRegisteredYetError", "frame_of", "is_named_registered"]

_REGISTERED = re.compile(r"(^|[/_])(aligned|registered|depth_to_rgb|depth_to_color)(?=$|[/_])")
# Largest differences of two equal cameras, at the border of the image, and of equal frames.
_SAME_PIXELS = 1.0
_SAME_POSE = 1e-6


def is_named_registered(depth_topic: str) -> bool:
    """Whether the name of a depth topic says that its images are registered to color."""
    return _REGISTERED.search(depth_topic) is not None


def frame_of(message: Any) -> str:
    """The frame id of a message with a header, without the leading slash of ROS 1."""
    return str(message.header.frame_id).lstrip("/")


class NotRegisteredYetError(MessageError):
    """Something that the registration needs may still arrive.

    Args:
        missing: what is missing.
    """

    def __init__(self, missing: str) -> None:
        super().__init__("depth is not registered yet", f"waiting for {missing}")


class DepthRegistration:
    """Registers depth to color if frame or camera differ and camera_info and transform are known.

    Depth counts as registered if the name of its topic says so, or if frame, size and intrinsics
    are those of color.

    Args:
        depth_topic: name of the depth topic.
        info_topic: name of the CameraInfo topic of depth; empty if there is none.
        tree: transforms, filled by the caller.
        tf_problem: why no transforms are received; empty if they are.
        settling_s: seconds from now in which missing data may still arrive: frames are refused.

    Attributes:
        camera_info: latest CameraInfo of depth, set by the caller; None before.
        note: the registration in a sentence; empty until depth has been registered.
        missing: what the registration of the last frame lacks; empty if nothing.
    """

    def __init__(
        self,
        depth_topic: str,
        info_topic: str,
        tree: TransformTree,
        tf_problem: str = "",
        settling_s: float = 0.0,
    ) -> None:
        self.camera_info: Any = None
        self.note = ""
        self.missing = ""
        self._depth_topic = depth_topic
        self._info_topic = info_topic
        self._tree = tree
        self._tf_problem = tf_problem
        self._may_come = True  # whether missing data may still arrive
        self._settled_at = monotonic() + settling_s
        self._is_named_registered = is_named_registered(depth_topic)

    def __call__(
        self, color: Any, depth: Any, meters: NDArray[np.float32], color_camera: Camera
    ) -> NDArray[np.float32]:
        """Return depth as seen by the color camera.

        Args:
            color: color message, for its frame.
            depth: depth message, for its frame.
            meters: (H', W') float32, the content of the depth message.
            color_camera: intrinsics of color.

        Returns:
            ``meters`` itself if it is already registered or something is ``missing``; else
            (H, W) float32 of the color camera's size.

        Raises:
            NotRegisteredYetError: if something is missing that may still arrive.
        """
        self.missing, self._may_come = "", True
        size = meters.shape[1], meters.shape[0]
        is_same_size = size == (color_camera.width, color_camera.height)
        is_same_frame = frame_of(color) == frame_of(depth)
        # A camera_info of another frame is that of the depth camera before registration.
        is_foreign = (
            self.camera_info is not None
            and is_same_frame
            and frame_of(self.camera_info) not in ("", frame_of(depth))
        )
        if is_same_size and (self._is_named_registered or is_foreign):
            return meters
        to_color = self._to_color(color, depth)
        is_same_pose = to_color is not None and np.abs(to_color - np.eye(4)).max() < _SAME_POSE
        camera = self._camera(size)
        if is_same_pose and (is_same_size if camera is None else _is_same(camera, color_camera)):
            self.missing = ""
            return meters
        if camera is None or to_color is None:
            if self._may_come and monotonic() < self._settled_at:
                raise NotRegisteredYetError(self.missing)
            return meters
        if not self.note:
            how = "the same frame" if is_same_frame else "by tf"
            self.note = (
                f"depth of {self._depth_topic} is registered to color here: from frame "
                f"{frame_of(depth)!r} to {frame_of(color)!r} ({how}), with the intrinsics of "
                f"{self._info_topic}"
            )
        return register(meters, camera, color_camera, to_color)

    def _camera(self, size: tuple[int, int]) -> Camera | None:
        if self.camera_info is None:
            self._may_come &= bool(self._info_topic)
            heard = f"no messages on {self._info_topic}" if self._info_topic else "no such topic"
            self.missing = f"the camera_info of depth ({heard})"
            return None
        try:
            return read_camera(self.camera_info, is_rectified(self._depth_topic), size)
        except MessageError as error:
            self.missing = f"a usable camera_info of depth ({self._info_topic}: {error})"
            return None

    def _to_color(self, color: Any, depth: Any) -> NDArray[np.float64] | None:
        target, source = frame_of(color), frame_of(depth)
        if target == source:
            return np.eye(4)
        to_color = self._tree.lookup(target, source)
        if to_color is None:
            self._may_come &= not self._tf_problem
            reason = self._tf_problem or "/tf and /tf_static have none"
            self.missing = f"the transform from {source!r} to {target!r} ({reason})"
        return to_color


def _is_same(a: Camera, b: Camera) -> bool:
    """Whether two cameras in one frame see every point at nearly the same pixel."""
    if (a.width, a.height) != (b.width, b.height):
        return False
    half = max(a.width, a.height) / 2
    moved = [(a.fx / b.fx - 1) * half, (a.fy / b.fy - 1) * half, a.cx - b.cx, a.cy - b.cy]
    return max(map(abs, moved)) < _SAME_PIXELS
