"""Pixels without a reading that an object surrounds: dark, shiny and transparent parts of it."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["fill_holes"]

_SURROUNDED = 0.75  # of a hole's outline
_LARGEST = 0.5  # of the object's area


def fill_holes(groups: NDArray[np.int32], seen: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Gives each hole in the depth to the object that surrounds it.

    Args:
        groups: (H, W) int32, 0 for none, else one number an object.
        seen: (H, W) bool, where there is a reading.

    Returns:
        (H, W) int32, as ``groups``, with the numbers in the holes.
    """
    filled = groups.copy()
    empty = (~seen & (groups == 0)).view(np.uint8)
    _, holes, stats, _ = cv2.connectedComponentsWithStats(empty, connectivity=4)
    size = np.bincount(groups.ravel())
    size[0] = 0
    for hole in 1 + np.flatnonzero(stats[1:, cv2.CC_STAT_AREA] < _LARGEST * size.max()):
        x, y, width, height, area = stats[hole]
        window = np.s_[max(0, y - 1) : y + height + 1, max(0, x - 1) : x + width + 1]
        mine = (holes[window] == hole).view(np.uint8)
        around = groups[window][cv2.dilate(mine, np.ones((3, 3), np.uint8)) > mine]
        if not len(around):
            continue
        votes = np.bincount(around)
        group = int(votes.argmax())
        if group and votes[group] >= _SURROUNDED * len(around) and area < _LARGEST * size[group]:
            filled[window][mine > 0] = group
    return filled
