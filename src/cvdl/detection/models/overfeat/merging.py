"""Merging of the boxes that many windows predict to one box per object (section 4.3)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cvdl.networks.boxes import box_areas, box_intersections

__all__ = ["match_scores", "merge_boxes"]


def match_scores(box: NDArray[np.float64], boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how much a box (4,) differs from each of others (N, 4), (N,); 0 for equal boxes.

    The paper sums "the distance between centers" and "the intersection area", and merges boxes
    with a small sum, below one threshold for all sizes. So the distance is divided by the mean
    diagonal here, and the intersection is 1 minus the intersection over union.
    """
    size, sizes = box[2:] - box[:2], boxes[:, 2:] - boxes[:, :2]
    shift = (boxes[:, :2] + boxes[:, 2:] - box[:2] - box[2:]) / 2
    diagonals = (np.hypot(*size) + np.hypot(*sizes.T)) / 2
    shared = box_intersections(box[None], boxes)[0]
    union = size.prod() + box_areas(boxes) - shared
    distance: NDArray[np.float64] = np.hypot(*shift.T) / diagonals + 1 - shared / union
    return distance


def merge_boxes(
    boxes: NDArray[np.float64], scores: NDArray[np.float64], threshold: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Merge the two boxes that match best, again and again, until no two match.

    Args:
        boxes: (N, 4), of positive size.
        scores: (N,) positive: probability of the class in the window that predicted the box.
        threshold: largest match score of boxes that are merged.

    Returns:
        Boxes (M, 4): means of the merged boxes, weighted by their scores so that the order of
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
