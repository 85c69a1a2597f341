"""Smooth regions: the surface cut along depth steps, sharp concave creases and colour edges.

A marker-controlled watershed: pixels well away from any cut are the markers, and grow over the
strength of the cuts, so that a border settles on the sharpest line and a gap in it does not leak.
What is cut too often (a print on a box, a handle's neck) is joined again by `borders.py`.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from cvdl.core.compiled import compiled
from cvdl.segmentation.surface import Surface

__all__ = ["CREASE_ANGLE", "watershed_regions"]

#: A concave crease sharper than this cuts, degrees. The inside of a bowl of 5 cm radius bends by
#: 28 degrees over the two windows compared; a box on a box by 90.
CREASE_ANGLE = 28.0
#: Pixels between a marker and the nearest cut: of what is wide, and of what is not. A gap in a
#: crease narrower than twice the wide one does not join what lies on its sides, where these are
#: wide themselves.
_WIDE = 6.0
_CLEAR = 1.0
_LEAST_MARKER = 6  # pixels of what is nowhere wide; smaller scraps are noise
_COLOR_EDGE = 16.0  # difference of neighbouring pixels (as in Surface.lab, sharpened) that cuts
_MIN_PIXELS = 8  # smaller scraps are noise
_STEP_STRENGTH = 4.0  # of a depth step; 1 is just a cut
_LEVELS = 48  # of strength in the watershed


def watershed_regions(surface: Surface) -> NDArray[np.int32]:
    """Cuts the surface into smooth regions of one colour: (h, w) int32, 0 for none."""
    colors = _sharpened(surface.lab, surface.valid)
    strength = _cut_strength(surface.valid, surface.concavity, surface.steps, colors)
    labels, count = _markers((surface.valid & (strength < 1)).astype(np.uint8))
    count = _flood(labels, surface.valid, strength, surface.steps, count)
    area = np.bincount(labels.ravel(), minlength=count + 1)
    area[0] = 0
    keep = area >= _MIN_PIXELS
    return np.where(keep, np.cumsum(keep), 0).astype(np.int32)[labels]


def _sharpened(lab: NDArray[np.float32], valid: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Valid colours (h, w, 3) without the camera's blur: small things keep an inside free of cuts.

    By the filter of Kuwahara et al. (1976): of the four blocks of 3x3 with the pixel in a corner,
    the mean of the one whose colours vary least.
    """
    mean = cv2.blur(lab, (3, 3), borderType=cv2.BORDER_REPLICATE)
    energy = np.einsum("ijk,ijk->ij", lab, lab)
    energy = cv2.blur(energy, (3, 3), borderType=cv2.BORDER_REPLICATE)
    return _choose_blocks(mean, energy - np.einsum("ijk,ijk->ij", mean, mean), valid)


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
            for channel in range(3):  # a row at once would be an object, and slow
                chosen[i, j, channel] = mean[a, b, channel]
    return chosen


def _markers(flat: NDArray[np.uint8]) -> tuple[NDArray[np.int32], int]:
    """A marker for every wide part, and one for what is nowhere wide."""
    distance = cv2.distanceTransform(flat, cv2.DIST_L2, 3)
    markers = distance >= _WIDE
    parts = cv2.connectedComponents((distance >= _CLEAR).astype(np.uint8), connectivity=4)[1]
    marked = np.bincount(parts.ravel(), markers.ravel()) > 0
    narrow = ~marked & (np.bincount(parts.ravel()) >= _LEAST_MARKER)
    narrow[0] = False
    count, labels = cv2.connectedComponents(
        (markers | narrow[parts]).astype(np.uint8), connectivity=4
    )
    return labels, count - 1


@compiled()
def _cut_strength(valid, concavity, steps, lab):  # type: ignore[no-untyped-def]
    """How much a pixel looks like a cut; 1 and more is one."""
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
    """Grows the markers over the cut strength, in place, never across a step.

    A pixel that no marker reaches starts a region of its own. Returns the number of regions.
    """
    rows, cols = valid.shape
    # A queue a level, as linked lists through `following`: the least sharp pixel comes first.
    queue = np.full(_LEVELS, -1, np.int32)
    following = np.full(rows * cols, -1, np.int32)
    for p in range(rows * cols):
        if labels[p // cols, p % cols] > 0:
            following[p] = queue[0]
            queue[0] = p
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
        i, j = p // cols, p % cols
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
