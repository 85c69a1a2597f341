"""Pieces of objects: small regions that belong to one object for geometry and for the network.

Both tend to cut an object in two: geometry at its creases and edges of color, the network where it
is too large to be seen as one. So the pieces are cut where either of both cuts, and joined by what
both say together.
"""

from __future__ import annotations

from itertools import combinations

import cv2
import numpy as np
from numpy.typing import NDArray

from cvdl.core.compiled import compiled
from cvdl.segmentation.borders import Borders, Votes, find_borders, join_by_votes
from cvdl.segmentation.instances.seen import Seen
from cvdl.segmentation.labels import Labels
from cvdl.segmentation.surface import Surface

__all__ = ["borders_and_votes", "cut_pieces", "join_pieces"]

_FEWEST = 12  # pixels; smaller pieces become a part of the nearest one
_NEAR = 5.0  # pixels; without another piece so near they are noise
_OF_GROUP = 0.5  # share of a piece; with less of it in a group it belongs to none


def cut_pieces(regions: Labels, groups: Labels, wanted: NDArray[np.bool_]) -> Labels:
    """Cut regions where another object begins that the network sees.

    Args:
        regions: (h, w), of the surface; 0 where it has none.
        groups: (h, w), the object that each pixel belongs to; 0 for none.
        wanted: (h, w), the pixels of pieces.

    Returns:
        The connected pieces, (h, w), numbered from 1.
    """
    count = int(groups.max()) + 1
    pieces = _connected(np.where(wanted, regions.astype(np.int64) * count + groups, -1))
    area = np.bincount(pieces.ravel())
    is_scrap = (area < _FEWEST)[pieces] & wanted
    others = np.where(is_scrap, 0, pieces)
    if not others.any():
        return others
    distance, nearest = cv2.distanceTransformWithLabels(
        (others == 0).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    # The label of the nearest piece, by the number that OpenCV gave to each of its pixels.
    label = np.zeros(int(nearest.max()) + 1, np.int32)
    label[nearest[others > 0]] = others[others > 0]
    pieces = np.where(is_scrap & (distance <= _NEAR), label[nearest], others)
    is_used = np.bincount(pieces.ravel()) > 0
    is_used[0] = False
    return np.where(is_used, np.cumsum(is_used), 0).astype(np.int32)[pieces]


def join_pieces(pieces: Labels, surface: Surface, seen: Seen) -> Labels:
    """Join the pieces of each object.

    Args:
        pieces: (h, w), see ``cut_pieces``.
        surface: their geometry.
        seen: what the network sees.
    """
    borders, votes = borders_and_votes(pieces, surface, seen)
    return join_by_votes(pieces, borders, surface.lab, votes)


def borders_and_votes(pieces: Labels, surface: Surface, seen: Seen) -> tuple[Borders, Votes]:
    """The pairs of pieces that may be one object, and what the network sees of the pieces."""
    groups = surface.reduce(seen.groups)
    count = int(pieces.max()) + 1
    kinds = int(groups.max()) + 1
    pairs = np.bincount(pieces.ravel() * kinds + groups.ravel(), minlength=count * kinds)
    shares = pairs.reshape(count, kinds).astype(np.float64)
    borders = _with_pairs_of_groups(find_borders(pieces, surface), shares)
    return borders, Votes(seen.votes(surface), shares)


def _with_pairs_of_groups(borders: Borders, shares: NDArray[np.float64]) -> Borders:
    """Borders of no length between pieces of one group that do not touch.

    What lies between them may hide the rest of one object.
    """
    group = shares.argmax(axis=1)
    is_unclear = shares.max(axis=1) < _OF_GROUP * np.maximum(shares.sum(axis=1), 1)
    group[is_unclear] = 0
    group[0] = 0
    touching = set(map(tuple, borders.pairs.tolist()))
    apart: list[tuple[int, int]] = []
    for each in np.unique(group[group > 0]):
        apart += combinations(np.flatnonzero(group == each).tolist(), 2)
    new = np.array([pair for pair in apart if pair not in touching], np.int32).reshape(-1, 2)
    return Borders(
        np.concatenate([borders.pairs, new]),
        np.concatenate([borders.measures, np.zeros((len(new), 4))]),
        borders.perimeter,
    )


@compiled()
def _connected(values):  # type: ignore[no-untyped-def]
    """Numbers the connected areas of one value from 1 on; 0 where it is negative."""
    rows, cols = values.shape
    parts = np.zeros((rows, cols), np.int32)
    stack = np.empty(rows * cols, np.int64)
    count = 0
    for start in range(rows * cols):
        value = values[start // cols, start % cols]
        if value < 0 or parts[start // cols, start % cols]:
            continue
        count += 1
        parts[start // cols, start % cols] = count
        stack[0], size = start, 1
        while size:
            size -= 1
            i, j = stack[size] // cols, stack[size] % cols
            for k in range(4):
                a = i + (1 if k == 1 else (-1 if k == 3 else 0))
                b = j + (1 if k == 0 else (-1 if k == 2 else 0))
                if 0 <= a < rows and 0 <= b < cols and not parts[a, b] and values[a, b] == value:
                    parts[a, b] = count
                    stack[size] = a * cols + b
                    size += 1
    return parts
