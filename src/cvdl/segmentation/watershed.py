"""Smooth regions: the surface cut along depth steps, sharp concave creases and color edges.

A marker-controlled watershed: pixels far from any cut are the markers, and grow in order of the
strength of the cuts, so that a border settles on the sharpest line and a gap in it does not leak.
Unnecessary cuts (a print on a box, the neck of a handle) are removed by ``borders.py``.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from cvdl.core.compiled import compiled
from cvdl.segmentation.labels import Labels, areas_of, connected_parts
from cvdl.segmentation.surface import Surface

__all__ = ["CREASE_ANGLE", "watershed_regions"]

#: A sharper concave crease cuts, degrees. The inside of a bowl of 5 cm radius bends by 28 degrees
#: over the two compared windows; a box on a box by 90.
CREASE_ANGLE = 28.0
#: Pixels between a marker and the nearest cut, in wide parts and in narrow parts. A gap in a crease
#: narrower than twice the first does not join wide parts on its sides.
_WIDE = 6.0
_CLEAR = 1.0
_MIN_MARKER = 6  # pixels of a narrow part; smaller scraps are noise
_COLOR_EDGE = 16.0  # difference of neighboring pixels (of Surface.lab, sharpened) that cuts
_MIN_PIXELS = 8  # smaller scraps are noise
_STEP_STRENGTH = 4.0  # of a depth step; 1 is the weakest cut
_LEVELS = 48  # of strength in the watershed


def watershed_regions(surface: Surface) -> Labels:
    """Cuts the surface into smooth regions of one color: (h, w) int32, 0 for none."""
    colors = _sharpened(surface.lab, surface.valid)
    strength = _cut_strength(surface.valid, surface.concavity, surface.steps, colors)
    labels, count = _markers((surface.valid & (strength < 1)).astype(np.uint8))
    count = _flood(labels, surface.valid, strength, surface.steps, count)
    keep = areas_of(labels, count + 1) >= _MIN_PIXELS
    return np.where(keep, np.cumsum(keep), 0).astype(np.int32)[labels]


def _sharpened(lab: NDArray[np.float32], valid: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Valid colors (h, w, 3) without the camera's blur: small objects keep an inside without cuts.

    The filter of Kuwahara et al. (1976): the mean of the block with the least variance, of the four
    blocks of 3x3 with the pixel in a corner.
    """
    mean = cv2.blur(lab, (3, 3), borderType=cv2.BORDER_REPLICATE)
    square = cv2.blur(_squared(lab), (3, 3), borderType=cv2.BORDER_REPLICATE)
    return np.asarray(_choose_blocks(mean, square - _squared(mean), valid))


@compiled()
def _squared(lab):  # type: ignore[no-untyped-def]
    """The squared length of each color: (h, w)."""
    square = np.empty(lab.shape[:2], np.float32)
    for i in range(lab.shape[0]):
        for j in range(lab.shape[1]):
            square[i, j] = lab[i, j, 0] ** 2 + lab[i, j, 1] ** 2 + lab[i, j, 2] ** 2
    return square


@compiled()
def _choose_blocks(mean, variance, valid):  # type: ignore[no-untyped-def]
    rows, cols = variance.shape
    chosen = np.zeros_like(mean)
    for i in range(rows):
        above, below = max(i - 1, 0), min(i + 1, rows - 1)
        for j in range(cols):
            if not valid[i, j]:
                continue
            left, right = max(j - 1, 0), min(j + 1, cols - 1)
            upper = left if variance[above, left] < variance[above, right] else right
            lower = left if variance[below, left] < variance[below, right] else right
            a, b = (
                (above, upper)
                if variance[above, upper] < variance[below, lower]
                else (below, lower)
            )
            for channel in range(3):  # a slice would allocate an object, and is slow
                chosen[i, j, channel] = mean[a, b, channel]
    return chosen


def _markers(flat: NDArray[np.uint8]) -> tuple[Labels, int]:
    """A marker for every wide part, and one for each part that is narrow everywhere."""
    distance = cv2.distanceTransform(flat, cv2.DIST_L2, 3)
    markers = distance >= _WIDE
    parts, areas = connected_parts(distance >= _CLEAR)
    is_wide = np.zeros(len(areas), bool)
    is_wide[parts[markers]] = True
    is_narrow = ~is_wide & (areas >= _MIN_MARKER)
    labels, sizes = connected_parts(markers | is_narrow[parts])
    return labels, len(sizes) - 1


@compiled()
def _cut_strength(valid, concavity, steps, lab):  # type: ignore[no-untyped-def]
    """The strength of each pixel as a cut; 1 or more is a cut."""
    rows, cols = valid.shape
    strength = concavity / np.float32(CREASE_ANGLE)
    for i in range(rows):
        for j in range(cols):
            for k in range(2):
                a, b = i + k, j + 1 - k
                if a == rows or b == cols or not valid[i, j] or not valid[a, b]:
                    continue
                if steps[i, j, k] != 0:
                    cut = np.float32(_STEP_STRENGTH)
                else:
                    difference = np.float32(0.0)
                    for c in range(3):
                        difference += (lab[i, j, c] - lab[a, b, c]) ** 2
                    cut = math.sqrt(difference) / np.float32(_COLOR_EDGE)
                strength[i, j] = max(strength[i, j], cut)
                strength[a, b] = max(strength[a, b], cut)
    return strength


@compiled()
def _flood(labels, valid, strength, steps, count):  # type: ignore[no-untyped-def]
    """Grows the markers by increasing cut strength, in place, never across a step.

    A pixel that no marker reaches starts a new region. Returns the number of regions.
    """
    rows, cols = valid.shape
    # One queue per level, as linked lists through `following`: the weakest cut comes first.
    queue = np.full(_LEVELS, -1, np.int32)
    following = np.full(rows * cols, -1, np.int32)
    for i in range(rows):
        for j in range(cols):
            if labels[i, j] == 0:
                continue
            for a, b in ((i, j + 1), (i + 1, j), (i, j - 1), (i - 1, j)):
                # Those inside of a marker have nowhere to grow.
                if 0 <= a < rows and 0 <= b < cols and valid[a, b] and labels[a, b] == 0:
                    following[i * cols + j] = queue[0]
                    queue[0] = i * cols + j
                    break
    level = 0
    unseen = 0
    while True:
        while level < _LEVELS and queue[level] < 0:
            level += 1
        if level == _LEVELS:
            while unseen < rows * cols and not (
                valid[unseen // cols, unseen % cols] and labels[unseen // cols, unseen % cols] == 0
            ):
                unseen += 1
            if unseen == rows * cols:
                return count
            count += 1
            labels[unseen // cols, unseen % cols] = count
            following[unseen] = queue[0]
            queue[0] = unseen
            level = 0
        p = queue[level]
        queue[level] = following[p]
        i = p // cols
        j = p - i * cols
        for k in range(4):  # right, down, left, up
            a = i + (1 if k == 1 else (-1 if k == 3 else 0))
            b = j + (1 if k == 0 else (-1 if k == 2 else 0))
            if a < 0 or b < 0 or a >= rows or b >= cols or not valid[a, b] or labels[a, b] > 0:
                continue
            step = steps[i, j, k] if k < 2 else steps[a, b, k - 2]
            if step != 0:
                continue
            labels[a, b] = labels[i, j]
            to = min(_LEVELS - 1, int(strength[a, b] * _LEVELS / _STEP_STRENGTH))
            following[a * cols + b] = queue[to]
            queue[to] = a * cols + b
            level = min(level, to)
