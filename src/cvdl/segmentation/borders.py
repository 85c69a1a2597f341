"""Borders between regions, and the joining of regions across weak borders."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cvdl.core.compiled import compiled
from cvdl.segmentation.colors import ColorMatch, compare_colors
from cvdl.segmentation.labels import Labels
from cvdl.segmentation.surface import Surface

__all__ = [
    "Border",
    "Borders",
    "Regions",
    "Votes",
    "find_borders",
    "join_by_votes",
    "join_weak_borders",
    "pair_features",
]

#: Concave angles that count 0 and 1 towards the strength of a border, degrees.
_SMOOTH = 15.0
_SHARP = 50.0
#: Borders with a lower strength are removed: about half of a border may be a sharp cut.
_WEAK = 0.67
#: Factors on the strength of a border between two colors, and between regions of one plain color
#: where one has fewer pixels than this (a part, not a box on a box). A print on a smooth face stays
#: joined to the face: its border has no strength.
_DIFFERENT_COLOR, _SAME_COLOR = 1.8, 0.67
_PART_PIXELS = 600
#: Factor of the shortest border; it falls with the share of the border in the outline of a region:
#: objects that touch share little of their outlines, parts of one object share much.
_SHORT = 1.25
#: Log odds that two regions belong to one object, with a network: a constant, and factors of
#: log(1 + distance of the mean votes over their spread); of the share of steps and the mean
#: strength of creases along the border; of log(1 + difference of the mean colors); and of the share
#: of both regions that lies in different groups. From ``scripts/fit_borders.py``: a logistic
#: regression on simulated scenes, half of them of the world and half tabletops.
_CONSTANT, _FACTORS = 6.68, (-3.3, -3.12, -0.67, -0.79, -1.18)
_LIKELY = 0.75  # log odds from which two regions are joined
_VOTE_NOISE = 2.0  # pixels; of a mean vote at least


@dataclass(frozen=True)
class Border:
    """Pixel pairs along the border from one region to another, by their kind."""

    length: int = 0
    in_front: int = 0  # pairs at a depth step where this region is nearer
    behind: int = 0

    def __add__(self, other: Border) -> Border:
        return Border(
            self.length + other.length,
            self.in_front + other.in_front,
            self.behind + other.behind,
        )

    def reversed(self) -> Border:
        """The same border from the other region."""
        return Border(self.length, self.behind, self.in_front)


class Borders(NamedTuple):
    """All borders between regions, one row per border.

    Attributes:
        pairs: (N, 2) int32, the two regions, the lower label first.
        measures: (N, 4) float64, sums over the pixel pairs: 1, strength of the crease, 1 where the
            first region is in front of a step, 1 where the second region is.
        perimeter: (M,) int32, pixel pairs along the outline of each region, by label.
    """

    pairs: NDArray[np.int32]
    measures: NDArray[np.float64]
    perimeter: NDArray[np.int32]

    def by_region(self) -> dict[int, dict[int, Border]]:
        """``borders[a][b]`` from a to b, in both directions, by increasing label."""
        borders: dict[int, dict[int, Border]] = {}
        order = np.lexsort(self.pairs.T[::-1])
        rows = (array[order].tolist() for array in (self.pairs, self.measures))
        for (a, b), (length, _, front, behind) in zip(*rows, strict=True):
            border = Border(int(length), int(front), int(behind))
            borders.setdefault(a, {})[b] = border
            borders.setdefault(b, {})[a] = border.reversed()
        return borders


class Votes(NamedTuple):
    """What a network sees of regions.

    Attributes:
        centers: (h, w, 2), where the center of the object of each pixel is, x and y.
        shares: (M, K) float64, pixels of each region, by label, in each group of pixels.
    """

    centers: NDArray[np.float32]
    shares: NDArray[np.float64]


def find_borders(labels: Labels, surface: Surface) -> Borders:
    """The borders between regions.

    Args:
        labels: of the regions, (h, w).
        surface: their geometry.
    """
    pairs, measures, perimeter = _border_pairs(labels, surface.concavity, surface.steps)
    if not len(pairs):
        return Borders(pairs, np.zeros((0, 4)), perimeter)
    code = pairs[:, 0].astype(np.int64) << 32 | pairs[:, 1]
    _, first, inverse = np.unique(code, return_index=True, return_inverse=True)
    sums = np.stack([np.bincount(inverse, measures[:, c]) for c in range(4)], axis=1)
    return Borders(pairs[first], sums.astype(np.float64), perimeter)


def join_weak_borders(
    labels: Labels, borders: Borders, lab: NDArray[np.float32]
) -> tuple[Labels, Borders]:
    """Joins regions across the weakest border until all borders are strong.

    A pixel pair along a border counts 1 at a depth step, otherwise 0 to 1 by the angle of the
    concave crease. The strength of a border is the mean, times factors for the colors of both
    regions and for the share of the border in their outlines.

    Args:
        labels: of the regions, (h, w).
        borders: the borders between them.
        lab: (h, w, 3) colors.

    Returns:
        The labels of the joined regions, and the borders between them.
    """
    return _joined(labels, borders, lab, None)


def join_by_votes(
    labels: Labels, borders: Borders, lab: NDArray[np.float32], votes: Votes
) -> Labels:
    """Joins the two regions that most likely belong to one object, until none are likely to.

    Args:
        labels: of the regions, (h, w).
        borders: the borders between them; they have no length where regions do not touch.
        lab: (h, w, 3) colors.
        votes: what a network sees.

    Returns:
        The labels of the joined regions.
    """
    joined, _ = _joined(labels, borders, lab, votes)
    return joined


class Regions(NamedTuple):
    """Sums over the pixels of each region, by label.

    Attributes:
        area: (M,) float64, pixels.
        color, squares: (M, 3) and (M,) float64, of the colors and of the squares of all channels.
        centers: (M, 3) float64, of x, of y and of their squares, of ``Votes.centers``.
        shares: (M, K) float64, see ``Votes``.
    """

    area: NDArray[np.float64]
    color: NDArray[np.float64]
    squares: NDArray[np.float64]
    centers: NDArray[np.float64]
    shares: NDArray[np.float64]

    @classmethod
    def of(cls, labels: Labels, lab: NDArray[np.float32], votes: Votes | None = None) -> Regions:
        """Sum over the pixels of regions (h, w) with colors (h, w, 3)."""
        places = np.zeros((*labels.shape, 2), np.float32) if votes is None else votes.centers
        area, color, squares, centers = _sums(labels, lab, places)
        shares = np.zeros((len(area), 0)) if votes is None else votes.shares.copy()
        return cls(area, color, squares, centers, shares)


def _joined(
    labels: Labels, borders: Borders, lab: NDArray[np.float32], votes: Votes | None
) -> tuple[Labels, Borders]:
    perimeter = borders.perimeter.copy()
    parent, pairs, measures = _join(
        borders.pairs.copy(),
        borders.measures.copy(),
        perimeter,
        *Regions.of(labels, lab, votes),
        votes is not None,
    )
    return parent[labels], Borders(pairs, measures, perimeter)


@compiled()
def _sums(labels, lab, places):  # type: ignore[no-untyped-def]
    """The first four attributes of ``Regions``."""
    count = labels.max() + 1
    area, squares = np.zeros(count), np.zeros(count)
    color, centers = np.zeros((count, 3)), np.zeros((count, 3))
    for i in range(labels.shape[0]):
        for j in range(labels.shape[1]):
            label = labels[i, j]
            if not label:
                continue
            area[label] += 1
            for k in range(3):
                value = np.float64(lab[i, j, k])
                color[label, k] += value
                squares[label] += value * value
            for k in range(2):
                value = np.float64(places[i, j, k])
                centers[label, k] += value
                centers[label, 2] += value * value
    return area, color, squares, centers


@compiled()
def _border_pairs(labels, concavity, steps):  # type: ignore[no-untyped-def]
    """Every pair of neighboring pixels in two regions: pairs and measures as in ``Borders``."""
    rows, cols = labels.shape
    perimeter = np.zeros(labels.max() + 1, np.int32)
    most = 2 * np.count_nonzero(labels)
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
def _color_factor(a, b, area, sums, squares):  # type: ignore[no-untyped-def]
    difference = 0.0
    variance_a = squares[a] / area[a]
    variance_b = squares[b] / area[b]
    for c in range(3):
        mean_a, mean_b = sums[a, c] / area[a], sums[b, c] / area[b]
        difference += (mean_a - mean_b) ** 2
        variance_a -= mean_a * mean_a
        variance_b -= mean_b * mean_b
    match = compare_colors(math.sqrt(difference), math.sqrt(max(variance_a, variance_b, 0.0)))
    if match == ColorMatch.DIFFERENT:
        return _DIFFERENT_COLOR
    if match == ColorMatch.SAME and min(area[a], area[b]) < _PART_PIXELS:
        return _SAME_COLOR
    return 1.0


@compiled()
def pair_features(m, area, color, centers, shares):  # type: ignore[no-untyped-def]
    """What says whether two regions are one object; see ``_FACTORS``.

    Args:
        m: measures of their border, see ``Borders``.
        area: (2,) float64, pixels.
        color: (2, 3) float64, sums.
        centers: (2, 3) float64, sums of x, of y and of their squares, of ``Votes.centers``.
        shares: (2, K) float64, see ``Votes``.
    """
    distance, difference, spread, apart = 0.0, 0.0, _VOTE_NOISE, 1.0
    for c in range(2):
        distance += (centers[0, c] / area[0] - centers[1, c] / area[1]) ** 2
    for c in range(3):
        difference += (color[0, c] / area[0] - color[1, c] / area[1]) ** 2
    for r in range(2):
        x, y = centers[r, 0] / area[r], centers[r, 1] / area[r]
        spread += math.sqrt(max(centers[r, 2] / area[r] - x * x - y * y, 0.0))
    for k in range(shares.shape[1]):
        apart -= min(shares[0, k] / area[0], shares[1, k] / area[1])
    length = max(m[0], 1.0)
    return (
        math.log(1 + math.sqrt(distance) / spread),
        (m[2] + m[3]) / length,
        m[1] / length,
        math.log(1 + math.sqrt(difference)),
        apart,
    )


@compiled()
def _join(pairs, measures, perimeter, area, sums, squares, centers, shares, has_votes):  # type: ignore[no-untyped-def]
    """Greedy joining, in place.

    Returns the region that each region is a part of, and the remaining pairs and measures.
    """
    count = len(area)
    parent = np.arange(count).astype(np.int32)
    strength = np.empty(len(pairs))
    stale = np.ones(len(pairs), np.bool_)
    limit = -_LIKELY if has_votes else _WEAK
    slot = np.empty(count, np.int64)
    while True:
        best, weakest = -1, limit
        for e in range(len(pairs)):
            if stale[e]:
                low, high = pairs[e]
                m = measures[e]
                if has_votes:
                    two = pairs[e]
                    some = pair_features(m, area[two], sums[two], centers[two], shares[two])
                    strength[e] = -_CONSTANT
                    for k in range(len(some)):
                        strength[e] -= _FACTORS[k] * some[k]
                else:
                    strength[e] = (m[1] + m[2] + m[3]) / m[0] if m[0] > 1 else np.inf
                    strength[e] *= _SHORT - m[0] / min(perimeter[low], perimeter[high])
                    strength[e] *= _color_factor(low, high, area, sums, squares)
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
        centers[a] += centers[b]
        shares[a] += shares[b]
        # The borders of b become borders of a; two borders with one neighbor become one.
        slot[:] = -1
        kept = 0
        for e in range(len(pairs)):
            low, high = pairs[e, 0], pairs[e, 1]
            touched = low in (a, b) or high in (a, b)
            if touched:
                low = a if low == b else low
                high = a if high == b else high
                if low == high:
                    continue
                if low > high:
                    low, high = high, low
                    measures[e, 2], measures[e, 3] = measures[e, 3], measures[e, 2]
                other = high if low == a else low
                if slot[other] >= 0:
                    measures[slot[other]] += measures[e]
                    continue
                slot[other] = kept
            pairs[kept, 0], pairs[kept, 1] = low, high
            measures[kept] = measures[e]
            strength[kept] = strength[e]
            stale[kept] = touched
            kept += 1
        pairs, measures = pairs[:kept], measures[:kept]
    for r in range(count):
        root = r
        while parent[root] != root:
            root = parent[root]
        parent[r] = root
    return parent, pairs, measures
