"""The region of interest of a frame, from the settings."""

from __future__ import annotations

from math import ceil, floor

import numpy as np

from cvdl.core.errors import InputError
from cvdl.core.frame import RgbdFrame
from cvdl.core.scene import OrientedBox, Region
from cvdl.segmentation.config import RegionConfig

__all__ = ["region_of"]


def region_of(frame: RgbdFrame, config: RegionConfig) -> Region | None:
    """The region of interest in the camera frame; None if it is the whole view.

    Raises:
        InputError: if there is a box, and the frame has no ``region_pose``.
    """
    if config == RegionConfig(box_frame=config.box_frame):
        return None
    width, height = frame.camera.width, frame.camera.height
    x_min, x_max, y_min, y_max = np.array(config.image) * (width, width, height, height)
    # All pixels that the rectangle touches: at least one.
    rectangle = floor(x_min), floor(y_min), ceil(x_max), ceil(y_max)
    if not config.has_box:
        return Region(rectangle)
    if frame.region_pose is None:
        raise InputError(
            f"segmentation.region.box needs the pose of {config.box_frame}: set "
            "RgbdFrame.region_pose, or replay a bag with tf"
        )
    to_camera, origin = frame.region_pose[:3, :3].T, frame.region_pose[:3, 3]
    low, high = np.array(config.box[::2]), np.array(config.box[1::2])
    center = to_camera @ ((low + high) / 2 - origin)
    return Region(rectangle, OrientedBox(center, to_camera, high - low))
