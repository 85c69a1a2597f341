"""Removes regions that are not objects on the support plane."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from cvdl.segmentation.labels import Labels, pixels_by_label, quantile, without
from cvdl.segmentation.piles import supported_in_piles
from cvdl.segmentation.plane import SupportPlane
from cvdl.segmentation.tabletop import PLANE_COLOR, Tabletop

__all__ = ["keep_objects", "remove_lifted_plane", "remove_smears", "remove_strangers"]

_ON_PLANE_SHARE = 0.3  # of an object: the rest may extend over the edge
_BESIDE_SHARE = 0.2  # of an object: where a surface below the plane is visible at its foot
_FURNITURE_SHARE = 0.8  # of the points of an object on one large plane: it is that wall
_FURNITURE_REACH = 0.02  # meters
_THINNING = 4  # a quarter of the points is enough to place an object
_FEWEST_POINTS = 4  # of an object: fewer say nothing of its place
_WAVE_HEIGHT = 0.018  # meters, at 1 m: the waves of a stereo camera over a plane are lower
_HIGHEST_WAVE = 0.04  # meters
_SKIRT_CURVATURE = -2.0  # degrees: the smear between an object and the plane is concave
_SMEAR_COLOR = 8.0  # like PLANE_COLOR; beside pixels of another color, the color is less exact
_SMEAR = np.ones((7, 7), np.uint8)  # of the reduced image: a smear is narrower
_AROUND = np.ones((5, 5), np.uint8)
_SMEAR_CONTACT = 0.3  # of the surroundings of a smear: the object that it comes from
_SCRAP_PIXELS = 150  # pixels of the reduced image
_SCRAP_HEIGHT = 0.03  # meters


def remove_lifted_plane(labels: Labels, table: Tabletop) -> Labels:
    """Removes regions that are the plane itself, lifted by errors of the depth.

    They have the color of the plane. They are low (waves), or they are small and either concave or
    not high (the smear of a stereo camera between an object and the plane behind it).
    """
    points, curvature = table.surface.points.reshape(-1, 3), table.surface.curvature.ravel()

    def is_lifted_plane(_: int, pixels: NDArray[np.intp]) -> bool:
        if table.color_off_plane(pixels) > PLANE_COLOR:
            return False
        mine = points[pixels]
        top = quantile(table.support.plane.height(mine), 0.95)
        # Errors of a stereo camera grow with the square of the distance.
        is_wave = top < min(_WAVE_HEIGHT * max(1.0, mine[:, 2].mean() ** 2), _HIGHEST_WAVE)
        is_small = len(pixels) < _SCRAP_PIXELS
        is_concave = curvature[pixels].mean() < _SKIRT_CURVATURE
        return bool(is_wave or (is_small and (is_concave or top < _SCRAP_HEIGHT)))

    return without(labels, is_lifted_plane)


def keep_objects(labels: Labels, table: Tabletop) -> Labels:
    """Removes regions that are too low, stand beside the plane or are furniture.

    Walls, chairs and people stand beside a table, and a wall may stand on the table itself. An
    object may extend over the edge of the table. For objects that hide the plane see ``piles.py``.
    """
    points, support = table.surface.points.reshape(-1, 3), table.support
    supported, uncertain = set(), set()
    for label, pixels in pixels_by_label(labels).items():
        mine = points[pixels[::_THINNING]]
        if _is_furniture(mine, support):
            continue
        if quantile(support.plane.height(mine), 0.95) < table.min_height:
            continue
        if support.carries(mine, table.camera).mean() >= _ON_PLANE_SHARE:
            supported.add(label)
        elif support.ends_before(mine, table.camera).mean() < _BESIDE_SHARE:
            uncertain.add(label)
    if uncertain:
        supported |= supported_in_piles(labels, table, supported, uncertain)
    return labels * np.isin(labels, list(supported))


def remove_strangers(labels: Labels, table: Tabletop) -> Labels:
    """Removes furniture, and what is seen to stand beside the plane.

    Unlike ``keep_objects`` it keeps what may stand on the plane.
    """
    points, support = table.surface.points.reshape(-1, 3), table.support
    is_measured = table.surface.valid.ravel() > 0

    def is_stranger(_: int, pixels: NDArray[np.intp]) -> bool:
        mine = points[pixels[is_measured[pixels]][::_THINNING]]
        if len(mine) < _FEWEST_POINTS:
            return False
        if _is_furniture(mine, support):
            return True
        if support.carries(mine, table.camera).mean() >= _ON_PLANE_SHARE:
            return False
        return bool(support.ends_before(mine, table.camera).mean() >= _BESIDE_SHARE)

    return without(labels, is_stranger)


def _is_furniture(points: NDArray[np.float32], support: SupportPlane) -> bool:
    return any(
        (abs(plane.height(points)) < _FURNITURE_REACH).mean() > _FURNITURE_SHARE
        for plane in support.furniture
    )


def remove_smears(labels: Labels, table: Tabletop) -> Labels:
    """Removes narrow strips along an object that have the color of the plane, at any height.

    The depth of a stereo camera changes from an object to the plane behind it within some pixels,
    and beside a gap these become a region of their own.
    """

    def is_smear(label: int, pixels: NDArray[np.intp]) -> bool:
        if table.color_off_plane(pixels) > _SMEAR_COLOR:
            return False
        mine = (labels == label).view(np.uint8)
        if cv2.erode(mine, _SMEAR, borderValue=0).any():
            return False
        around = cv2.dilate(mine, _AROUND) > mine
        return bool((labels[around] > 0).mean() >= _SMEAR_CONTACT)

    return without(labels, is_smear)
