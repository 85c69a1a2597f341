"""The messages of one RGB-D camera: paired, and read as frames."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from cvdl.core.frame import RgbdFrame
from cvdl.messages.camera_info import is_rectified
from cvdl.messages.depth_registration import DepthRegistration
from cvdl.messages.points import images_of
from cvdl.messages.reading import doubts, read_frame, stamp_ns
from cvdl.messages.sync import DEFAULT_QUEUE, DEFAULT_SLOP_S, Match, RgbdSync
from cvdl.messages.transform_tree import TransformTree

__all__ = ["RgbdSource"]


class RgbdSource:
    """Pairs the messages of a camera, or of organized point clouds, and reads them as frames.

    Args:
        color: topic of color, or of point clouds; then the same as ``depth``.
        depth: topic of depth.
        camera_info: topic of the CameraInfo of color; optional for point clouds.
        depth_info: topic of the CameraInfo of depth, for its registration; may be empty.
        transforms: coordinate frames, filled by the caller.
        tf_problem: why no transforms are received; empty if they are.
        slop_s: see `RgbdSync`.
        queue_size: see `RgbdSync`.
        settling_s: see `DepthRegistration`.

    Attributes:
        color, depth, camera_info, depth_info: as given.
        topics: topics that it needs for a frame.
        is_cloud: whether point clouds are both color and depth.
        transforms, tf_problem: as given.
        registration: registers depth to color where needed.
        sync: pairs color and depth.
    """

    def __init__(
        self,
        color: str,
        depth: str,
        camera_info: str,
        depth_info: str,
        transforms: TransformTree,
        *,
        tf_problem: str = "",
        slop_s: float = DEFAULT_SLOP_S,
        queue_size: int = DEFAULT_QUEUE,
        settling_s: float = 0.0,
    ) -> None:
        self.is_cloud = color == depth
        self.topics = (color,) if self.is_cloud else (color, depth, camera_info)
        self.transforms, self.tf_problem = transforms, tf_problem
        self.registration = DepthRegistration(depth, depth_info, transforms, tf_problem, settling_s)
        self.color, self.depth = color, depth
        self.camera_info, self.depth_info = camera_info, depth_info
        # Point clouds are made of rectified depth.
        self._is_rectified = self.is_cloud or is_rectified(color)
        self._clouds = 0
        self._cloud_info: Any = None
        self._slop_s, self._queue_size = slop_s, queue_size
        self.restart()

    @property
    def pairs(self) -> int:
        """Number of matches so far."""
        return self.sync.matched + self._clouds

    @property
    def dropped(self) -> Counter[str]:
        """Number of messages without a partner, by cause."""
        return self.sync.dropped

    def restart(self) -> None:
        """Forget all messages that wait for a partner: they will come again."""
        self.sync = RgbdSync(
            self.color, self.depth, self.camera_info, self._slop_s, self._queue_size
        )

    def add(
        self, topic: str, message: Any, time_ns: int | None = None, arrived_ns: int | None = None
    ) -> list[Match]:
        """Add a message; returns the matches that it completes.

        Args:
            topic: one of the topics of the source.
            message: any message of the topic; only its header is read here.
            time_ns: time to pair it by, nanoseconds; the stamp of its header if not given.
            arrived_ns: time of arrival; see `RgbdSync.add_color`.
        """
        if topic == self.depth_info:
            self.registration.camera_info = message
            return []
        if self.is_cloud:
            if topic == self.camera_info:
                self._cloud_info = message
                return []
            self._clouds += 1
            return [Match(message, message, self._cloud_info)]
        if topic == self.camera_info:
            return self.sync.add_camera_info(message, stamp_ns(message))
        add = self.sync.add_color if topic == self.color else self.sync.add_depth
        return add(stamp_ns(message) if time_ns is None else time_ns, message, arrived_ns)

    def unpacked(self, match: Match) -> Match:
        """A match as images: those inside a point cloud, else the match itself.

        Raises:
            MessageError: see `images_of`.
        """
        return images_of(match.color, match.camera_info) if self.is_cloud else match

    def read(self, match: Match) -> RgbdFrame:
        """The frame of an unpacked match.

        Raises:
            MessageError: see `read_frame`.
        """
        return read_frame(match, self._is_rectified, self.registration)

    def doubts(self, match: Match, frame: RgbdFrame) -> Iterator[tuple[str, str]]:
        """Doubts about the frame that was read last: see `cvdl.messages.reading.doubts`."""
        size = frame.camera.width, frame.camera.height
        return doubts(match, self._is_rectified, self.registration, size)
