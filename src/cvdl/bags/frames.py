"""Write frames to a bag, on the default topics of the live nodes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from cvdl.bags.typestore import message_type
from cvdl.bags.writer import BagWriter
from cvdl.core.frame import RgbdFrame
from cvdl.messages.factory import MessageFactory

__all__ = [
    "CAMERA_INFO_TOPIC",
    "COLOR_TOPIC",
    "DEPTH_INFO_TOPIC",
    "DEPTH_TOPIC",
    "write_frame",
    "write_frames",
]

COLOR_TOPIC = "/camera/color/image_raw"
DEPTH_TOPIC = "/camera/aligned_depth_to_color/image_raw"
CAMERA_INFO_TOPIC = "/camera/color/camera_info"
#: As drivers have it; viewers look for it beside the depth.
DEPTH_INFO_TOPIC = "/camera/aligned_depth_to_color/camera_info"

_MESSAGES = MessageFactory(message_type)


def write_frame(bag: BagWriter, frame: RgbdFrame) -> None:
    """Write color (rgb8), depth (16UC1) and camera_info of a frame, received at its stamp.

    The camera_info is written for color and for depth.
    """
    info = _MESSAGES.camera_info(frame)
    bag.write(CAMERA_INFO_TOPIC, frame.stamp_ns, info)
    bag.write(DEPTH_INFO_TOPIC, frame.stamp_ns, info)
    bag.write(COLOR_TOPIC, frame.stamp_ns, _MESSAGES.color(frame))
    bag.write(DEPTH_TOPIC, frame.stamp_ns, _MESSAGES.depth(frame))


def write_frames(bag: BagWriter, frames: Iterable[RgbdFrame], fps: float) -> None:
    """Write frames with the stamps of a steady rate, the first one interval after zero."""
    for number, frame in enumerate(frames, start=1):
        write_frame(bag, replace(frame, stamp_ns=round(number / fps * 1e9)))
