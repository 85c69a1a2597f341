"""The input of our networks: color, relief and surface normals, at half resolution.

No channel is absolute: the relief is the depth relative to its local mean, so neither the distance
of the camera nor the tilt of the table matters. Two channels mark where color and depth are known,
so either may be missing.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from cvdl.core.compiled import compiled
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
    _standardize(color.reshape(height, width, 3), channels[COLOR])
    channels[HAS_COLOR] = 1
    depth = _halved_depth(frame.depth)
    if np.isfinite(depth).any():
        found = surface_normals(depth, frame.camera.reduced(2), NORMAL_WINDOW)
        normals = np.moveaxis(found, -1, 0)
        _add_geometry(depth, normals, *_means_around(depth, normals), channels)
    return channels


def relief_window(width: int) -> int:
    """Return the window, in pixels, whose mean is 0 relief in an image ``width`` pixels wide."""
    return max(3, round(_RELIEF_WINDOW * width / 320))


@compiled()
def _standardize(color, channels):  # type: ignore[no-untyped-def]
    """Writes the channels (3, h, w) of color (h, w, 3)."""
    for row in range(color.shape[0]):
        for col in range(color.shape[1]):
            for channel in range(3):
                value = np.float32(color[row, col, channel]) - np.float32(COLOR_MIDDLE)
                channels[channel, row, col] = value / np.float32(COLOR_SPREAD)


@compiled()
def _halved_depth(depth):  # type: ignore[no-untyped-def]
    """Mean of the inverse depth, which is linear over a plane, over the readings of each block."""
    height, width = depth.shape[0] // 2, depth.shape[1] // 2
    halved = np.empty((height, width), np.float32)
    for row in range(height):
        for col in range(width):
            count = total = np.float32(0)
            for a in range(2):
                in_row = np.float32(0)
                for b in range(2):
                    z = depth[2 * row + a, 2 * col + b]
                    if z > 0:  # False for NaN
                        count += np.float32(1)
                        in_row += np.float32(1) / z
                total += in_row
            halved[row, col] = count / total  # NaN without a reading
    return halved


def _means_around(
    depth: NDArray[np.float32], normals: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The means over the surroundings of each pixel (h, w): of what is known, and of the inverse
    depth there. Normals are (3, h, w)."""
    window = relief_window(depth.shape[1])
    known = np.isfinite(normals[2])
    inverse = np.divide(1, depth, out=np.zeros_like(depth), where=known)
    share = cv2.blur(known.astype(np.float32), (window, window))
    return share, cv2.blur(inverse, (window, window))


@compiled()
def _add_geometry(depth, normals, share, mean, channels):  # type: ignore[no-untyped-def]
    """Writes the relief, the normals and where both are known; see ``_means_around``.

    The relief is the distance of a pixel in front of its surroundings. Without branches: the
    compiler vectorizes it.
    """
    highest, scale = np.float32(HIGHEST_RELIEF), np.float32(RELIEF_SCALE)
    zero, one = np.float32(0), np.float32(1)
    for row in range(depth.shape[0]):
        for col in range(depth.shape[1]):
            x, y, z = normals[0, row, col], normals[1, row, col], normals[2, row, col]
            is_known = z == z  # False for NaN
            relief = (share[row, col] / mean[row, col] - depth[row, col]) / scale
            relief = min(max(relief, -highest), highest)
            channels[3, row, col] = relief if is_known else zero
            channels[4, row, col] = x if is_known else zero
            channels[5, row, col] = y if is_known else zero
            channels[6, row, col] = z if is_known else zero
            channels[HAS_DEPTH, row, col] = one if is_known else zero
