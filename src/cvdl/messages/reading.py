"""Reads ROS messages as frames.

Only the fields of the messages are used, so the classes of a ROS 2 installation and those of the
rosbags package both work.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cvdl.core.frame import RgbdFrame
from cvdl.messages.camera_info import is_scaled, read_camera
from cvdl.messages.depth_registration import DepthRegistration, frame_of
from cvdl.messages.images import MessageError, depth_scale_doubt, read_color, read_depth
from cvdl.messages.sync import Match

__all__ = ["doubts", "read_frame", "stamp_ns"]


def stamp_ns(message: Any) -> int:
    """The stamp of a message with a header, nanoseconds."""
    stamp = message.header.stamp
    return int(stamp.sec) * 1_000_000_000 + int(stamp.nanosec)


def read_frame(
    match: Match, is_rectified: bool = False, registration: DepthRegistration | None = None
) -> RgbdFrame:
    """Read color, depth and camera_info as a frame with the stamp and frame id of color.

    Args:
        match: color and depth, each Image or CompressedImage, and the CameraInfo of color.
        is_rectified: see `read_camera`.
        registration: registers depth to color; without it, depth must be registered.

    Raises:
        MessageError: if one of the three cannot be used, or if they differ in size.
    """
    color, depth = match.color, match.depth
    picture, meters = read_color(color), read_depth(depth)
    camera = read_camera(match.camera_info, is_rectified, (picture.shape[1], picture.shape[0]))
    if registration is not None:
        meters = registration(color, depth, meters, camera)
    if meters.shape != picture.shape[:2]:
        sizes = f"color {picture.shape[1]}x{picture.shape[0]}, depth {meters.shape[1]}x"
        sizes += f"{meters.shape[0]}; accepted: the same size, with depth registered to color"
        if registration is not None and registration.missing:
            sizes += f"; registration lacks {registration.missing}"
        raise MessageError("sizes differ", sizes)
    return RgbdFrame(picture, meters, camera, stamp_ns(color), color.header.frame_id)


def doubts(
    match: Match,
    is_rectified: bool = False,
    registration: DepthRegistration | None = None,
    size: tuple[int, int] | None = None,
) -> Iterator[tuple[str, str]]:
    """Yield (cause, sentence) of everything that makes results worse without preventing them.

    Args:
        match: color and depth, each Image or CompressedImage, and the CameraInfo of color.
        is_rectified: see `read_camera`.
        registration: the registration that has just read these messages.
        size: width and height of the frame, pixels, if known.
    """
    color, depth, camera_info = match.color, match.depth, match.camera_info
    if any(camera_info.d) and not is_rectified:
        coefficients = ", ".join(f"{value:.4g}" for value in camera_info.d)
        yield (
            "distortion",
            f"camera_info has distortion coefficients ({coefficients}), which are ignored; "
            "expected rectified images, such as image_rect of image_proc. Boxes near the image "
            "border may be off by some pixels",
        )
    if size is not None and is_scaled(camera_info, size):
        yield (
            "camera_info scaled",
            f"camera_info is for images of {camera_info.width}x{camera_info.height}, the images "
            f"are {size[0]}x{size[1]}: its intrinsics are scaled. If the driver crops the images "
            "instead, distances are wrong: publish the camera_info of this resolution",
        )
    if not color.header.frame_id:
        yield (
            "no frame id",
            "color has an empty frame_id, and so have the results: RViz and tf2 cannot place them",
        )
    missing = registration.missing if registration is not None else ""
    if missing or (registration is None and frame_of(color) != frame_of(depth)):
        yield (
            "frame ids differ",
            f"color is in frame {color.header.frame_id!r}, depth in {depth.header.frame_id!r}: "
            "depth must be registered to color, otherwise masks are shifted"
            + (f"; registration lacks {missing}" if missing else ""),
        )
    doubt = depth_scale_doubt(depth)
    if doubt is not None:
        yield doubt
