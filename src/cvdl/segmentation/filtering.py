"""What is an object on the table, and what only looks like one."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from cvdl.core.camera import Camera
from cvdl.core.scene import Plane
from cvdl.segmentation.labels import pixels_by_label, rank
from cvdl.segmentation.piles import things_in_piles
from cvdl.segmentation.plane import SupportPlane
from cvdl.segmentation.plane_color import PLANE_COLOR, color_off_plane
from cvdl.segmentation.surface import Surface

__all__ = ["keep_objects", "remove_lifted_plane", "remove_smears"]

_ON_PLANE_SHARE = 0.3  # of an object: the rest may hang over the edge
_BESIDE_SHARE = 0.2  # of an object: where something is seen below the plane in place of its foot
_FURNITURE_SHARE = 0.8  # of an object's points on one large plane: it is that wall
_FURNITURE_REACH = 0.02  # metres
_THINNING = 4  # a quarter of the points tells where an object stands
_WAVE_HEIGHT = 0.018  # metres, at 1 m: a stereo camera's waves over a plane stay under this
_HIGHEST_WAVE = 0.04  # metres
_SKIRT_CURVATURE = -2.0  # degrees: the smear between an object and the plane is concave
_SMEAR_COLOR = 8.0  # as PLANE_COLOR; beside another colour's pixels there is less of the plane's
_SMEAR = np.ones((7, 7), np.uint8)  # of the reduced image: a smear is narrower
_AROUND = np.ones((5, 5), np.uint8)
_SMEAR_CONTACT = 0.3  # of what surrounds a smear: the object that it comes from
_SCRAP_PIXELS = 150  # pixels of the reduced image
_SCRAP_HEIGHT = 0.03  # metres


def remove_lifted_plane(
    regions: NDArray[np.int32],
    surface: Surface,
    plane: Plane,
    plane_lab: NDArray[np.float32],
) -> NDArray[np.int32]:
    """Removes regions that are the plane itself, lifted by errors of the depth.

    They have the plane's colour, and are low (waves) or small and either concave or not high (the
    smear of a stereo camera between an object and the plane behind it).

    Args:
        regions: (h, w) int32, 0 for none, else one number a region.
        surface: their geometry and colour.
        plane: the support plane.
        plane_lab: the plane's colour, of ``plane_color``.

    Returns:
        (h, w) int32, as ``regions``, with 0 where a region was removed.
    """
    points, curvature = surface.points.reshape(-1, 3), surface.curvature.ravel()
    kept = regions.copy()
    for pixels in pixels_by_label(regions).values():
        if color_off_plane(pixels, surface.lab, plane_lab) > PLANE_COLOR:
            continue
        mine = points[pixels]
        top = rank(plane.height(mine), 0.95)
        # Errors of a stereo camera grow with the square of the distance.
        is_wave = top < min(_WAVE_HEIGHT * max(1.0, mine[:, 2].mean() ** 2), _HIGHEST_WAVE)
        is_small = len(pixels) < _SCRAP_PIXELS
        is_concave = curvature[pixels].mean() < _SKIRT_CURVATURE
        if is_wave or (is_small and (is_concave or top < _SCRAP_HEIGHT)):
            kept.ravel()[pixels] = 0
    return kept


def keep_objects(
    groups: NDArray[np.int32],
    surface: Surface,
    support: SupportPlane,
    camera: Camera,
    min_height: float,
) -> NDArray[np.int32]:
    """Removes groups that are lower than ``min_height``, stand beside the plane or are furniture.

    Beside a table stand walls, chairs and people; an object may hang over the table's edge. A wall
    may stand on the table itself. What stands where the plane is hidden: see ``piles.py``.

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
    pixels_of = pixels_by_label(groups)
    carried, doubtful = set(), set()
    for label, pixels in pixels_of.items():
        mine = points[pixels[::_THINNING]]
        is_furniture = any(
            (abs(plane.height(mine)) < _FURNITURE_REACH).mean() > _FURNITURE_SHARE
            for plane in support.furniture
        )
        if is_furniture or rank(support.plane.height(mine), 0.95) < min_height:
            continue
        if support.carries(mine, camera).mean() >= _ON_PLANE_SHARE:
            carried.add(label)
        elif support.ends_before(mine, camera).mean() < _BESIDE_SHARE:
            doubtful.add(label)
    if doubtful:
        carried |= things_in_piles(groups, surface, support, carried, doubtful, camera)
    kept = np.zeros_like(groups)
    for label in carried:
        kept.ravel()[pixels_of[label]] = label
    return kept


def remove_smears(
    groups: NDArray[np.int32], surface: Surface, plane_lab: NDArray[np.float32]
) -> NDArray[np.int32]:
    """Removes narrow strips along an object that have the plane's colour, however high they are.

    A stereo camera's depth goes over from an object to the plane behind it in some pixels, and
    beside a gap in it these come off.

    Args:
        groups: (h, w) int32, 0 for none, else one number an object.
        surface: their colour.
        plane_lab: the plane's colour, of ``plane_color``.

    Returns:
        (h, w) int32, as ``groups``, with 0 where a strip was removed.
    """
    kept = groups.copy()
    for label, pixels in pixels_by_label(groups).items():
        if color_off_plane(pixels, surface.lab, plane_lab) > _SMEAR_COLOR:
            continue
        mine = (groups == label).view(np.uint8)
        if cv2.erode(mine, _SMEAR, borderValue=0).any():
            continue
        around = cv2.dilate(mine, _AROUND) > mine
        if (groups[around] > 0).mean() >= _SMEAR_CONTACT:
            kept.ravel()[pixels] = 0
    return kept
