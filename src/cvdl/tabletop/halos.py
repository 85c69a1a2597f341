"""Strips of the plane along an object's outline that have the object's depth.

A stereo camera compares windows of pixels, so what is beside an object in the picture gets its
depth too. In colour the outline is where it should be.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from cvdl.tabletop.labels import pixels_by_label
from cvdl.tabletop.surface import Surface

__all__ = ["find_halos"]

_WIDEST = 6  # pixels of the reduced image
_CORE = 4  # pixels from the outline at which an object is itself
_REACH = 8  # pixels within which the colours of the plane and of the object are asked
_FEWEST = 12  # pixels that tell a colour
#: Differences of colour (as in Surface.lab): a halo's from the plane is smaller, and its
#: difference from the object is greater by more than the margin.
_PLANE_COLOR, _MARGIN = 8.0, 10.0
_NARROWEST = np.ones((2, 2), np.uint8)  # narrower is what mixes both colours
_AROUND = np.ones((3, 3), np.uint8)


def find_halos(
    groups: NDArray[np.int32], surface: Surface, on_plane: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Pixels of objects that are the plane beside them, told by the colours of both.

    Args:
        groups: (h, w) int32, 0 for none, else one number an object.
        surface: their colour.
        on_plane: (h, w), pixels on the plane.

    Returns:
        (h, w): strips along the outlines, with the crumbs of an object that they cut off. An
        object without a core, a fork say, has none.
    """
    plane = on_plane & (groups == 0)
    plane_lab, of_plane = _colors_around(surface.lab, plane)
    off_plane = np.linalg.norm(surface.lab - plane_lab, axis=2)
    like_plane = (of_plane >= _FEWEST) & (off_plane < _PLANE_COLOR)
    halos = np.zeros(groups.shape, bool)
    for label, pixels in pixels_by_label(groups).items():
        window = _window_round(pixels, groups.shape)
        mine = groups[window] == label
        inwards = cv2.distanceTransform(mine.view(np.uint8), cv2.DIST_L2, 3)
        core = inwards > _CORE
        rim = mine & (inwards <= _WIDEST) & like_plane[window]
        if not (core.any() and rim.any()):
            continue
        lab = surface.lab[window]
        core_lab, of_core = _colors_around(lab, core)
        off_core = np.linalg.norm(lab - core_lab, axis=2)
        rim &= (of_core >= _FEWEST) & (off_core > off_plane[window] + _MARGIN)
        strips = cv2.morphologyEx(rim.view(np.uint8), cv2.MORPH_OPEN, _NARROWEST)
        strips = (cv2.dilate(strips, _AROUND) > 0) & rim
        strips = _parts_beside(strips, plane[window])
        rest = mine & ~strips
        crumbs = _parts_beside(rest, strips) & ~_parts_beside(rest, core)
        halos[window] |= strips | crumbs
    return halos


def _window_round(pixels: NDArray[np.intp], shape: tuple[int, ...]) -> tuple[slice, slice]:
    """Rows and columns of pixels, by index, with one more on each side."""
    rows, cols = np.divmod(pixels, shape[1])
    return (
        slice(max(0, rows.min() - 1), rows.max() + 2),
        slice(max(0, cols.min() - 1), cols.max() + 2),
    )


def _colors_around(
    lab: NDArray[np.float32], mask: NDArray[np.bool_]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean colour (h, w, 3) of the masked pixels round each place, and how many (h, w)."""
    window = (2 * _REACH + 1, 2 * _REACH + 1)
    weight = mask.astype(np.float32)
    count = cv2.boxFilter(weight, -1, window, normalize=False, borderType=cv2.BORDER_CONSTANT)
    total = cv2.boxFilter(
        lab * weight[..., None], -1, window, normalize=False, borderType=cv2.BORDER_CONSTANT
    )
    return total / np.maximum(count, 1)[..., None], count


def _parts_beside(mask: NDArray[np.bool_], others: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The connected parts of a mask (h, w) that overlap or adjoin other pixels."""
    number, parts = cv2.connectedComponents(mask.view(np.uint8), connectivity=4)
    is_beside = np.zeros(number, bool)
    is_beside[parts[cv2.dilate(others.view(np.uint8), _AROUND) > 0]] = True
    is_beside[0] = False
    return is_beside[parts]
