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
    corner, size = boxes[:, :2], boxes[:, 2:] - boxes[:, :2]
    kept = cv2.dnn.NMSBoxesBatched(
        np.hstack([corner, size]), scores.astype(np.float32), labels.astype(np.int32), 0, max_iou
    )
    return np.asarray(kept, np.intp)
