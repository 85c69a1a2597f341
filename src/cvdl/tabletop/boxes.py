"""Oriented boxes that stand on the support plane."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from cvdl.frame import OrientedBox, Plane
from cvdl.tabletop.labels import rank

__all__ = ["plane_axes", "standing_box"]

_RESTING = 0.03  # what begins lower than this rests on the plane itself, metres


def plane_axes(plane: Plane) -> NDArray[np.float64]:
    """Right-handed axes (3, 3), in columns; the third is the plane's normal."""
    # The image's x axis is never along the normal of a plane that the camera sees well.
    x = np.array([1.0, 0.0, 0.0])
    x -= (x @ plane.normal) * plane.normal
    x /= np.linalg.norm(x)
    return np.stack([x, np.cross(plane.normal, x), plane.normal], axis=1)


def standing_box(points: NDArray[np.float64], plane: Plane) -> OrientedBox:
    """The smallest box on the plane round the seen points of one object.

    Args:
        points: (N, 3) in the camera frame, metres; N >= 3.
        plane: the support plane.

    Returns:
        A box whose third axis is the plane's normal. It reaches down to the plane unless the
        object clearly rests on something else.
    """
    axes = plane_axes(plane)
    x, y, _ = (points @ axes).T
    height = plane.height(points)
    low, high = rank(height, 0.01), rank(height, 0.99)
    low = 0.0 if low < _RESTING else low
    # Flying pixels at the outline would make the box too large: keep the inner 99 %.
    inner = np.ones(len(x), bool)
    for values in (x, y):
        inner &= (values >= rank(values, 0.005)) & (values <= rank(values, 0.995))
    (cx, cy), (width, depth), angle = cv2.minAreaRect(
        np.stack([x[inner], y[inner]], axis=1).astype(np.float32)
    )
    cos, sin = np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))
    rotation = axes @ np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
    center = axes @ np.array([cx, cy, (low + high) / 2 - plane.offset])
    return OrientedBox(center, rotation, np.array([width, depth, high - low]))
