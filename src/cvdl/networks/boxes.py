"""Upright boxes of masks."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["boxes_of"]


def boxes_of(masks: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The smallest boxes round masks.

    Args:
        masks: (N, H, W), none empty.

    Returns:
        (N, 4), pixels: x_min, y_min, x_max, y_max, the last two exclusive.
    """
    boxes = np.zeros((len(masks), 4))
    for row, mask in enumerate(masks):
        x, y, width, height = cv2.boundingRect(mask.view(np.uint8))
        boxes[row] = x, y, x + width, y + height
    return boxes
