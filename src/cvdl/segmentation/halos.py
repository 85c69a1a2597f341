"""Strips of the plane along an object's outline that have the object's depth.

A stereo camera compares windows of pixels, so what is beside an object in the picture gets its
depth too. In colour the outline is where it should be.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from cvdl.core.compiled import compiled
from cvdl.segmentation.surface import Surface

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
    inwards = _distance_inwards(groups)
    count, total = _sums_around(surface.lab, plane)
    like_plane = _like_plane(groups, inwards, surface.lab, count, total)
    strips = cv2.morphologyEx(like_plane, cv2.MORPH_OPEN, _NARROWEST)
    strips = cv2.dilate(strips, _AROUND) & like_plane
    (halos,) = _parts_beside(strips > 0, plane)
    if not halos.any():
        return halos
    cut_off, whole = _parts_beside(standing & ~halos, halos, inwards > _CORE)
    return halos | (cut_off & ~whole)


def _sums_around(
    lab: NDArray[np.float32], mask: NDArray[np.bool_]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """How many masked pixels are round each place, (h, w), and the sum of their colours."""
    weight = mask.astype(np.float32)
    return tuple(
        cv2.boxFilter(
            values,
            -1,
            (2 * _REACH + 1, 2 * _REACH + 1),
            normalize=False,
            borderType=cv2.BORDER_CONSTANT,
        )
        for values in (weight, lab * weight[..., None])
    )


def _parts_beside(mask: NDArray[np.bool_], *others: NDArray[np.bool_]) -> list[NDArray[np.bool_]]:
    """The connected parts of a mask (h, w) that overlap or adjoin each of other pixels."""
    number, parts = cv2.connectedComponents(mask.view(np.uint8), connectivity=4)
    found = []
    for other in others:
        is_beside = np.zeros(number, bool)
        is_beside[parts[cv2.dilate(other.view(np.uint8), _AROUND) > 0]] = True
        is_beside[0] = False
        found.append(is_beside[parts])
    return found


@compiled()
def _distance_inwards(groups: NDArray[np.int32]) -> NDArray[np.float32]:
    """How far each object's pixels are from its outline, pixels: 1 for the first, 0 outside.

    Diagonal steps count 1.4; the image's edge is no outline.
    """
    rows, cols = groups.shape
    far = np.float32(rows + cols)
    distance = np.empty((rows, cols), np.float32)
    for forwards in (True, False):
        for step in range(rows):
            row = step if forwards else rows - 1 - step
            before = row - 1 if forwards else row + 1
            for place in range(cols):
                col = place if forwards else cols - 1 - place
                least = far if forwards else distance[row, col]
                for i, j, length in (
                    (before, col, 1.0),
                    (before, col - 1, 1.4),
                    (before, col + 1, 1.4),
                    (row, col - 1 if forwards else col + 1, 1.0),
                ):
                    if 0 <= i < rows and 0 <= j < cols:
                        same = groups[i, j] == groups[row, col]
                        least = min(least, np.float32((distance[i, j] if same else 0.0) + length))
                distance[row, col] = least if groups[row, col] else 0.0
    return distance


@compiled()
def _like_plane(
    groups: NDArray[np.int32],
    inwards: NDArray[np.float32],
    lab: NDArray[np.float32],
    count: NDArray[np.float32],
    total: NDArray[np.float32],
) -> NDArray[np.uint8]:
    """Pixels near an object's outline with the colour of the plane round them, not the object's.

    Args:
        groups: (h, w), 0 for none.
        inwards: (h, w), see ``_distance_inwards``.
        lab: (h, w, 3) colours.
        count: (h, w), pixels of the plane round each.
        total: (h, w, 3), the sum of their colours.
    """
    rows, cols = groups.shape
    found = np.zeros((rows, cols), np.uint8)
    for row in range(rows):
        for col in range(cols):
            group, pixels = groups[row, col], count[row, col]
            if group == 0 or inwards[row, col] > _WIDEST or pixels < _FEWEST:
                continue
            square = 0.0
            for channel in range(3):
                square += (lab[row, col, channel] - total[row, col, channel] / pixels) ** 2
            off_plane = math.sqrt(square)
            if off_plane >= _PLANE_COLOR:
                continue
            core, lightness, a, b = 0, 0.0, 0.0, 0.0
            for i in range(max(0, row - _REACH), min(rows, row + _REACH + 1)):
                for j in range(max(0, col - _REACH), min(cols, col + _REACH + 1)):
                    if groups[i, j] == group and inwards[i, j] > _CORE:
                        core += 1
                        lightness += lab[i, j, 0]
                        a += lab[i, j, 1]
                        b += lab[i, j, 2]
            if core < _FEWEST:
                continue
            off_core = math.sqrt(
                (lab[row, col, 0] - lightness / core) ** 2
                + (lab[row, col, 1] - a / core) ** 2
                + (lab[row, col, 2] - b / core) ** 2
            )
            if off_core > off_plane + _MARGIN:
                found[row, col] = 1
    return found
