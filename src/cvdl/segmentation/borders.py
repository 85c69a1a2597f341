"""Who borders on whom, and the joining of regions across weak borders."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cvdl.core.compiled import compiled
from cvdl.segmentation.paint import Paint, compare_paint
from cvdl.segmentation.surface import Surface

__all__ = ["Border", "find_borders", "join_weak_borders"]

#: Concave angles that count nothing and fully towards a border's strength, degrees.
_SMOOTH = 15.0
_SHARP = 50.0
#: Borders weaker than this, on average, join: about half of a border may be a sharp cut.
_WEAK = 0.67
#: Factors on the strength of a border between regions of two colours, and of one plain colour where
#: one has fewer pixels than this (a part, not a box on a box). A print on a smooth face stays one
#: with it: its border has no strength to begin with.
_OTHER_PAINT, _SAME_PAINT = 1.8, 0.67
_PART_PIXELS = 600
#: The factor of the shortest border; less, the greater its share of a region's outline: things that
#: touch have a little of their outlines in common, parts of one thing much.
_SHORT = 1.25


@dataclass
class Border:
    """Pixel pairs along the border from one region to another, by what separates them."""

    length: int = 0
    in_front: int = 0  # pairs where this region's side of a depth step is the nearer
    behind: int = 0

    def __add__(self, other: Border) -> Border:
        return Border(
            self.length + other.length,
            self.in_front + other.in_front,
            self.behind + other.behind,
        )

    def reversed(self) -> Border:
        """The same border seen from the other region."""
        return Border(self.length, self.behind, self.in_front)


def find_borders(
    labels: NDArray[np.int32], surface: Surface
) -> tuple[dict[int, dict[int, Border]], dict[int, int]]:
    """Borders between regions.

    Args:
        labels: (h, w) int32, 0 for none.
        surface: the geometry, of the same size.

    Returns:
        borders[a][b] from a to b, both ways; and each region's perimeter in pixel pairs.
    """
    pairs, measures, perimeter = _border_pairs(labels, surface.concavity, surface.steps)
    borders: dict[int, dict[int, Border]] = defaultdict(dict)
    for (a, b), (length, _, front, behind) in zip(
        *(array.tolist() for array in _total(pairs, measures)), strict=True
    ):
        borders[a][b] = Border(int(length), int(front), int(behind))
        borders[b][a] = borders[a][b].reversed()
    return borders, dict(enumerate(perimeter.tolist()))


def join_weak_borders(labels: NDArray[np.int32], surface: Surface) -> NDArray[np.int32]:
    """Joins regions, the weakest border first, until all that are left are strong.

    A pair of pixels along a border counts 1 if there is a depth step between them, else 0 to 1 by
    the sharpness of the concave crease they lie on; a border's strength is the mean, by factors for
    the colours on both sides and for its share of the outlines.

    Args:
        labels: (h, w) int32, 0 for none.
        surface: the geometry and colour, of the same size.

    Returns:
        (h, w) int32, 0 for none, the other numbers not consecutive.
    """
    pairs, measures, perimeter = _border_pairs(labels, surface.concavity, surface.steps)
    pairs, measures = _total(pairs, measures)
    where = np.flatnonzero(labels)
    label, paint = labels.ravel()[where], surface.lab.reshape(-1, 3)[where]
    count = int(labels.max()) + 1
    sums = np.stack([np.bincount(label, paint[:, c], count) for c in range(3)], axis=1)
    squares = np.bincount(label, (paint * paint).sum(axis=1), count)
    area = np.bincount(label, minlength=count).astype(np.float64)
    parent = _join(pairs, measures, perimeter, area, sums, squares)
    return parent[labels]


def _total(
    pairs: NDArray[np.int32], measures: NDArray[np.float32]
) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Sums the measures (N, 4) of equal pairs (N, 2)."""
    if not len(pairs):
        return pairs, np.zeros((0, 4))
    code = pairs[:, 0].astype(np.int64) << 32 | pairs[:, 1]
    _, first, inverse = np.unique(code, return_index=True, return_inverse=True)
    sums = np.stack([np.bincount(inverse, measures[:, c]) for c in range(4)], axis=1)
    return pairs[first], sums.astype(np.float64)


@compiled()
def _border_pairs(labels, concavity, steps):  # type: ignore[no-untyped-def]
    """Every pair of neighbouring pixels in two regions.

    Returns pairs (N, 2) of low and high label; measures (N, 4): 1, crease strength, 1 if the low
    label is in front of a step, 1 if the high label is; and the perimeter of each label.
    """
    rows, cols = labels.shape
    perimeter = np.zeros(labels.max() + 1, np.int32)
    most = 0
    for i in range(rows):
        for j in range(cols):
            if labels[i, j] != 0:
                most += 2
    pairs = np.empty((most, 2), np.int32)
    measures = np.zeros((most, 4), np.float32)
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
                pairs[n, 0] = min(r, s)
                pairs[n, 1] = max(r, s)
                measures[n, 0] = 1
                step = steps[i, j, k]
                if step == 0:
                    angle = max(concavity[i, j], concavity[a, b])
                    measures[n, 1] = min(1.0, max(0.0, (angle - _SMOOTH) / (_SHARP - _SMOOTH)))
                elif (step > 0) == (r < s):
                    measures[n, 2] = 1
                else:
                    measures[n, 3] = 1
                n += 1
    return pairs[:n], measures[:n], perimeter


@compiled()
def _paint_factor(a, b, area, sums, squares):  # type: ignore[no-untyped-def]
    difference = 0.0
    variance_a = squares[a] / area[a]
    variance_b = squares[b] / area[b]
    for c in range(3):
        mean_a, mean_b = sums[a, c] / area[a], sums[b, c] / area[b]
        difference += (mean_a - mean_b) ** 2
        variance_a -= mean_a * mean_a
        variance_b -= mean_b * mean_b
    paint = compare_paint(math.sqrt(difference), math.sqrt(max(variance_a, variance_b, 0.0)))
    if paint == Paint.OTHER:
        return _OTHER_PAINT
    if paint == Paint.SAME and min(area[a], area[b]) < _PART_PIXELS:
        return _SAME_PAINT
    return 1.0


@compiled()
def _join(pairs, measures, perimeter, area, sums, squares):  # type: ignore[no-untyped-def]
    """Greedy joining; the arrays are used up. Returns the region that each has become a part of."""
    count = len(area)
    parent = np.arange(count).astype(np.int32)
    strength = np.empty(len(pairs))
    stale = np.ones(len(pairs), np.bool_)
    slot = np.empty(count, np.int64)
    while True:
        best, weakest = -1, _WEAK
        for e in range(len(pairs)):
            if stale[e]:
                low, high = pairs[e]
                m = measures[e]
                strength[e] = (m[1] + m[2] + m[3]) / m[0] if m[0] > 1 else np.inf
                strength[e] *= _SHORT - m[0] / min(perimeter[low], perimeter[high])
                strength[e] *= _paint_factor(low, high, area, sums, squares)
                stale[e] = False
            if strength[e] < weakest:
                best, weakest = e, strength[e]
        if best < 0:
            break
        a, b = pairs[best, 0], pairs[best, 1]
        parent[b] = a
        perimeter[a] += perimeter[b] - 2 * np.int32(measures[best, 0])
        area[a] += area[b]
        sums[a] += sums[b]
        squares[a] += squares[b]
        # b's borders become a's; two borders with one neighbour become one.
        slot[:] = -1
        kept = 0
        for e in range(len(pairs)):
            low, high = pairs[e, 0], pairs[e, 1]
            front, behind = measures[e, 2], measures[e, 3]
            touched = low in (a, b) or high in (a, b)
            if touched:
                low = a if low == b else low
                high = a if high == b else high
                if low == high:
                    continue
                if low > high:
                    low, high, front, behind = high, low, behind, front
                other = high if low == a else low
                if slot[other] >= 0:
                    into = slot[other]
                    measures[into, 0] += measures[e, 0]
                    measures[into, 1] += measures[e, 1]
                    measures[into, 2] += front
                    measures[into, 3] += behind
                    continue
                slot[other] = kept
            pairs[kept, 0], pairs[kept, 1] = low, high
            measures[kept, 0], measures[kept, 1] = measures[e, 0], measures[e, 1]
            measures[kept, 2], measures[kept, 3] = front, behind
            strength[kept] = strength[e]
            stale[kept] = touched
            kept += 1
        pairs, measures = pairs[:kept], measures[:kept]
    for r in range(count):
        root = r
        while parent[root] != root:
            root = parent[root]
        parent[r] = root
    return parent
