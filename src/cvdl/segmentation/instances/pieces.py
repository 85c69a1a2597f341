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
    pieces, area = _connected(regions, groups, wanted)
    is_large = area >= _FEWEST
    large = np.where(is_large, np.cumsum(is_large), 0).astype(np.int32)[pieces]
    if not is_large.any():
        return large
    distance, nearest = cv2.distanceTransformWithLabels(
        (large == 0).view(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    _add_scraps(large, pieces > 0, distance, nearest)
    return large


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
    shares = _shares(pieces, seen.groups_on(surface))
    borders = _with_pairs_of_groups(find_borders(pieces, surface), shares)
    return borders, Votes(seen.votes_on(surface), shares)


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
def _shares(pieces, groups):  # type: ignore[no-untyped-def]
    """Counts the pixels of each piece in each group."""
    shares = np.zeros((pieces.max() + 1, groups.max() + 1))
    for i in range(pieces.shape[0]):
        for j in range(pieces.shape[1]):
            shares[pieces[i, j], groups[i, j]] += 1
    return shares


@compiled()
def _connected(regions, groups, wanted):  # type: ignore[no-untyped-def]
    """Numbers the connected areas of one region and one group from 1 on; 0 if not wanted.

    Returns the numbers (h, w), and the pixels of each; 0 for number 0.
    """
    rows, cols = regions.shape
    parts = np.zeros((rows, cols), np.int32)
    areas = np.zeros(rows * cols + 1, np.int32)
    stack = np.empty(rows * cols, np.int32)
    count = 0
    for row in range(rows):
        for col in range(cols):
            if not wanted[row, col] or parts[row, col]:
                continue
            count += 1
            parts[row, col] = count
            stack[0], size = row * cols + col, 1
            while size:
                size -= 1
                areas[count] += 1
                i = stack[size] // cols
                j = stack[size] - i * cols
                for k in range(4):
                    a = i + (1 if k == 1 else (-1 if k == 3 else 0))
                    b = j + (1 if k == 0 else (-1 if k == 2 else 0))
                    if (
                        0 <= a < rows
                        and 0 <= b < cols
                        and wanted[a, b]
                        and not parts[a, b]
                        and regions[a, b] == regions[row, col]
                        and groups[a, b] == groups[row, col]
                    ):
                        parts[a, b] = count
                        stack[size] = a * cols + b
                        size += 1
    return parts, areas[: count + 1]


@compiled()
def _add_scraps(pieces, wanted, distance, nearest):  # type: ignore[no-untyped-def]
    """Gives pixels without a piece that are wanted that of the nearest pixel with one, if near.

    Each pixel with a piece has its own number in ``nearest``, which says of all pixels which one
    is the nearest. In place.
    """
    piece_of = np.zeros(nearest.max() + 1, np.int32)
    rows, cols = pieces.shape
    for i in range(rows):
        for j in range(cols):
            if pieces[i, j]:
                piece_of[nearest[i, j]] = pieces[i, j]
    for i in range(rows):
        for j in range(cols):
            if wanted[i, j] and not pieces[i, j] and distance[i, j] <= _NEAR:
                pieces[i, j] = piece_of[nearest[i, j]]
