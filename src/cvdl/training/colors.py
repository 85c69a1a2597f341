"""The colours of a training set."""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["mean_and_deviation"]


def mean_and_deviation(
    images: Iterable[NDArray[np.uint8]],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and deviation of each channel over all pixels of all images, (3,), 0 to 255.

    The deviation is 1 at least: an even colour has none to divide by.

    Args:
        images: at least one, (H, W, 3); read once and not kept.
    """
    count, total, squares = 0, np.zeros(3), np.zeros(3)
    for image in images:
        mean, deviation = (values.ravel() for values in cv2.meanStdDev(np.ascontiguousarray(image)))
        pixels = image.shape[0] * image.shape[1]
        count += pixels
        total += pixels * mean
        squares += pixels * (deviation**2 + mean**2)
    mean = total / count
    return mean, np.sqrt(np.maximum(squares / count - mean**2, 1.0))
