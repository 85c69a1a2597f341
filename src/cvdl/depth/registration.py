"""Registers depth to color: the depth of one camera from the view of another camera."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from cvdl.core.camera import Camera
from cvdl.core.compiled import compiled

__all__ = ["register"]

_SAME_SURFACE = 0.03  # of the depth: neighbors on one surface differ by less
# A reading that is nearer to the color camera than to its own camera covers more pixels. More than
# this factor over the usual size in each direction is an error, and would be slow to draw.
_MAX_FOOTPRINT = 4.0
_FLAT = 1e-9  # square pixels: a footprint that is seen edge-on


def register(
    depth: NDArray[np.float32], camera: Camera, color_camera: Camera, to_color: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Depth from the view of the color camera.

    Each reading is drawn over all pixels that it covers in the color image, so that a color image
    with more pixels has no grid of gaps. The nearest reading wins. Surfaces that only the color
    camera sees (the shadows of objects) have no reading. Lens distortion is not applied.

    Args:
        depth: (H', W') float32, meters along z; NaN for no reading.
        camera: intrinsics of depth, of the same size.
        color_camera: intrinsics of color.
        to_color: (4, 4) from the depth camera's optical frame to the color camera's, meters.

    Returns:
        (H, W) float32 of the size of the color camera, meters along its z; NaN for no reading.

    Raises:
        ValueError: if a shape is wrong.
    """
    if depth.shape != (camera.height, camera.width):
        raise ValueError(
            f"depth is {depth.shape[1]}x{depth.shape[0]}, its camera {camera.width}x{camera.height}"
        )
    if to_color.shape != (4, 4):
        raise ValueError(f"to_color must have the shape (4, 4), got {to_color.shape}")
    scale = max(color_camera.fx / camera.fx, color_camera.fy / camera.fy)
    registered = np.full((color_camera.height, color_camera.width), np.inf, np.float32)
    # Pixel (u, v) at depth z projects to turn @ (u, v, 1) * z + shift, homogeneous.
    turn = color_camera.matrix @ to_color[:3, :3] @ np.linalg.inv(camera.matrix)
    _draw(
        np.ascontiguousarray(depth, np.float32),
        turn,
        color_camera.matrix @ to_color[:3, 3],
        _MAX_FOOTPRINT * max(scale, 1.0),
        registered,
    )
    registered[np.isinf(registered)] = np.nan
    return registered


@compiled()
def _draw(depth, turn, shift, largest, registered):  # type: ignore[no-untyped-def]
    """Draws all readings into ``registered``, which is infinite before."""
    rows, columns = depth.shape
    height, width = registered.shape
    # Pixels of one surface share their corners, so that their footprints meet without a gap or a
    # step. These are the corners above and below a row of pixels: u, v and distance from the color
    # camera.
    above, below = np.empty((columns + 1, 3)), np.empty((columns + 1, 3))
    corners = np.empty((4, 3))
    _find_corners(depth, 0, turn, shift, below)
    for i in range(rows):
        above, below = below, above
        _find_corners(depth, i + 1, turn, shift, below)
        for j in range(columns):
            z = depth[i, j]
            if not z > 0:
                continue
            left, top, nearest = np.inf, np.inf, np.inf
            right, bottom, farthest = -np.inf, -np.inf, -np.inf
            center_u, center_v = 0.0, 0.0
            for k in range(4):
                row, column = k >> 1, j + (k & 1)
                shared = below if row else above
                x, y, away = shared[column, 0], shared[column, 1], shared[column, 2]
                if math.isnan(x):
                    x, y, away = _project(column - 0.5, i + row - 0.5, z, turn, shift)
                left, right = min(left, x), max(right, x)
                top, bottom = min(top, y), max(bottom, y)
                nearest, farthest = min(nearest, away), max(farthest, away)
                center_u, center_v = center_u + x / 4, center_v + y / 4
                corners[k, 0], corners[k, 1], corners[k, 2] = x, y, away
            # Also False for NaN, of corners behind the camera.
            if not (right - left <= largest and bottom - top <= largest):
                continue
            first_u, last_u = max(math.ceil(left), 0), min(math.floor(right), width - 1)
            first_v, last_v = max(math.ceil(top), 0), min(math.floor(bottom), height - 1)
            if first_u > last_u or first_v > last_v:
                continue
            _, _, distance = _project(j, i, z, turn, shift)
            nearest, farthest = min(nearest, distance), max(farthest, distance)
            per_u, per_v = _slopes(corners)
            # All pixels whose centers are covered.
            for v in range(first_v, last_v + 1):
                for u in range(first_u, last_u + 1):
                    away = distance + per_u * (u - center_u) + per_v * (v - center_v)
                    away = min(max(away, nearest), farthest)
                    if away < registered[v, u]:
                        registered[v, u] = away


@compiled()
def _slopes(corners):  # type: ignore[no-untyped-def]
    """Change of distance per pixel to the right and down, in a footprint."""
    # From the left to the right corners, and from the upper to the lower corners.
    u0 = corners[1, 0] + corners[3, 0] - corners[0, 0] - corners[2, 0]
    v0 = corners[1, 1] + corners[3, 1] - corners[0, 1] - corners[2, 1]
    z0 = corners[1, 2] + corners[3, 2] - corners[0, 2] - corners[2, 2]
    u1 = corners[2, 0] + corners[3, 0] - corners[0, 0] - corners[1, 0]
    v1 = corners[2, 1] + corners[3, 1] - corners[0, 1] - corners[1, 1]
    z1 = corners[2, 2] + corners[3, 2] - corners[0, 2] - corners[1, 2]
    determinant = u0 * v1 - v0 * u1
    if abs(determinant) < _FLAT:
        return 0.0, 0.0
    scale = 1 / determinant
    return (z0 * v1 - v0 * z1) * scale, (u0 * z1 - z0 * u1) * scale


@compiled()
def _find_corners(depth, row, turn, shift, corners):  # type: ignore[no-untyped-def]
    """Projects the corners above a row of pixels; NaN between surfaces and for no reading."""
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
        x, y, away = np.nan, np.nan, np.nan
        if count and farthest - nearest <= _SAME_SURFACE * nearest:
            x, y, away = _project(j - 0.5, row - 0.5, total / count, turn, shift)
        corners[j, 0], corners[j, 1], corners[j, 2] = x, y, away


@compiled()
def _project(u, v, z, turn, shift):  # type: ignore[no-untyped-def]
    """Projects a place in the depth image: u, v and distance from the color camera.

    NaN if it is behind the camera.
    """
    away = (turn[2, 0] * u + turn[2, 1] * v + turn[2, 2]) * z + shift[2]
    if not away > 0:
        return np.nan, np.nan, np.nan
    scale = 1 / away
    return (
        ((turn[0, 0] * u + turn[0, 1] * v + turn[0, 2]) * z + shift[0]) * scale,
        ((turn[1, 0] * u + turn[1, 1] * v + turn[1, 2]) * z + shift[1]) * scale,
        away,
    )
