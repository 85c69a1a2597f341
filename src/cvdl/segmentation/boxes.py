"""Oriented boxes that stand on the support plane."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cvdl.core.compiled import compiled
from cvdl.core.scene import OrientedBox, Plane
from cvdl.segmentation.labels import quantiles

__all__ = ["plane_axes", "standing_box"]

_ANGLES = np.deg2rad(np.arange(0, 90, 3))
_NEAR = 0.005  # meters: shorter distances from a side do not count more
_TRIM = 0.015  # share of the points at each end
_RESTING = 0.03  # an object that begins lower rests on the plane itself, meters


def plane_axes(plane: Plane) -> NDArray[np.float64]:
    """Right-handed axes (3, 3), in columns; the third is the plane's normal."""
    # The x axis of the image, unless the camera lies on its side.
    x, y, z = plane.normal.tolist()
    sign = 0 if abs(x) < 0.9 else 1
    first = np.array([1.0 - sign, float(sign), 0.0]) - (x, y)[sign] * plane.normal
    a, b, c = (first / np.linalg.norm(first)).tolist()
    return np.array([[a, y * c - z * b, x], [b, z * a - x * c, y], [c, x * b - y * a, z]])


def standing_box(points: NDArray[np.float64], plane: Plane, is_lowest: bool) -> OrientedBox:
    """A box on the plane around the visible points of one object, along its upright faces.

    Args:
        points: (N, 3) in the camera frame, meters; N >= 3.
        plane: the support plane.
        is_lowest: whether the object touches no other object that begins lower.

    Returns:
        A box whose third axis is the normal of the plane. It extends down to the plane, unless the
        object begins higher and may rest on an object that it touches.
    """
    axes = plane_axes(plane)
    ground = points @ axes[:, :2]
    height = plane.height(points)
    low, high = quantiles(height, 0.01, 0.99)
    low = 0.0 if is_lowest or low < _RESTING else low
    angle = _angle_of_faces(ground)
    cos, sin = np.cos(angle), np.sin(angle)
    turn = np.array([[cos, -sin], [sin, cos]])
    # Flying pixels at the outline would enlarge the box: the outermost points are ignored.
    least, most = np.array([quantiles(side, _TRIM, 1 - _TRIM) for side in (ground @ turn).T]).T
    rotation = np.column_stack([axes[:, :2] @ turn, axes[:, 2]])
    middle = turn @ ((least + most) / 2)
    center = axes @ np.array([*middle, (low + high) / 2 - plane.offset])
    return OrientedBox(center, rotation, np.array([*(most - least), high - low]))


@compiled(fastmath=True)
def _angle_of_faces(ground: NDArray[np.float64]) -> float:
    """Angle of the rectangle whose sides are closest to points (N, 2), radians in [0, pi / 2).

    The closeness criterion of Zhang et al. 2017, "Efficient L-shape fitting for vehicle detection
    using laser scanners", section III: a camera also sees at most two upright faces of a box, and
    the smallest rectangle around these is rotated.
    """
    best, found = -1.0, 0.0
    x, y = ground[:, 0].astype(np.float32), ground[:, 1].astype(np.float32)
    one, shortest = np.float32(1), np.float32(_NEAR)
    along, aside = np.empty_like(x), np.empty_like(x)
    for angle in _ANGLES:
        cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
        left = right = cos * x[0] + sin * y[0]
        near = far = cos * y[0] - sin * x[0]
        for n in range(len(x)):
            along[n], aside[n] = cos * x[n] + sin * y[n], cos * y[n] - sin * x[n]
            left, right = min(left, along[n]), max(right, along[n])
            near, far = min(near, aside[n]), max(far, aside[n])
        closeness = np.float32(0)
        for n in range(len(x)):
            across = min(along[n] - left, right - along[n])
            distance = min(across, min(aside[n] - near, far - aside[n]))
            closeness += one / max(distance, shortest)
        if closeness > best:
            best, found = float(closeness), angle
    return found
