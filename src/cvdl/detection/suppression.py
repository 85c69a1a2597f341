"""Non-maximum suppression. Imports no torch."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from cvdl.detection.detections import Detections

__all__ = ["best_of_each_class", "suppressed"]

_MOST = 100  # detections in an image


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
        scores: (N,), positive; the first one of equal scores is better.
        labels: (N,); boxes of different labels do not suppress each other.
        max_iou: of two boxes with a larger overlap, the better one is kept.
    """
    # OpenCV compares in float32, where scores near 1 are soon equal; the first of them is better.
    best_first = np.argsort(-scores, kind="stable")
    boxes = boxes[best_first]
    kept = cv2.dnn.NMSBoxesBatched(
        np.hstack([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]]),
        scores[best_first].astype(np.float32),
        labels[best_first].astype(np.int32),
        0,
        max_iou,
    )
    return best_first[np.asarray(kept, np.intp)]
