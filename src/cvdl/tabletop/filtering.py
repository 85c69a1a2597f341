"""What is an object on the table, and what only looks like one."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from cvdl.camera import Camera
from cvdl.frame import Plane
from cvdl.tabletop.labels import pixels_by_label
from cvdl.tabletop.plane import SupportPlane
from cvdl.tabletop.surface import Surface

__all__ = ["keep_objects", "remove_lifted_plane"]

_ON_PLANE_SHARE = 0.4  # of an object: the rest may hang over the edge
_PLANE_COLOR = 7.0  # difference (as in Surface.lab) up to which a colour is the plane's
_WAVE_HEIGHT = 0.018  # metres: a stereo camera's waves over a flat plane stay under this
_SKIRT_CURVATURE = -2.0  # degrees: the smear between an object and the plane is concave
_COLOR_WINDOW = 61  # pixels of the reduced image


def remove_lifted_plane(
    regions: NDArray[np.int32],
    surface: Surface,
    plane: Plane,
    on_plane: NDArray[np.bool_],
) -> NDArray[np.int32]:
    """Removes regions that are the plane itself, lifted by errors of the depth.

    They have the plane's colour, and are low (waves) or concave (the smear of a stereo camera
    between an object and the plane behind it).

    Args:
        regions: (h, w) int32, 0 for none, else one number a region.
        surface: their geometry and colour.
        plane: the support plane.
        on_plane: (h, w) bool, pixels on the plane.

    Returns:
        (h, w) int32, as ``regions``, with 0 where a region was removed.
    """
    difference = np.linalg.norm(surface.lab - _local_color(surface.lab, on_plane), axis=2).ravel()
    height = plane.height(surface.points).ravel()
    curvature = surface.curvature.ravel()

    def is_object(pixels: NDArray[np.intp]) -> bool:
        return bool(
            difference[pixels].mean() > _PLANE_COLOR
            or (
                np.percentile(height[pixels], 95) > _WAVE_HEIGHT
                and curvature[pixels].mean() > _SKIRT_CURVATURE
            )
        )

    return _keep(regions, is_object)


def keep_objects(
    groups: NDArray[np.int32],
    surface: Surface,
    support: SupportPlane,
    camera: Camera,
    min_height: float,
) -> NDArray[np.int32]:
    """Removes groups that are lower than ``min_height`` or stand beside the plane.

    Beside a table stand walls, chairs and people; an object may hang over the table's edge.

    Args:
        groups: (h, w) int32, 0 for none, else one number a group.
        surface: their geometry.
        support: the support plane.
        camera: intrinsics of the full image.
        min_height: metres.

    Returns:
        (h, w) int32, as ``groups``, with 0 where a group was removed.
    """
    points = surface.points.reshape(-1, 3)

    def is_object(pixels: NDArray[np.intp]) -> bool:
        mine = points[pixels]
        return bool(
            np.percentile(support.plane.height(mine), 95) >= min_height
            and support.carries(mine, camera).mean() >= _ON_PLANE_SHARE
        )

    return _keep(groups, is_object)


def _keep(
    labels: NDArray[np.int32], wanted: Callable[[NDArray[np.intp]], bool]
) -> NDArray[np.int32]:
    keep = np.zeros(int(labels.max()) + 1, bool)
    for label, pixels in pixels_by_label(labels).items():
        keep[label] = wanted(pixels)
    return np.where(keep[labels], labels, 0)


def _local_color(lab: NDArray[np.float32], on_plane: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Mean colour of the plane round each pixel, (h, w, 3)."""
    weight = on_plane.astype(np.float32)
    window = (_COLOR_WINDOW, _COLOR_WINDOW)
    total = cv2.blur(lab * weight[..., None], window)
    return total / np.maximum(cv2.blur(weight, window), 1e-6)[..., None]
