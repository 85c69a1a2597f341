"""Matching of detections with segmented objects."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from cvdl.core.scene import FIRST_OBJECT_LABEL, SceneObject
from cvdl.detection.detections import Detections
from cvdl.networks.boxes import box_iou

__all__ = ["distinct", "match", "object_iou"]


def object_iou(
    detections: Detections, labels: NDArray[np.uint16], objects: Sequence[SceneObject]
) -> NDArray[np.float64]:
    """Return the intersection over union of N detections and M segmented objects, (N, M).

    It is computed from masks if the detector predicts masks, else from boxes.

    Args:
        detections: detections of the frame.
        labels: (H, W), see `cvdl.core.scene.Scene`.
        objects: objects of the same frame.
    """
    if detections.masks is None:
        return box_iou(detections.boxes, np.array([o.box2d for o in objects]).reshape(-1, 4))
    numbers = [item.label for item in objects]
    areas = np.array([item.area for item in objects])
    iou = np.zeros((len(detections), len(objects)))
    pixels = np.flatnonzero(labels >= FIRST_OBJECT_LABEL)  # few: ten times as fast
    label = labels.ravel()[pixels]
    for row, mask in enumerate(detections.masks):
        counts = np.bincount(label[mask.ravel()[pixels]], minlength=max(numbers, default=0) + 1)
        common = counts[numbers]
        iou[row] = common / (np.count_nonzero(mask) + areas - common)
    return iou


def distinct(detections: Detections, max_iou: float) -> Detections:
    """Return detections without those whose box nearly coincides with that of a better one.

    Detectors suppress duplicates within a class only, so an object can have two class names.

    Args:
        detections: best first.
        max_iou: two boxes with a larger intersection over union are of one object.
    """
    iou = box_iou(detections.boxes, detections.boxes)
    kept: list[int] = []
    for row in range(len(detections)):
        if (iou[row, kept] <= max_iou).all():
            kept.append(row)
    return detections[np.array(kept, np.intp)]


def match(iou: NDArray[np.float64], min_iou: float) -> list[tuple[int, int]]:
    """Return the one-to-one pairs of rows and columns with the largest sum of overlaps.

    Args:
        iou: (N, M), the overlaps.
        min_iou: least overlap of a pair, positive.

    Returns:
        Pairs sorted by row.
    """
    enough = np.where(iou >= min_iou, iou, 0)
    if not enough.any():
        return []
    # Between points of equal weight, the flow of least cost is the best assignment.
    weights = (np.ones((count, 1), np.float32) for count in enough.shape)
    _, _, flow = cv2.EMD(*weights, cv2.DIST_USER, cost=(1 - enough).astype(np.float32))
    return [(int(i), int(j)) for i, j in np.argwhere((flow > 0.5) & (enough > 0))]
