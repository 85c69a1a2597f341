"""Objects as square crops without their background."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["BACKGROUND", "SIDE", "cut_crop"]

#: Side of the crops, pixels.
SIDE = 128
#: Value of all channels where the object is not: the middle of the colors that the network takes.
BACKGROUND = 127

_MARGIN = 1.1  # side of the crop per longer side of the object


def cut_crop(color: NDArray[np.uint8], mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Return an object as a crop (SIDE, SIDE, 4): RGB, and how much of a pixel is its, 0 to 255.

    Args:
        color: (H, W, 3) RGB, about the object.
        mask: (H, W), which has at least one pixel.
    """
    x, y, width, height = cv2.boundingRect(mask.view(np.uint8))
    side = max(1, round(max(width, height) * _MARGIN))
    left, top = (side - width) // 2, (side - height) // 2
    canvas = np.full((side, side, 4), (*[BACKGROUND] * 3, 0), np.uint8)
    inner = canvas[top : top + height, left : left + width]
    rows, cols = slice(y, y + height), slice(x, x + width)
    inside = mask[rows, cols]
    inner[..., :3][inside] = color[rows, cols][inside]
    inner[..., 3][inside] = 255
    # Means over areas where it shrinks, so that fine textures do not alias.
    method = cv2.INTER_AREA if side > SIDE else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(canvas, (SIDE, SIDE), interpolation=method), np.uint8)
