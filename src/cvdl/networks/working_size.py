"""Resizing of frames to the apparent object size that our networks are trained on.

The networks recognize objects at the size they have in images of 640 columns with a focal length
of 525 to 615 pixels. Frames of other cameras are resized to match.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from cvdl.core.camera import Camera
from cvdl.core.frame import RgbdFrame

__all__ = ["FOCAL", "to_working_size"]

#: Focal length of the working size, pixels.
FOCAL = 570.0
_TOLERANCE = 1.25  # ratio of sizes, either way; training zooms by more
_WIDEST = 640  # pixels, of an enlarged image
_LEAST_SIDE = 64  # pixels, of a reduced image


def to_working_size(frame: RgbdFrame) -> tuple[RgbdFrame, NDArray[np.float64]]:
    """Return a frame at the working size of the networks.

    Args:
        frame: frame of any camera. The resized frame is kept with it.

    Returns:
        The frame itself if its size is within the tolerance, else the frame and its camera
        resized; and the factors (2,) by which x and y are multiplied (pixel centers are at .5).
    """
    camera = frame.camera
    size = np.array([camera.width, camera.height])
    factor = FOCAL / camera.fx
    factor = min(factor, max(1.0, _WIDEST / camera.width))
    factor = max(factor, min(1.0, _LEAST_SIDE / size.min()))
    if 1 / _TOLERANCE < factor < _TOLERANCE:
        return frame, np.ones(2)
    width, height = (int(side) for side in np.rint(size * factor))
    interpolation = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    resized = frame.derived(_resized, width, height, interpolation)
    return resized, np.array([width / camera.width, height / camera.height])


def _resized(frame: RgbdFrame, width: int, height: int, interpolation: int) -> RgbdFrame:
    camera = frame.camera
    x, y = width / camera.width, height / camera.height
    color = cv2.resize(frame.color, (width, height), interpolation=interpolation)
    return RgbdFrame(
        color.reshape(height, width, 3),
        # Nearest: a mean of foreground and background is no depth.
        cv2.resize(frame.depth, (width, height), interpolation=cv2.INTER_NEAREST_EXACT),
        Camera(
            width,
            height,
            camera.fx * x,
            camera.fy * y,
            (camera.cx + 0.5) * x - 0.5,
            (camera.cy + 0.5) * y - 0.5,
        ),
        frame.stamp_ns,
        frame.frame_id,
    )
