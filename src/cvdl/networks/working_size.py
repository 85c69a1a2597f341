"""Frames brought to the size that our networks have learnt from.

A network knows things by how large they are in the picture. All that ours have seen came from
cameras of 640 columns and a focal length of 525 to 615 pixels; what another camera sees is made as
large or as small as they would see it.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from cvdl.core.camera import Camera
from cvdl.core.frame import RgbdFrame

__all__ = ["to_working_size"]

_FOCAL = 570.0  # pixels
_TOLERANCE = 1.25  # on the size, either way: training zooms by more
_WIDEST = 640  # pixels, of a picture that is enlarged
_LEAST_SIDE = 64  # pixels, of one that is reduced


def to_working_size(frame: RgbdFrame) -> tuple[RgbdFrame, NDArray[np.float64]]:
    """A frame as the networks are to see it.

    Args:
        frame: of any camera.

    Returns:
        The frame itself where its size is about right, else it and its camera resampled; and the
        factors (2,) that x and y have been multiplied by (a pixel's middle is at a half).
    """
    camera = frame.camera
    size = np.array([camera.width, camera.height])
    factor = _FOCAL / camera.fx
    factor = min(factor, max(1.0, _WIDEST / camera.width))
    factor = max(factor, min(1.0, _LEAST_SIDE / size.min()))
    if 1 / _TOLERANCE < factor < _TOLERANCE:
        return frame, np.ones(2)
    width, height = (int(side) for side in np.rint(size * factor))
    x, y = width / camera.width, height / camera.height
    resampled = RgbdFrame(
        cv2.resize(
            frame.color,
            (width, height),
            interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR,
        ).reshape(height, width, 3),
        # No mean of what lies in front and what behind.
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
    return resampled, np.array([x, y])
