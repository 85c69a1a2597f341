"""Pixels without a reading that an object surrounds: dark, shiny and transparent parts of it."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from cvdl.core.compiled import compiled

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
    empty = (~seen & (groups == 0)).view(np.uint8)
    count, holes, stats, _ = cv2.connectedComponentsWithStats(empty, connectivity=4)
    size = np.bincount(groups.ravel())
    votes = _votes(holes, groups, np.zeros((count, len(size)), np.int32))
    owner = votes.argmax(axis=1)
    surrounded = votes.max(axis=1) >= _SURROUNDED * votes.sum(axis=1)
    small = stats[:, cv2.CC_STAT_AREA] < _LARGEST * size[owner]
    owner[~(surrounded & small)] = 0
    return _filled(holes, groups, owner)


@compiled()
def _votes(holes, groups, votes):  # type: ignore[no-untyped-def]
    """How many pixels along each hole's outline each group has."""
    rows, cols = holes.shape
    for i in range(rows):
        for j in range(cols):
            if not holes[i, j]:
                continue
            for a, b in ((i - 1, j), (i + 1, j), (i, j - 1), (i, j + 1)):
                if 0 <= a < rows and 0 <= b < cols and not holes[a, b]:
                    votes[holes[i, j], groups[a, b]] += 1
    return votes


@compiled()
def _filled(holes, groups, owner):  # type: ignore[no-untyped-def]
    filled = groups.copy()
    rows, cols = holes.shape
    for i in range(rows):
        for j in range(cols):
            if holes[i, j]:
                filled[i, j] = owner[holes[i, j]]
    return filled
