"""The outline of the visible support: the plane as a polygon with a stamp, and back."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from cvdl.core.camera import Camera
from cvdl.core.scene import PLANE_LABEL, Plane

__all__ = ["plane_of", "support_outline"]

_TOLERANCE = 1.0  # pixels; how far a corner that is left out may be outside


def support_outline(
    labels: NDArray[np.uint16], plane: Plane | None, camera: Camera
) -> NDArray[np.float64]:
    """Return the convex outline of the visible part of the support, (N, 3), meters.

    The corners lie on the plane, and turn counterclockwise for the camera: by the right-hand rule
    the normal points towards it.

    Args:
        labels: (H, W), see ``Scene.labels``.
        plane: the support plane, in the camera's frame.
        camera: the camera.

    Returns:
        The corners; none without a plane, or where nothing of it is visible.
    """
    nothing = np.empty((0, 3))
    if plane is None:
        return nothing
    mask = labels == PLANE_LABEL
    rows = np.flatnonzero(mask.any(axis=1))
    if not len(rows):
        return nothing
    first = mask[rows].argmax(axis=1)
    last = mask.shape[1] - 1 - mask[rows, ::-1].argmax(axis=1)
    ends = np.stack([np.concatenate([first, last]), np.concatenate([rows, rows])], axis=-1)
    hull = cv2.convexHull(ends.astype(np.int32))
    pixels = cv2.approxPolyDP(hull, _TOLERANCE, True)[:, 0]
    rays = camera.deproject_pixels(pixels, np.ones(len(pixels)))
    slope = rays @ plane.normal
    corners = (rays * (-plane.offset / slope)[:, None])[slope < 0]
    found = plane_of(corners)
    if found is None:
        return nothing
    return corners if found.normal @ plane.normal > 0 else corners[::-1]


def plane_of(corners: NDArray[np.floating]) -> Plane | None:
    """Return the plane of an outline (N, 3), meters; None without an area.

    The normal is Newell's, which averages over all corners.
    """
    corners = np.asarray(corners, np.float64)
    if len(corners) < 3:
        return None
    center = corners.mean(axis=0)
    arms = corners - center
    normal = np.cross(arms, np.roll(arms, -1, axis=0)).sum(axis=0)
    length = np.linalg.norm(normal)
    if not length > 0:
        return None
    normal /= length
    return Plane(normal, -float(normal @ center))
