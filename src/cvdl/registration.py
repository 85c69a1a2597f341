"""Depth of one camera as another camera sees it: registers depth to color."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from cvdl.camera import Camera
from cvdl.compiled import compiled

__all__ = ["register"]

# Neighbors whose depths differ by a smaller share are one surface.
_SAME_SURFACE = 0.03
# A pixel that is nearer to the color camera than to its own covers more pixels than others. So
# many times as much as usual in each direction is an error, and would take long to draw.
_LARGEST_FOOTPRINT = 4.0


def register(
    depth: NDArray[np.float32],
    camera: Camera,
    color_camera: Camera,
    to_color: NDArray[np.float64],
) -> NDArray[np.float32]:
    """Depth as the color camera sees it.

    Each reading is drawn over all pixels that it covers in the color image, so that a color image
    of more pixels has no grid of gaps. The nearest reading wins. What only the color camera sees
    (the shadows of objects) has no reading. Lens distortion is not applied.

    Args:
        depth: (H', W') float32, metres along z; NaN where there is no reading.
        camera: intrinsics of depth, of the same size.
        color_camera: intrinsics of color.
        to_color: (4, 4) from the depth camera's optical frame to the color camera's, metres.

    Returns:
        (H, W) float32 of the color camera's size, metres along its z; NaN where there is no
        reading.

    Raises:
        ValueError: if a shape is not as said.
    """
    if depth.shape != (camera.height, camera.width):
        raise ValueError(
            f"depth is {depth.shape[1]}x{depth.shape[0]}, its camera {camera.width}x{camera.height}"
        )
    if to_color.shape != (4, 4):
        raise ValueError(f"to_color must have the shape (4, 4), got {to_color.shape}")
    scale = max(color_camera.fx / camera.fx, color_camera.fy / camera.fy)
    registered = np.full((color_camera.height, color_camera.width), np.inf, np.float32)
    _draw(
        np.ascontiguousarray(depth, np.float32),
        (camera.fx, camera.fy, camera.cx, camera.cy),
        (color_camera.fx, color_camera.fy, color_camera.cx, color_camera.cy),
        np.ascontiguousarray(to_color[:3], np.float64),
        _LARGEST_FOOTPRINT * max(scale, 1.0),
        registered,
    )
    return registered


@compiled()
def _draw(depth, camera, color_camera, to_color, largest, registered):  # type: ignore[no-untyped-def]
    """Draws all readings into ``registered``; infinite there before, NaN after where none is."""
    rows, columns = depth.shape
    height, width = registered.shape
    # A corner of pixels that are one surface lies at one place for all of them: their footprints
    # meet there, without a gap. These are the corners above and below a row of pixels.
    above = np.empty((columns + 1, 2))
    below = np.empty((columns + 1, 2))
    _corners(depth, 0, camera, color_camera, to_color, below)
    for i in range(rows):
        above, below = below, above
        _corners(depth, i + 1, camera, color_camera, to_color, below)
        for j in range(columns):
            z = depth[i, j]
            if not z > 0:
                continue
            x, y = (j - camera[2]) / camera[0], (i - camera[3]) / camera[1]
            distance = (to_color[2, 0] * x + to_color[2, 1] * y + to_color[2, 2]) * z
            distance += to_color[2, 3]
            if not distance > 0:
                continue
            left, top, right, bottom = np.inf, np.inf, -np.inf, -np.inf
            for corner in range(4):
                down, along = corner >> 1, corner & 1
                if down:
                    u, v = below[j + along, 0], below[j + along, 1]
                else:
                    u, v = above[j + along, 0], above[j + along, 1]
                if math.isnan(u):
                    u, v = _project(
                        j + along - 0.5, i + down - 0.5, z, camera, color_camera, to_color
                    )
                left, right = min(left, u), max(right, u)
                top, bottom = min(top, v), max(bottom, v)
            # False for NaN, of corners behind the camera, too.
            if not (right - left <= largest and bottom - top <= largest):
                continue
            # The pixels whose middles are covered.
            for v in range(max(math.ceil(top), 0), min(math.floor(bottom), height - 1) + 1):
                for u in range(max(math.ceil(left), 0), min(math.floor(right), width - 1) + 1):
                    if distance < registered[v, u]:
                        registered[v, u] = distance
    for v in range(height):
        for u in range(width):
            if registered[v, u] == np.inf:
                registered[v, u] = np.nan


@compiled()
def _corners(depth, row, camera, color_camera, to_color, corners):  # type: ignore[no-untyped-def]
    """The corners above a row of pixels in the color image; NaN where surfaces meet or none is."""
    rows, columns = depth.shape
    for j in range(columns + 1):
        count, total, nearest, farthest = 0, 0.0, np.inf, 0.0
        for v in range(max(row - 1, 0), min(row + 1, rows)):
            for u in range(max(j - 1, 0), min(j + 1, columns)):
                z = depth[v, u]
                if z > 0:
                    count += 1
                    total += z
                    nearest, farthest = min(nearest, z), max(farthest, z)
        corners[j, 0] = corners[j, 1] = np.nan
        if count and farthest - nearest <= _SAME_SURFACE * nearest:
            u, v = _project(j - 0.5, row - 0.5, total / count, camera, color_camera, to_color)
            corners[j, 0], corners[j, 1] = u, v


@compiled()
def _project(u, v, z, camera, color_camera, to_color):  # type: ignore[no-untyped-def]
    """The place in the color image of a place in the depth image; NaN if behind the camera."""
    x, y = (u - camera[2]) / camera[0] * z, (v - camera[3]) / camera[1] * z
    away = to_color[2, 0] * x + to_color[2, 1] * y + to_color[2, 2] * z + to_color[2, 3]
    if not away > 0:
        return np.nan, np.nan
    right = to_color[0, 0] * x + to_color[0, 1] * y + to_color[0, 2] * z + to_color[0, 3]
    down = to_color[1, 0] * x + to_color[1, 1] * y + to_color[1, 2] * z + to_color[1, 3]
    return (
        right / away * color_camera[0] + color_camera[2],
        down / away * color_camera[1] + color_camera[3],
    )
