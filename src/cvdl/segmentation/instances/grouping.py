"""Groups the pixels of objects by the centers that they point to."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from cvdl.core.compiled import compiled
from cvdl.segmentation.labels import Labels

__all__ = ["group_pixels"]

_LEAST_PEAK = 0.25  # of a center
_WINDOW = 9  # pixels, around a peak without a higher one
_MOST = 200  # centers


def group_pixels(
    is_object: NDArray[np.bool_], centers: NDArray[np.float32], offsets: NDArray[np.float32]
) -> Labels:
    """Groups pixels to objects.

    Args:
        is_object: (h, w), pixels of objects.
        centers: (h, w), probability of a center.
        offsets: (2, h, w), from each pixel to the center of its object, pixels.

    Returns:
        Labels (h, w) of the objects, from 1 on; 0 elsewhere.
    """
    heat = cv2.GaussianBlur(centers * is_object, (5, 5), 0)
    top = cv2.dilate(heat, np.ones((_WINDOW, _WINDOW), np.uint8))
    peaks, height = _peaks(heat, top)
    peaks = peaks[np.argsort(-height, kind="stable")[:_MOST]]
    labels = np.zeros(is_object.shape, np.int32)
    if len(peaks):
        _assign(is_object, offsets, peaks, labels)
    return labels


@compiled()
def _peaks(heat, top):  # type: ignore[no-untyped-def]
    """The places (N, 2) of the peaks, x and y, and their heights (N,)."""
    places, heights = np.empty((heat.size, 2), np.float32), np.empty(heat.size, np.float32)
    n = 0
    for y in range(heat.shape[0]):
        for x in range(heat.shape[1]):
            if heat[y, x] > _LEAST_PEAK and heat[y, x] == top[y, x]:
                places[n, 0], places[n, 1], heights[n] = x, y, heat[y, x]
                n += 1
    return places[:n], heights[:n]


@compiled()
def _assign(is_object, offsets, peaks, labels):  # type: ignore[no-untyped-def]
    """Give each pixel the label of the peak nearest to where it points."""
    height, width = is_object.shape
    for y in range(height):
        for x in range(width):
            if not is_object[y, x]:
                continue
            at_x, at_y = x + offsets[0, y, x], y + offsets[1, y, x]
            nearest = np.inf
            for k in range(len(peaks)):
                away = (peaks[k, 0] - at_x) ** 2 + (peaks[k, 1] - at_y) ** 2
                if away < nearest:
                    labels[y, x], nearest = k + 1, away
