"""Upright boxes as arrays: (N, 4) pixels, x_min, y_min, x_max, y_max, the last two exclusive.

Imports no torch, as the stages do without it until they load a network. Boxes as tensors are in
``cvdl.networks.box_tensors``.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["box_areas", "box_intersections", "box_iou", "masks_to_boxes"]

_Array = NDArray[np.float64]


def masks_to_boxes(masks: NDArray[np.bool_]) -> _Array:
    """Return the bounding boxes (N, 4) of masks.

    Unlike torchvision's, the maxima are exclusive.

    Args:
        masks: (N, H, W), none empty.
    """
    boxes = np.zeros((len(masks), 4))
    for row, mask in enumerate(masks):
        x, y, width, height = cv2.boundingRect(mask.view(np.uint8))
        boxes[row] = x, y, x + width, y + height
    return boxes


def box_areas(boxes: _Array) -> _Array:
    """Return the areas (N,) of boxes (N, 4)."""
    return np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)


def box_intersections(a: _Array, b: _Array) -> _Array:
    """Return the areas (N, M) that boxes (N, 4) and (M, 4) have in common."""
    # Each axis by itself: NumPy is slow along an axis of 2.
    width, height = (
        np.minimum.outer(a[:, axis + 2], b[:, axis + 2]) - np.maximum.outer(a[:, axis], b[:, axis])
        for axis in (0, 1)
    )
    return np.maximum(width, 0) * np.maximum(height, 0)


def box_iou(a: _Array, b: _Array) -> _Array:
    """Return the intersection over union (N, M) of boxes (N, 4) and (M, 4); 0 without any area."""
    common = box_intersections(a, b)
    total = box_areas(a)[:, None] + box_areas(b)
    return common / np.maximum(total - common, np.finfo(float).tiny)
