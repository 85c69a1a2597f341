"""Objects as square crops without their background."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["BACKGROUND", "SIDE", "cut_crop", "shrunk"]

#: Side of the crops, pixels.
SIDE = 128
#: Value of all channels where the object is not: the middle of the colors that the network takes.
BACKGROUND = 127

_OUTSIDE = (BACKGROUND, BACKGROUND, BACKGROUND, 0)
_MARGIN = 1.1  # side of the crop per longer side of the object


def cut_crop(color: NDArray[np.uint8], mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Return an object as a crop (SIDE, SIDE, 4): RGB, and how much of a pixel is its, 0 to 255.

    Args:
        color: (H, W, 3) RGB, about the object.
        mask: (H, W), which has at least one pixel.
    """
    inside = mask.view(np.uint8)
    x, y, width, height = cv2.boundingRect(inside)
    part = slice(y, y + height), slice(x, x + width)
    gray = np.full((height, width, 4), _OUTSIDE, np.uint8)
    shown = cv2.copyTo(cv2.cvtColor(color[part], cv2.COLOR_RGB2RGBA), inside[part], gray)
    side = max(1, round(max(width, height) * _MARGIN))
    top, left = (side - height) // 2, (side - width) // 2
    ends = top, side - height - top, left, side - width - left
    square = cv2.copyMakeBorder(shown, *ends, cv2.BORDER_CONSTANT, value=_OUTSIDE)
    # Means over areas where it shrinks, so that fine textures do not alias.
    method = cv2.INTER_AREA if side > SIDE else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(square, (SIDE, SIDE), interpolation=method), np.uint8)


def shrunk(picture: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Return a picture (H, W, 3), its longer side no longer than ``side`` pixels."""
    height, width = picture.shape[:2]
    scale = side / max(height, width)
    if scale >= 1:
        return picture
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
