"""From the boxes that many windows tell to one box an object (section 4.3 of the paper)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["match_scores", "merge_boxes"]


def match_scores(box: NDArray[np.float64], boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    """How little a box (4,) and each of others (N, 4) are the same, (N,); 0: they are equal.

    The paper's sum of "the distance between centers" and "the intersection area". It is to be
    small for boxes that are to be merged, and its threshold is to suit boxes of all sizes, so
    the distance is taken in mean diagonals, and the intersection as what it lacks of the union.
    """
    sizes, others = box[2:] - box[:2], boxes[:, 2:] - boxes[:, :2]
    shift = (boxes[:, :2] + boxes[:, 2:] - box[:2] - box[2:]) / 2
    diagonals = (np.hypot(*sizes) + np.hypot(*others.T)) / 2
    low, high = np.maximum(box[:2], boxes[:, :2]), np.minimum(box[2:], boxes[:, 2:])
    shared = np.maximum(high - low, 0).prod(axis=1)
    union = sizes.prod() + others.prod(axis=1) - shared
    distance: NDArray[np.float64] = np.hypot(*shift.T) / diagonals + 1 - shared / union
    return distance


def merge_boxes(
    boxes: NDArray[np.float64], scores: NDArray[np.float64], threshold: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Merge the two boxes that match best, again and again, until no two match.

    Args:
        boxes: (N, 4), of positive size.
        scores: (N,) positive: the class's probability in the window that told the box.
        threshold: merge up to this match score.

    Returns:
        Boxes (M, 4): means of those merged, weighted by their scores so that the order of
        merging does not matter; and (M,) the sums of their scores, which reward windows that
        agree. Highest sum first.
    """
    boxes, scores = boxes.copy(), scores.copy()
    match = np.array([match_scores(box, boxes) for box in boxes]).reshape(len(boxes), len(boxes))
    np.fill_diagonal(match, np.inf)
    alive = np.ones(len(boxes), bool)
    while len(boxes):
        kept, gone = divmod(int(match.argmin()), len(boxes))
        if not match[kept, gone] <= threshold:
            break
        pair = [kept, gone]
        boxes[kept] = np.average(boxes[pair], axis=0, weights=scores[pair])
        scores[kept] = scores[pair].sum()
        alive[gone] = False
        match[gone] = match[:, gone] = np.inf
        again = np.where(alive, match_scores(boxes[kept], boxes), np.inf)
        again[kept] = np.inf
        match[kept] = match[:, kept] = again
    order = np.argsort(-scores[alive], kind="stable")
    return boxes[alive][order], scores[alive][order]
