"""Dishes: vessels and plates, whose bottom does not rise from the plane they stand on."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from cvdl.segmentation.colors import color_distance
from cvdl.segmentation.labels import Labels, quantile, window_around
from cvdl.segmentation.tabletop import PLANE_COLOR, Tabletop

__all__ = ["dish_bottoms", "join_rims"]

#: Bottom of a vessel: least pixels of the reduced image, and greatest share of the plane.
_MIN_BOTTOM = 20
_MAX_BOTTOM = 0.3
_MAX_EXTENT = 0.6  # of the plane, along each axis of the image: a larger object is a bin
_WALL_REACH = 1.5  # from the outline of the bottom, in its radii: the wall, seen from above
_MIN_REACH = 4
_PIECE_SHARE = 0.6  # of a piece of the wall: within that reach
_INNER_SHARE = 0.25  # of a piece, within the hull of the bottom: with more it lies in the vessel
_RIM_LEVEL = 0.01  # meters between the tops of two pieces of one rim
_MIN_HOLE = 12  # pixels of the reduced image: smaller bottoms are noise
_WITHIN_SHARE = 0.8  # of a part of the plane, within the hull of an object: may be its bottom
_HOLE_COLOR = 8.0  # least color difference of a bottom from the plane beside the object
_OBJECT_COLOR = 0.7  # color distance from the object, in distances from the plane
_BESIDE = 16  # pixels of the reduced image: the plane beside an object has the same light
_OPENING = np.ones((5, 5), np.uint8)
_SPECK = np.ones((3, 3), np.uint8)


def join_rims(labels: Labels, table: Tabletop) -> Labels:
    """Joins the wall of a vessel seen from above into one object.

    The bottom of the vessel is a separate part of the plane's pixels, of another color than the
    plane. The pieces of the wall lie around it, between gaps in the depth. Pieces that end at the
    same height are one object, with all pixels above the plane between them. An object in the
    vessel extends over the bottom, and stays separate.
    """
    joined = labels.copy()
    size = np.bincount(joined.ravel())
    parts, areas = table.low_parts
    for part in np.flatnonzero((areas >= _MIN_BOTTOM) & (areas <= _MAX_BOTTOM * areas.max())):
        mine = parts == part
        pixels = np.flatnonzero(mine)
        if table.color_off_plane(pixels) < _HOLE_COLOR:
            continue
        reach = int(max(_MIN_REACH, _WALL_REACH * (len(pixels) / np.pi) ** 0.5))
        window = window_around(mine, reach)
        bottom = mine[window].view(np.uint8)
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
        height = table.support.plane.height(table.surface.points[window])
        rim = quantile(height[here == wall], 0.95)
        for piece in np.flatnonzero(pieces):
            if abs(quantile(height[here == piece], 0.95) - rim) < _RIM_LEVEL:
                here[here == piece] = wall
        here[near & table.above[window] & (here == 0)] = wall
        size = np.bincount(joined.ravel(), minlength=len(size))
    return joined


def dish_bottoms(labels: Labels, table: Tabletop) -> Labels:
    """The low parts of plates and bowls, which do not rise from the plane.

    They lie within the convex hull of an object, and their color is closer to the object than to
    the plane: the plane is visible through a ring, and within a handle. The large bottom of a bin
    or a tray is a support, not the bottom of a dish.

    Returns:
        (h, w) int32: the label of the object for pixels of its bottom, 0 elsewhere.
    """
    bottoms = np.zeros_like(labels)
    parts, areas = table.low_parts
    for label in np.unique(labels[labels > 0]):
        window = window_around(labels == label, _BESIDE)
        mine = (labels[window] == label).view(np.uint8)
        _, _, *size = cv2.boundingRect(mine)
        if max(np.array(size) * table.surface.factor / table.support.size) > _MAX_EXTENT:
            continue
        hull = _convex_hull(mine)
        low = ((hull > mine) & table.low[window]).view(np.uint8)
        beside = ((hull == 0) & table.low[window]).view(np.uint8)
        if cv2.countNonZero(low) < _MIN_HOLE or not beside.any():
            continue
        lab = table.surface.lab[window]
        plane_color = _mean_color(lab, beside)
        bottom = np.zeros_like(mine)
        within = np.bincount(parts[window][low > 0], minlength=len(areas))
        within[0] = 0
        for part in np.flatnonzero(within > _WITHIN_SHARE * areas):
            hole = low & cv2.dilate((parts[window] == part).view(np.uint8), _SPECK)
            if color_distance(_mean_color(lab, hole), plane_color) > _HOLE_COLOR:
                bottom |= hole
        # Where a bottom is connected to the plane, only the colors of the pixels differ.
        colors = lab[low > 0]
        off_plane = color_distance(colors, plane_color)
        off_object = color_distance(colors, _mean_color(lab, mine))
        open_part = np.zeros_like(mine)
        open_part[low > 0] = (off_plane > PLANE_COLOR) & (off_object < _OBJECT_COLOR * off_plane)
        bottom |= cv2.morphologyEx(open_part, cv2.MORPH_OPEN, _OPENING)
        if cv2.countNonZero(bottom) <= _MAX_BOTTOM * table.plane_area:
            bottoms[window][bottom > 0] = label
    return bottoms


def _convex_hull(mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The convex hull of a mask (h, w), 0 or 1."""
    outline, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    hull: NDArray[np.uint8] = cv2.fillConvexPoly(
        mask.copy(), cv2.convexHull(np.concatenate(outline)), 1
    )
    return hull


def _mean_color(lab: NDArray[np.float32], mask: NDArray[np.uint8]) -> NDArray[np.float32]:
    return np.array(cv2.mean(lab, mask)[:3], np.float32)
