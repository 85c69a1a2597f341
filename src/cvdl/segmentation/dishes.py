"""Dishes: vessels and plates, whose bottom does not stand out from the plane they stand on."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from cvdl.core.scene import Plane
from cvdl.segmentation.labels import pixels_by_label, rank
from cvdl.segmentation.plane_color import PLANE_COLOR, color_distance, color_off_plane
from cvdl.segmentation.surface import Surface

__all__ = ["dish_bottoms", "join_rims"]

#: A vessel's bottom, pixels of the reduced image; and what share of the plane's.
_LEAST_BOTTOM = 20
_MOST_BOTTOM = 0.3
_MOST_EXTENT = 0.6  # of the plane's, along each axis of the image: larger is a bin, not a dish
_WALL_REACH = 1.5  # from the bottom's outline, of its radius: seen from above, the wall is there
_LEAST_REACH = 4
_PIECE_SHARE = 0.6  # of a piece of the wall: within that reach
_INNER_SHARE = 0.25  # of what is within the bottom's hull: more of it, and it lies in the vessel
_RIM_LEVEL = 0.01  # metres between the tops of two pieces of one rim
_SMALLEST_BOTTOM = 12  # pixels of the reduced image: smaller ones are noise
_WITHIN_SHARE = 0.8  # of a part of the plane: within an object's hull, it may be its bottom
_HOLE_COLOR = 8.0  # difference from the plane's colour beside the object from which it is
_OBJECT_COLOR = 0.7  # nearer to the object's colour than to the plane's by this factor
_BESIDE = 16  # pixels of the reduced image: the plane beside an object has the light of there
_OPENING = np.ones((5, 5), np.uint8)
_SPECK = np.ones((3, 3), np.uint8)


def join_rims(
    groups: NDArray[np.int32],
    surface: Surface,
    plane: Plane,
    plane_parts: tuple[NDArray[np.int32], NDArray[np.int32]],
    above: NDArray[np.bool_],
    plane_lab: NDArray[np.float32],
) -> NDArray[np.int32]:
    """Makes the wall of a vessel seen from above one object.

    Its bottom is a part of the plane's pixels apart from the others, and has not the plane's
    colour. Round it lie pieces of the wall, between gaps in the depth. Those that end at one height
    are one, with all that stands above the plane between them; what lies in the vessel reaches over
    the bottom.

    Args:
        groups: (h, w) int32, 0 for none, else one number an object.
        surface: their geometry and colour.
        plane: the support plane.
        plane_parts: of the pixels on the plane, of ``plane_parts``.
        above: (h, w) bool, pixels above the plane.
        plane_lab: the plane's colour, of ``plane_color``.

    Returns:
        (h, w) int32, as ``groups``, with one number for all pieces of a wall.
    """
    joined = groups.copy()
    size = np.bincount(joined.ravel())
    parts, areas = plane_parts
    for part in np.flatnonzero((areas >= _LEAST_BOTTOM) & (areas <= _MOST_BOTTOM * areas.max())):
        pixels = np.flatnonzero(parts == part)
        if color_off_plane(pixels, surface.lab, plane_lab) < _HOLE_COLOR:
            continue
        reach = int(max(_LEAST_REACH, _WALL_REACH * (len(pixels) / np.pi) ** 0.5))
        window = _window_round(pixels, parts.shape[1], reach)
        bottom = (parts[window] == part).view(np.uint8)
        disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
        near = cv2.dilate(bottom, disc) > 0
        here = joined[window]
        within = np.bincount(here[near], minlength=len(size))
        inner = np.bincount(here[_convex_hull(bottom) > 0], minlength=len(size))
        pieces = (within > _PIECE_SHARE * size) & (inner < _INNER_SHARE * size)
        pieces[0] = False
        if not pieces.any():
            continue
        wall = int(np.where(pieces, within, 0).argmax())
        height = plane.height(surface.points[window])
        rim = rank(height[here == wall], 0.95)
        for piece in np.flatnonzero(pieces):
            if abs(rank(height[here == piece], 0.95) - rim) < _RIM_LEVEL:
                here[here == piece] = wall
        here[near & above[window] & (here == 0)] = wall
        size = np.bincount(joined.ravel(), minlength=len(size))
    return joined


def dish_bottoms(
    groups: NDArray[np.int32],
    surface: Surface,
    on_plane: NDArray[np.bool_],
    plane_parts: tuple[NDArray[np.int32], NDArray[np.int32]],
    plane_area: float,
    plane_size: tuple[int, int],
) -> NDArray[np.int32]:
    """The low parts of plates and bowls, which do not stand out from the plane.

    They lie within the convex hull of an object and have its colour rather than the plane's:
    through a ring, and in the crook of a handle, one sees the plane. The large bottom of a bin or a
    tray is a support, not a dish's.

    Args:
        groups: (h, w) int32, 0 for none, else one number an object.
        surface: their geometry and colour.
        on_plane: (h, w) bool, pixels on the plane.
        plane_parts: of these, of ``plane_parts``.
        plane_area: all that is seen of the plane, pixels of the reduced image.
        plane_size: width and height of what is seen of the plane, pixels of the full image.

    Returns:
        (h, w) int32: pixels on the plane with the number of the object they belong to, else 0.
    """
    bottoms = np.zeros_like(groups)
    parts, areas = plane_parts
    most = _MOST_BOTTOM * plane_area
    for label, pixels in pixels_by_label(groups).items():
        window = _window_round(pixels, groups.shape[1], _BESIDE)
        mine = (groups[window] == label).astype(np.uint8)
        _, _, *size = cv2.boundingRect(mine)
        if max(np.array(size) * surface.factor / plane_size) > _MOST_EXTENT:
            continue
        hull = _convex_hull(mine)
        low = ((hull > mine) & on_plane[window]).view(np.uint8)
        beside = ((hull == 0) & on_plane[window]).view(np.uint8)
        if cv2.countNonZero(low) < _SMALLEST_BOTTOM or not beside.any():
            continue
        lab = surface.lab[window]
        plane_color = _mean_color(lab, beside)
        bottom = np.zeros_like(mine)
        within = np.bincount(parts[window][low > 0], minlength=len(areas))
        within[0] = 0
        for part in np.flatnonzero(within > _WITHIN_SHARE * areas):
            hole = low & cv2.dilate((parts[window] == part).view(np.uint8), _SPECK)
            if color_distance(_mean_color(lab, hole), plane_color) > _HOLE_COLOR:
                bottom |= hole
        # Where a bottom is open to the plane, only its pixels tell which is which.
        colors = lab[low > 0]
        off_plane = color_distance(colors, plane_color)
        off_object = color_distance(colors, _mean_color(lab, mine))
        open_part = np.zeros_like(mine)
        open_part[low > 0] = (off_plane > PLANE_COLOR) & (off_object < _OBJECT_COLOR * off_plane)
        bottom |= cv2.morphologyEx(open_part, cv2.MORPH_OPEN, _OPENING)
        if cv2.countNonZero(bottom) <= most:
            bottoms[window][bottom > 0] = label
    return bottoms


def _window_round(pixels: NDArray[np.intp], width: int, margin: int) -> tuple[slice, slice]:
    """Rows and columns of pixels, by index, with a margin."""
    rows, cols = np.divmod(pixels, width)
    return (
        slice(max(0, rows.min() - margin), rows.max() + 1 + margin),
        slice(max(0, cols.min() - margin), cols.max() + 1 + margin),
    )


def _convex_hull(mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """What is set in (h, w), 0 or 1, and all between."""
    outline, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    hull: NDArray[np.uint8] = cv2.fillConvexPoly(
        mask.copy(), cv2.convexHull(np.concatenate(outline)), 1
    )
    return hull


def _mean_color(lab: NDArray[np.float32], mask: NDArray[np.uint8]) -> NDArray[np.float32]:
    return np.array(cv2.mean(lab, mask)[:3], np.float32)
