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

__all__ = ["dish_bottoms", "keep_objects", "remove_lifted_plane"]

_ON_PLANE_SHARE = 0.4  # of an object: the rest may hang over the edge
_THINNING = 4  # a quarter of the points tells where an object stands
_PLANE_COLOR = 7.0  # difference (as in Surface.lab) up to which a colour is the plane's
_WAVE_HEIGHT = 0.018  # metres: a stereo camera's waves over a flat plane stay under this
_SKIRT_CURVATURE = -2.0  # degrees: the smear between an object and the plane is concave
_SMALLEST_HOLE = 12  # pixels of the reduced image: smaller ones are noise
_SKIRT_PIXELS = 150  # pixels of the reduced image
_COARSE = 4  # pixels of the reduced image
_COLOR_WINDOW = 15  # coarse pixels


def remove_lifted_plane(
    regions: NDArray[np.int32],
    surface: Surface,
    plane: Plane,
    on_plane: NDArray[np.bool_],
) -> NDArray[np.int32]:
    """Removes regions that are the plane itself, lifted by errors of the depth.

    They have the plane's colour, and are low (waves) or small and concave (the smear of a stereo
    camera between an object and the plane behind it).

    Args:
        regions: (h, w) int32, 0 for none, else one number a region.
        surface: their geometry and colour.
        plane: the support plane.
        on_plane: (h, w) bool, pixels on the plane.

    Returns:
        (h, w) int32, as ``regions``, with 0 where a region was removed.
    """
    where = np.flatnonzero(regions)
    label = regions.ravel()[where]
    area = np.maximum(np.bincount(label, minlength=1), 1)

    def mean(values: NDArray) -> NDArray[np.float64]:
        return np.bincount(label, values) / area

    rows, cols = (mean(index) for index in np.divmod(where, regions.shape[1]))
    plane_color = _local_plane_color(surface.lab, on_plane, rows, cols)
    off_color = surface.lab.reshape(-1, 3)[where] - plane_color[label]
    difference = mean(np.sqrt((off_color**2).sum(axis=1)))
    curvature = mean(surface.curvature.ravel()[where])
    height = plane.height(surface.points.reshape(-1, 3)[where])
    keep = np.ones(len(area), bool)
    for candidate in np.flatnonzero(difference[1:] < _PLANE_COLOR) + 1:
        is_wave = rank(height[label == candidate], 0.95) < _WAVE_HEIGHT
        is_skirt = area[candidate] < _SKIRT_PIXELS and curvature[candidate] < _SKIRT_CURVATURE
        keep[candidate] = not is_wave and not is_skirt
    return np.where(keep[regions], regions, 0)


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
    kept = np.zeros_like(groups)
    for label, pixels in pixels_by_label(groups).items():
        mine = points[pixels[::_THINNING]]
        if (
            rank(support.plane.height(mine), 0.95) >= min_height
            and support.carries(mine, camera).mean() >= _ON_PLANE_SHARE
        ):
            kept.ravel()[pixels] = label
    return kept


def dish_bottoms(
    groups: NDArray[np.int32], surface: Surface, on_plane: NDArray[np.bool_]
) -> NDArray[np.int32]:
    """The middle of plates and bowls, which lies too low to stand out from the plane.

    It is a hole in an object whose colour is not the plane's: through a ring one sees the plane.

    Args:
        groups: (h, w) int32, 0 for none, else one number an object.
        surface: their geometry and colour.
        on_plane: (h, w) bool, pixels on the plane.

    Returns:
        (h, w) int32: pixels on the plane with the number of the object they belong to, else 0.
    """
    bottoms = np.zeros_like(groups)
    for label, pixels in pixels_by_label(groups).items():
        rows, cols = np.divmod(pixels, groups.shape[1])
        window = slice(rows.min(), rows.max() + 1), slice(cols.min(), cols.max() + 1)
        mine = (groups[window] == label).astype(np.uint8)
        outline, _ = cv2.findContours(mine, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
        whole = cv2.drawContours(mine.copy(), outline, -1, 1, cv2.FILLED)
        hole = (whole > mine) & on_plane[window]
        if hole.sum() < _SMALLEST_HOLE:
            continue
        outside = on_plane.copy()
        outside[window] &= whole == 0
        middle = (np.array([values.mean()]) for values in (rows, cols))
        plane_color = _local_plane_color(surface.lab, outside, *middle)
        if np.linalg.norm(surface.lab[window][hole].mean(axis=0) - plane_color) > _PLANE_COLOR:
            bottoms[window][hole] = label
    return bottoms


def _local_plane_color(
    lab: NDArray[np.float32],
    on_plane: NDArray[np.bool_],
    rows: NDArray[np.float64],
    cols: NDArray[np.float64],
) -> NDArray[np.float32]:
    """Mean colour (N, 3) of the plane round each of N places: light differs over a table."""
    coarse = slice(_COARSE // 2, None, _COARSE), slice(_COARSE // 2, None, _COARSE)
    weight = on_plane[coarse].astype(np.float32)
    if not weight.any():
        return np.full((len(rows), 3), np.inf, np.float32)  # no colour is the plane's
    window = (_COLOR_WINDOW, _COLOR_WINDOW)
    total = cv2.blur(lab[coarse] * weight[..., None], window)
    mean = total / np.maximum(cv2.blur(weight, window), 1e-6)[..., None]
    row = np.minimum(rows.astype(int) // _COARSE, len(mean) - 1)
    col = np.minimum(cols.astype(int) // _COARSE, mean.shape[1] - 1)
    return mean[row, col]
