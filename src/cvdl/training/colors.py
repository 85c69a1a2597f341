"""The colors of a training set."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from cvdl.datasets.dataset import Dataset
from cvdl.datasets.detection_sample import DetectionSample

__all__ = ["color_statistics"]

_MOST_VIEWS = 200


def color_statistics(
    data: Dataset[DetectionSample],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation of red, green and blue over all pixels, (3,), 0 to 255.

    The deviation is at least 1, so that uniform images can be normalized by it.

    Args:
        data: at least one view; at most 200, evenly spaced, are read.
    """
    picks = np.unique(np.linspace(0, len(data) - 1, _MOST_VIEWS).round().astype(int))
    count, total, squares = 0, np.zeros(3), np.zeros(3)
    for index in picks:
        image = np.ascontiguousarray(data[int(index)].frame.color)
        mean, deviation = (values.ravel() for values in cv2.meanStdDev(image))
        pixels = image.shape[0] * image.shape[1]
        count += pixels
        total += pixels * mean
        squares += pixels * (deviation**2 + mean**2)
    mean = total / count
    return mean, np.sqrt(np.maximum(squares / count - mean**2, 1.0))
