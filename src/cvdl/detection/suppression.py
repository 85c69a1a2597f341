"""Non-maximum suppression. Imports no torch."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cvdl.detection.detections import Detections
from cvdl.networks.boxes import box_iou

__all__ = ["best_of_each_class", "suppressed"]

_MOST = 100  # detections in an image
_BLOCK = 512  # boxes that are compared at once


def best_of_each_class(
    boxes: NDArray[Any], scores: NDArray[Any], min_score: float, max_iou: float
) -> Detections:
    """Return the detections left by non-maximum suppression within each class, at most 100.

    Args:
        boxes: (N, 4).
        scores: (N, C), of every class; a box can have several.
        min_score: lower scores are ignored.
        max_iou: of two boxes of a class with a larger overlap, the better one is kept.
    """
    row, label = np.nonzero(scores > min_score)
    of_row, of_class = boxes[row].astype(np.float64), scores[row, label].astype(np.float64)
    kept = suppressed(of_row, of_class, label, max_iou)[:_MOST]
    return Detections(of_row[kept], label[kept], of_class[kept])


def suppressed(
    boxes: NDArray[np.float64],
    scores: NDArray[np.floating],
    labels: NDArray[np.integer],
    max_iou: float,
) -> NDArray[np.intp]:
    """Return the indices left by greedy non-maximum suppression, best first.

    Args:
        boxes: (N, 4).
        scores: (N,); the first one of equal scores is better.
        labels: (N,); boxes of different labels do not suppress each other.
        max_iou: of two boxes with a larger overlap, the better one is kept.
    """
    left = np.argsort(-scores, kind="stable")
    kept = left[:0]

    def overlaps(better: NDArray[np.intp], others: NDArray[np.intp]) -> NDArray[np.bool_]:
        same = labels[better, None] == labels[None, others]
        return same & (box_iou(boxes[better], boxes[others]) > max_iou)

    while len(left):
        block, left = left[:_BLOCK], left[_BLOCK:]
        block = block[~overlaps(kept, block).any(axis=0)]
        suppresses = np.triu(overlaps(block, block), 1)
        is_kept: NDArray[np.bool_] = np.ones(len(block), bool)
        before = ~is_kept
        # Each round settles the boxes whose better ones are settled.
        while (is_kept != before).any():
            before, is_kept = is_kept, ~np.any(suppresses[is_kept], axis=0)
        kept = np.concatenate([kept, block[is_kept]])
    return kept
