"""Smooth regions: the surface cut along depth steps and sharp concave creases.

A marker-controlled watershed: pixels well away from any cut are the markers, and grow over the
crease strength, so that a border settles on the sharpest line and a gap in a crease does not leak.
What is cut too often (a handle's neck) is joined again by `grouping.py`.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import cv2
import numpy as np
from numba import njit
from numpy.typing import NDArray

from cvdl.tabletop.surface import Surface

__all__ = ["CREASE_ANGLE", "Border", "Regions", "watershed_regions"]

#: A concave crease sharper than this cuts, degrees. The inside of a bowl of 5 cm radius bends by
#: 28 degrees over the two windows compared; a box on a box by 90.
CREASE_ANGLE = 32.0
_MARKER_DISTANCE = 2.0  # pixels between a marker and the nearest cut
_MIN_PIXELS = 8  # smaller scraps are noise
_LEVELS = 46
_DEGREES_PER_LEVEL = 4.0


@dataclass
class Border:
    """Pixel pairs along the border from one region to another, by what separates them."""

    length: int = 0
    concave: int = 0
    in_front: int = 0  # this region's side of a depth step is the nearer
    behind: int = 0

    @property
    def open(self) -> int:
        """Pairs that nothing separates."""
        return self.length - self.concave - self.in_front - self.behind

    def __add__(self, other: Border) -> Border:
        return Border(
            self.length + other.length,
            self.concave + other.concave,
            self.in_front + other.in_front,
            self.behind + other.behind,
        )

    def reversed(self) -> Border:
        """The same border seen from the other region."""
        return Border(self.length, self.concave, self.behind, self.in_front)


@dataclass
class Regions:
    """Regions and who borders on whom.

    Attributes:
        labels: (h, w) int32, 0 for none, then one number a region.
        area: pixels of each region, by its number.
        perimeter: pixel pairs on each region's outline, the image's edge included.
        borders: borders[a][b] from a to b; symmetric.
    """

    labels: NDArray[np.int32]
    area: dict[int, int]
    perimeter: dict[int, int]
    borders: dict[int, dict[int, Border]]


def watershed_regions(surface: Surface) -> Regions:
    """Cuts the surface into smooth regions."""
    flat = _away_from_cuts(surface.valid, surface.concavity, surface.steps)
    distance = cv2.distanceTransform(flat, cv2.DIST_L2, 3)
    markers = (distance >= _MARKER_DISTANCE).astype(np.uint8)
    count, labels = cv2.connectedComponents(markers, connectivity=4)
    count = _flood(labels, surface.valid, surface.concavity, surface.steps, count - 1)
    area = np.bincount(labels.ravel(), minlength=count + 1)
    area[0] = 0
    keep = area >= _MIN_PIXELS
    number = np.where(keep, np.cumsum(keep), 0).astype(np.int32)
    labels = number[labels]
    perimeter, pairs = _border_pairs(labels, surface.concavity, surface.steps, int(number.max()))
    return Regions(
        labels,
        {int(number[i]): int(area[i]) for i in np.flatnonzero(keep)},
        dict(enumerate(perimeter.tolist())),
        _borders(pairs),
    )


def _borders(pairs: NDArray[np.int32]) -> dict[int, dict[int, Border]]:
    """Pairs (N, 3) of low label, high label and kind, to borders both ways."""
    borders: dict[int, dict[int, Border]] = defaultdict(dict)
    rows, counts = np.unique(pairs, axis=0, return_counts=True)
    for (a, b, kind), n in zip(rows.tolist(), counts.tolist(), strict=True):
        border = Border(n, n * (kind == 1), n * (kind == 2), n * (kind == 3))
        borders[a][b] = borders[a].get(b, Border()) + border
        borders[b][a] = borders[a][b].reversed()
    return borders


@njit(cache=True, nogil=True)
def _away_from_cuts(valid, concavity, steps):  # type: ignore[no-untyped-def]
    rows, cols = valid.shape
    flat = np.zeros((rows, cols), np.uint8)
    for i in range(rows):
        for j in range(cols):
            if valid[i, j] and concavity[i, j] < CREASE_ANGLE:
                flat[i, j] = 1
    for i in range(rows):
        for j in range(cols):
            if steps[i, j, 0] != 0:
                flat[i, j] = flat[i, j + 1] = 0
            if steps[i, j, 1] != 0:
                flat[i, j] = flat[i + 1, j] = 0
    return flat


@njit(cache=True, nogil=True)
def _flood(labels, valid, concavity, steps, count):  # type: ignore[no-untyped-def]
    """Grows the markers over the crease strength, in place, never across a step.

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
            to = min(_LEVELS - 1, int(concavity[a, b] / _DEGREES_PER_LEVEL))
            following[a * cols + b] = queue[to]
            queue[to] = a * cols + b
            level = min(level, to)


@njit(cache=True, nogil=True)
def _border_pairs(labels, concavity, steps, count):  # type: ignore[no-untyped-def]
    """Perimeter of each label, and (low, high, kind) of each pair of neighbours in two regions.

    Kinds: 0 open, 1 concave, 2 the low label is in front, 3 the high label is in front.
    """
    rows, cols = labels.shape
    perimeter = np.zeros(count + 1, np.int32)
    pairs = np.empty((2 * rows * cols, 3), np.int32)
    n = 0
    for i in range(rows):
        for j in range(cols):
            r = labels[i, j]
            for k in range(2):
                a, b = i + k, j + 1 - k
                s = labels[a, b] if a < rows and b < cols else 0
                if r == s:
                    continue
                perimeter[r] += 1
                perimeter[s] += 1
                if r == 0 or s == 0:
                    continue
                kind = 0
                step = steps[i, j, k]
                if step != 0:
                    kind = 2 if (step > 0) == (r < s) else 3
                elif max(concavity[i, j], concavity[a, b]) > CREASE_ANGLE:
                    kind = 1
                pairs[n, 0] = min(r, s)
                pairs[n, 1] = max(r, s)
                pairs[n, 2] = kind
                n += 1
    return perimeter, pairs[:n]
