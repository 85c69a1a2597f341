"""Strips of the plane along an object's outline that have the object's depth.

A stereo camera compares windows of pixels, so what is beside an object in the picture gets its
depth too. In colour the outline is where it should be.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

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
    standing = groups > 0
    plane = on_plane & ~standing
    inwards = cv2.distanceTransform(standing.view(np.uint8), cv2.DIST_L2, 3)
    core = inwards > _CORE
    rim = np.nonzero(standing & (inwards <= _WIDEST))
    plane_lab, of_plane = _colors_around(surface.lab, plane, rim)
    core_lab, of_core = _colors_around(surface.lab, core, rim)
    off_plane = np.linalg.norm(surface.lab[rim] - plane_lab, axis=1)
    off_core = np.linalg.norm(surface.lab[rim] - core_lab, axis=1)
    like_plane = np.zeros(groups.shape, np.uint8)
    like_plane[rim] = (
        (np.minimum(of_plane, of_core) >= _FEWEST)
        & (off_plane < _PLANE_COLOR)
        & (off_core > off_plane + _MARGIN)
    )
    strips = cv2.morphologyEx(like_plane, cv2.MORPH_OPEN, _NARROWEST)
    strips = cv2.dilate(strips, _AROUND) & like_plane
    halos = _parts_beside(strips > 0, plane)
    rest = standing & ~halos
    crumbs = _parts_beside(rest, halos) & ~_parts_beside(rest, core)
    return halos | crumbs


def _colors_around(
    lab: NDArray[np.float32], mask: NDArray[np.bool_], places: tuple[NDArray[np.intp], ...]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean colour (N, 3) of the masked pixels round each place, and how many they are (N,)."""
    window = (2 * _REACH + 1, 2 * _REACH + 1)
    weight = mask.astype(np.float32)
    count = cv2.boxFilter(weight, -1, window, normalize=False)[places]
    total = cv2.boxFilter(lab * weight[..., None], -1, window, normalize=False)[places]
    return total / np.maximum(count, 1)[:, None], count


def _parts_beside(mask: NDArray[np.bool_], others: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The connected parts of a mask (h, w) that overlap or adjoin other pixels."""
    number, parts = cv2.connectedComponents(mask.view(np.uint8), connectivity=4)
    is_beside = np.zeros(number, bool)
    is_beside[parts[cv2.dilate(others.view(np.uint8), _AROUND) > 0]] = True
    is_beside[0] = False
    return is_beside[parts]
