"""What is an object on the table, and what only looks like one."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from cvdl.camera import Camera
from cvdl.frame import Plane
from cvdl.tabletop.labels import pixels_by_label, rank
from cvdl.tabletop.plane import SupportPlane
from cvdl.tabletop.surface import Surface

__all__ = [
    "dish_bottoms",
    "keep_objects",
    "plane_color",
    "remove_lifted_plane",
    "remove_smears",
]

_ON_PLANE_SHARE = 0.3  # of an object: the rest may hang over the edge
_FURNITURE_SHARE = 0.8  # of an object's points on one large plane: it is that wall
_FURNITURE_REACH = 0.02  # metres
_THINNING = 4  # a quarter of the points tells where an object stands
_PLANE_COLOR = 6.0  # difference (as in Surface.lab) up to which a colour is the plane's
_WAVE_HEIGHT = 0.018  # metres, at 1 m: a stereo camera's waves over a plane stay under this
_COLOR_SAMPLES = 200  # pixels of a region
_HIGHEST_WAVE = 0.04  # metres
_SKIRT_CURVATURE = -2.0  # degrees: the smear between an object and the plane is concave
_SMEAR_COLOR = 8.0  # as _PLANE_COLOR; next to another colour's pixels there is less of the plane's
_SMEAR = np.ones((7, 7), np.uint8)  # of the reduced image: a smear is narrower
_SMEAR_CONTACT = 0.3  # of what surrounds a smear: the object that it comes from
_SMALLEST_BOTTOM = 12  # pixels of the reduced image: smaller ones are noise
_WITHIN_SHARE = 0.8  # of a part of the plane: within an object's hull, it may be its bottom
_HOLE_COLOR = 8.0  # difference from the plane's colour beside the object from which it is
_OBJECT_COLOR = 0.7  # nearer to the object's colour than to the plane's by this factor
_SCRAP_PIXELS = 150  # pixels of the reduced image
_SCRAP_HEIGHT = 0.03  # metres
_OPENING = np.ones((5, 5), np.uint8)
_BESIDE = 16  # pixels of the reduced image: the plane beside an object has the light of there
_COARSE = 4  # pixels of the reduced image
_COLOR_WINDOW = 15  # coarse pixels
_LARGE_SHARE = 0.5  # of the largest part's pixels
_SPECK = np.ones((3, 3), np.uint8)


def plane_color(lab: NDArray[np.float32], on_plane: NDArray[np.bool_]) -> NDArray[np.float32]:
    """The plane's colour round every place: light differs over a table.

    The bottom of a plate lies on the plane too, but has the plate's colour: small parts that
    nothing connects to the rest do not count.

    Args:
        lab: (h, w, 3), as in ``Surface``.
        on_plane: (h, w), pixels on the plane.

    Returns:
        (h / 4, w / 4, 3) means over a window; infinite, which no colour is near, where none is.
    """
    parts, areas = _separate_parts(on_plane)
    areas[0] = 0
    coarse = slice(_COARSE // 2, None, _COARSE), slice(_COARSE // 2, None, _COARSE)
    weight = (areas > _LARGE_SHARE * areas.max())[parts[coarse]].astype(np.float32)
    window = (_COLOR_WINDOW, _COLOR_WINDOW)
    total = cv2.blur(lab[coarse] * weight[..., None], window)
    count = cv2.blur(weight, window)[..., None]
    return np.where(count > 0, total / np.maximum(count, 1e-6), np.float32(np.inf))


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
        if _color_off_plane(pixels, surface.lab, plane_lab) > _PLANE_COLOR:
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
    may stand on the table itself.

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
    kept = np.zeros_like(groups)
    for label, pixels in pixels_by_label(groups).items():
        mine = points[pixels[::_THINNING]]
        if (
            rank(support.plane.height(mine), 0.95) >= min_height
            and support.carries(mine, camera).mean() >= _ON_PLANE_SHARE
            and not any(
                (abs(plane.height(mine)) < _FURNITURE_REACH).mean() > _FURNITURE_SHARE
                for plane in support.furniture
            )
        ):
            kept.ravel()[pixels] = label
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
        if _color_off_plane(pixels, surface.lab, plane_lab) > _SMEAR_COLOR:
            continue
        mine = (groups == label).view(np.uint8)
        if cv2.erode(mine, _SMEAR, borderValue=0).any():
            continue
        around = cv2.dilate(mine, _OPENING) > mine
        if (groups[around] > 0).mean() >= _SMEAR_CONTACT:
            kept.ravel()[pixels] = 0
    return kept


def dish_bottoms(
    groups: NDArray[np.int32], surface: Surface, on_plane: NDArray[np.bool_]
) -> NDArray[np.int32]:
    """The low parts of plates and bowls, which do not stand out from the plane.

    They lie within the convex hull of an object and have its colour rather than the plane's:
    through a ring, and in the crook of a handle, one sees the plane.

    Args:
        groups: (h, w) int32, 0 for none, else one number an object.
        surface: their geometry and colour.
        on_plane: (h, w) bool, pixels on the plane.

    Returns:
        (h, w) int32: pixels on the plane with the number of the object they belong to, else 0.
    """
    bottoms = np.zeros_like(groups)
    parts, areas = _separate_parts(on_plane)
    areas[0] = parts.size  # what is not on the plane is no part
    for label, pixels in pixels_by_label(groups).items():
        rows, cols = np.divmod(pixels, groups.shape[1])
        window = (
            slice(max(0, rows.min() - _BESIDE), rows.max() + 1 + _BESIDE),
            slice(max(0, cols.min() - _BESIDE), cols.max() + 1 + _BESIDE),
        )
        mine = (groups[window] == label).astype(np.uint8)
        outline, _ = cv2.findContours(mine, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
        hull = cv2.fillConvexPoly(mine.copy(), cv2.convexHull(np.concatenate(outline)), 1)
        low = ((hull > mine) & on_plane[window]).view(np.uint8)
        beside = ((hull == 0) & on_plane[window]).view(np.uint8)
        if cv2.countNonZero(low) < _SMALLEST_BOTTOM or not beside.any():
            continue
        lab = surface.lab[window]
        plane_color = _mean_color(lab, beside)
        within = np.bincount(parts[window][low > 0], minlength=len(areas))
        for part in np.flatnonzero(within > _WITHIN_SHARE * areas):
            hole = low & cv2.dilate((parts[window] == part).view(np.uint8), _SPECK)
            if _distance(_mean_color(lab, hole), plane_color) > _HOLE_COLOR:
                bottoms[window][hole > 0] = label
        # Where a bottom is open to the plane, only its pixels tell which is which.
        colors = lab[low > 0]
        off_plane = _distance(colors, plane_color)
        off_object = _distance(colors, _mean_color(lab, mine))
        part = np.zeros_like(mine)
        part[low > 0] = (off_plane > _PLANE_COLOR) & (off_object < _OBJECT_COLOR * off_plane)
        part = cv2.morphologyEx(part, cv2.MORPH_OPEN, _OPENING)
        bottoms[window][part > 0] = label
    return bottoms


def _separate_parts(on_plane: NDArray[np.bool_]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Parts of the plane that no more than a bridge connects: their numbers (h, w), 0 for none.

    Also returns the pixels of each number.
    """
    opened = cv2.morphologyEx(on_plane.view(np.uint8), cv2.MORPH_OPEN, _SPECK)
    _, parts, stats, _ = cv2.connectedComponentsWithStats(opened)
    return parts, stats[:, cv2.CC_STAT_AREA].copy()


def _mean_color(lab: NDArray[np.float32], mask: NDArray[np.uint8]) -> NDArray[np.float32]:
    return np.array(cv2.mean(lab, mask)[:3], np.float32)


def _distance(colors: NDArray[np.float32], color: NDArray[np.float32]) -> NDArray[np.float32]:
    """Between colours (..., 3) and one (3,): (...)."""
    return np.sqrt(((colors - color) ** 2).sum(axis=-1))


def _color_off_plane(
    pixels: NDArray[np.intp], lab: NDArray[np.float32], plane_lab: NDArray[np.float32]
) -> float:
    """Mean difference of pixels, by index, from the plane's colour round their middle."""
    height, width = plane_lab.shape[:2]
    row, col = (int(place.mean()) // _COARSE for place in np.divmod(pixels, lab.shape[1]))
    some = pixels[:: max(1, len(pixels) // _COLOR_SAMPLES)]
    color = plane_lab[min(row, height - 1), min(col, width - 1)]
    return float(_distance(lab.reshape(-1, 3)[some], color).mean())
