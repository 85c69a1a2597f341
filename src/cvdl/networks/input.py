"""The input of our networks: color, relief and surface normals, at half resolution.

No channel is absolute: the relief is the depth relative to its local mean, so neither the distance
of the camera nor the tilt of the table matters. Two channels mark where color and depth are known,
so either may be missing.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from cvdl.core.frame import RgbdFrame
from cvdl.depth.normals import surface_normals

__all__ = [
    "CHANNELS",
    "COLOR",
    "COLOR_MIDDLE",
    "COLOR_SPREAD",
    "GEOMETRY",
    "HAS_COLOR",
    "HAS_DEPTH",
    "HIGHEST_RELIEF",
    "MULTIPLE",
    "NORMAL_WINDOW",
    "NORMAL_XY",
    "RELIEF_SCALE",
    "network_input",
    "relief_window",
]

#: Red, green, blue; relief and normal x, y, z; whether color is known; whether depth is known.
CHANNELS = 9
COLOR, GEOMETRY = slice(0, 3), slice(3, 7)
NORMAL_XY = slice(4, 6)
HAS_COLOR, HAS_DEPTH = 7, 8
#: Color channels are 8-bit values minus the first, divided by the second.
COLOR_MIDDLE, COLOR_SPREAD = 128.0, 64.0

#: Window that normals are fitted to, pixels at half resolution.
NORMAL_WINDOW = 5
#: Meters of relief per unit, and the largest relief in that unit.
RELIEF_SCALE, HIGHEST_RELIEF = 0.02, 3.0

#: The input of the backbone is padded, with 0 at its ends, to multiples of this.
MULTIPLE = 16

_RELIEF_WINDOW = 51  # pixels, of 320 columns


def network_input(frame: RgbdFrame) -> NDArray[np.float32]:
    """Return the channels (9, H / 2, W / 2) float32 of a frame, each about standardized.

    Args:
        frame: color and depth; the depth may be NaN anywhere or everywhere.
    """
    height, width = frame.depth.shape[0] // 2, frame.depth.shape[1] // 2
    channels = np.zeros((CHANNELS, height, width), np.float32)
    color = cv2.resize(
        frame.color[: 2 * height, : 2 * width], (width, height), interpolation=cv2.INTER_AREA
    )
    for channel in range(3):
        np.subtract(color[..., channel], COLOR_MIDDLE, out=channels[channel], dtype=np.float32)
    channels[COLOR] /= COLOR_SPREAD
    channels[HAS_COLOR] = 1
    known = np.isfinite(frame.depth[: 2 * height, : 2 * width])
    if known.any():
        camera = frame.camera.reduced(2)
        depth = _halved_depth(frame.depth[: 2 * height, : 2 * width], known)
        normals = surface_normals(depth, camera, NORMAL_WINDOW)
        known = np.isfinite(normals[..., 2])
        channels[3] = _relief(depth, known)
        for axis in range(3):
            np.copyto(channels[4 + axis], normals[..., axis], where=known)
        channels[HAS_DEPTH] = known
    return channels


def relief_window(width: int) -> int:
    """Return the window, in pixels, whose mean is 0 relief in an image ``width`` pixels wide."""
    return max(3, round(_RELIEF_WINDOW * width / 320))


def _halved_depth(depth: NDArray[np.float32], known: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Mean of the inverse depth, which is linear over a plane, over the readings of each block."""
    size = depth.shape[1] // 2, depth.shape[0] // 2
    inverse = np.divide(1, depth, out=np.zeros_like(depth), where=known & (depth > 0))
    share = cv2.resize((inverse > 0).astype(np.float32), size, interpolation=cv2.INTER_AREA)
    mean = cv2.resize(inverse, size, interpolation=cv2.INTER_AREA)
    return np.divide(share, mean, out=np.full_like(mean, np.nan), where=mean > 0)


def _relief(depth: NDArray[np.float32], known: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Distance of each pixel (h, w) in front of its surroundings, scaled; 0 where unknown."""
    window = relief_window(depth.shape[1])
    inverse = np.divide(1, depth, out=np.zeros_like(depth), where=known)
    share = cv2.blur(known.astype(np.float32), (window, window))
    mean = cv2.blur(inverse, (window, window))
    surroundings = np.divide(share, mean, out=np.zeros_like(mean), where=known & (mean > 0))
    relief = np.where(known, (surroundings - depth) / np.float32(RELIEF_SCALE), np.float32(0))
    return np.clip(relief, -HIGHEST_RELIEF, HIGHEST_RELIEF, out=relief)
