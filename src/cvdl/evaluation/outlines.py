"""Outlines of masks, and how far from one a pixel may lie."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["agreeing", "outline", "tolerance"]


def tolerance(shape: tuple[int, ...], share: float) -> int:
    """Pixels that are a share of the diagonal of a picture (H, W), rounded up."""
    return math.ceil(share * math.hypot(*shape))


def outline(mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Pixels (H, W) that differ from the next one to the right, below or diagonally below.

    This is the literature's outline (of the DAVIS challenge): one pixel wide, on the last pixel
    of the mask to the right and below, on the first one outside to the left and above, and none
    along the picture's own edge.
    """
    next_ones = np.pad(mask, ((0, 1), (0, 1)), mode="edge")
    found = mask != next_ones[:-1, 1:]
    found |= mask != next_ones[1:, :-1]
    found |= mask != next_ones[1:, 1:]
    return found.astype(np.uint8)


def agreeing(some: NDArray[np.uint8], other: NDArray[np.uint8], radius: int) -> int:
    """How many pixels of an outline lie within ``radius`` pixels of another."""
    y, x = np.ogrid[-radius : radius + 1, -radius : radius + 1]
    disk = (x * x + y * y <= radius * radius).astype(np.uint8)
    return int(np.count_nonzero(some & cv2.dilate(other, disk)))
