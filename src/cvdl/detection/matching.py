"""Which detection is which segmented object."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from cvdl.core.scene import FIRST_OBJECT_LABEL, SceneObject
from cvdl.detection.detections import Detections

__all__ = ["box_iou", "distinct", "match", "object_iou"]


def box_iou(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Intersection over union of upright boxes (N, 4) and (M, 4): (N, M), 0 to 1.

    Args:
        a: pixels: x_min, y_min, x_max, y_max.
        b: likewise.
    """
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    common = np.prod(np.clip(high - low, 0, None), axis=2)
    total = np.prod(a[:, 2:] - a[:, :2], axis=1)[:, None] + np.prod(b[:, 2:] - b[:, :2], axis=1)
    return common / np.maximum(total - common, np.finfo(float).tiny)


def object_iou(
    detections: Detections, labels: NDArray[np.uint16], objects: Sequence[SceneObject]
) -> NDArray[np.float64]:
    """Intersection over union of N detections and M segmented objects: (N, M), 0 to 1.

    Of the masks where the detector tells masks, else of the boxes.

    Args:
        detections: of the frame.
        labels: (H, W) as in `cvdl.core.scene.Scene`.
        objects: of the same frame.
    """
    if detections.masks is None:
        return box_iou(detections.boxes, np.array([o.box2d for o in objects]).reshape(-1, 4))
    numbers = [item.label for item in objects]
    areas = np.array([item.area for item in objects])
    iou = np.zeros((len(detections), len(objects)))
    somewhere = np.flatnonzero(labels >= FIRST_OBJECT_LABEL)  # few: ten times as fast
    label = labels.ravel()[somewhere]
    for row, mask in enumerate(detections.masks):
        common = np.bincount(label[mask.ravel()[somewhere]], minlength=max(numbers, default=0) + 1)[
            numbers
        ]
        iou[row] = common / (np.count_nonzero(mask) + areas - common)
    return iou


def distinct(detections: Detections, max_iou: float) -> Detections:
    """The detections without those whose box nearly coincides with that of a better one.

    Detectors suppress duplicates of one class only, and so may give one thing two names.

    Args:
        detections: best first.
        max_iou: above this intersection over union, two boxes are of one thing.
    """
    iou = box_iou(detections.boxes, detections.boxes)
    kept: list[int] = []
    for row in range(len(detections)):
        if (iou[row, kept] <= max_iou).all():
            kept.append(row)
    return detections[np.array(kept, np.intp)]


def match(iou: NDArray[np.float64], min_iou: float) -> list[tuple[int, int]]:
    """Pairs of a row and a column, one to one, so that the sum of their overlaps is largest.

    The Hungarian method (Kuhn 1955). A pair that overlaps less than ``min_iou`` is none.

    Args:
        iou: (N, M), the overlaps.
        min_iou: more than 0.

    Returns:
        Pairs in order of their rows.
    """
    enough = np.where(iou >= min_iou, iou, 0)
    rows, columns = linear_sum_assignment(enough, maximize=True)
    return [(int(i), int(j)) for i, j in zip(rows, columns, strict=True) if enough[i, j] > 0]
