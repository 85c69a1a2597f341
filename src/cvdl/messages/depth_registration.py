"""Whether depth must be registered to color, and with what: the same for nodes and for bags."""

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
# Cameras whose rays meet the picture's rim so close together are one, and so are frames.
_SAME_PIXELS = 1.0
_SAME_POSE = 1e-6


def is_named_registered(depth_topic: str) -> bool:
    """Whether a depth topic says that its images are registered to color."""
    return _REGISTERED.search(depth_topic) is not None


def frame_of(message: Any) -> str:
    """The frame id of a message with a header, without the leading slash of ROS 1."""
    return str(message.header.frame_id).lstrip("/")


class NotRegisteredYetError(MessageError):
    """What registers depth to color may still come.

    Args:
        missing: what is waited for.
    """

    def __init__(self, missing: str) -> None:
        super().__init__("depth is not registered yet", f"waiting for {missing}")


class DepthRegistration:
    """Registers depth to color where frame or camera differ and all that it takes is known.

    Depth counts as registered already where its topic says so, or where frame, size and
    intrinsics are those of color.

    Args:
        depth_topic: name of the depth topic.
        info_topic: name of the CameraInfo topic of depth; empty where there is none.
        tree: the frames, filled by whoever hears transforms.
        tf_problem: why no transforms are heard; empty where they are.
        settling_s: so long from now on, what is missing may still come: frames are refused.

    Attributes:
        camera_info: the latest CameraInfo of depth, set by whoever hears it; None before.
        note: what is done, in a sentence; empty as long as nothing has been registered.
        missing: what the last frame lacked for its registration; empty where it lacked nothing.
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
        self._may_come = True  # what is missing
        self._settled_at = monotonic() + settling_s
        self._is_named_registered = is_named_registered(depth_topic)

    def __call__(
        self, color: Any, depth: Any, metres: NDArray[np.float32], color_camera: Camera
    ) -> NDArray[np.float32]:
        """Depth as the color camera sees it.

        Args:
            color: message, for its frame.
            depth: message, for its frame.
            metres: (H', W') float32, what the depth message holds.
            color_camera: intrinsics of color.

        Returns:
            ``metres`` itself where it is registered already, or where something is ``missing``;
            else (H, W) float32 of the color camera's size.

        Raises:
            NotRegisteredYetError: if something is missing that may still come.
        """
        self.missing, self._may_come = "", True
        size = metres.shape[1], metres.shape[0]
        is_same_size = size == (color_camera.width, color_camera.height)
        is_same_frame = frame_of(color) == frame_of(depth)
        # A camera_info of another frame is that of the depth camera before registration.
        is_foreign = (
            self.camera_info is not None
            and is_same_frame
            and frame_of(self.camera_info) not in ("", frame_of(depth))
        )
        if is_same_size and (self._is_named_registered or is_foreign):
            return metres
        to_color = self._to_color(color, depth)
        is_same_pose = to_color is not None and np.abs(to_color - np.eye(4)).max() < _SAME_POSE
        camera = self._camera(size)
        if is_same_pose and (is_same_size if camera is None else _is_same(camera, color_camera)):
            self.missing = ""
            return metres
        if camera is None or to_color is None:
            if self._may_come and monotonic() < self._settled_at:
                raise NotRegisteredYetError(self.missing)
            return metres
        if not self.note:
            how = "the same frame" if is_same_frame else "by tf"
            self.note = (
                f"depth of {self._depth_topic} is registered to colour here: from frame "
                f"{frame_of(depth)!r} to {frame_of(color)!r} ({how}), with the intrinsics of "
                f"{self._info_topic}"
            )
        return register(metres, camera, color_camera, to_color)

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
    """Whether two cameras of one frame see every point at the same pixel, nearly."""
    if (a.width, a.height) != (b.width, b.height):
        return False
    half = max(a.width, a.height) / 2
    moved = [(a.fx / b.fx - 1) * half, (a.fy / b.fy - 1) * half, a.cx - b.cx, a.cy - b.cy]
    return max(map(abs, moved)) < _SAME_PIXELS
