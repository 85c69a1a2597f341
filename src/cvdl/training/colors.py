"""The colours of a training set."""

from __future__ import annotations

from collections.abc import Iterable

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
    """Mean and deviation of red, green and blue, (3,), 0 to 255.

    Args:
        data: at least one view; of many an even choice of 200 is read.
    """
    picks = np.unique(np.linspace(0, len(data) - 1, _MOST_VIEWS).round().astype(int))
    return _mean_and_deviation(data[int(index)].frame.color for index in picks)


def _mean_and_deviation(
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
