"""What is around the networks of the default detector, whatever runs them. Imports no torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cvdl.core.frame import RgbdFrame
from cvdl.detection.detections import Detections
from cvdl.detection.suppression import best_of_each_class
from cvdl.networks.sampling import FINE_STRIDE, WIDE_STRIDE
from cvdl.networks.working_size import to_working_size

__all__ = ["FAR", "ITERATIONS", "NEAR", "SCALE", "Apply", "detected"]

#: What the second network is given of a box: fine features, wide ones, and meters per pixel. Of
#: each, the number of samples in each direction, and their distance in the image, pixels.
NEAR, FAR, SCALE = (28, FINE_STRIDE), (7, WIDE_STRIDE), (3, 2)
#: Of the second network, on the boxes that it refined (Gidaris & Komodakis 2015).
ITERATIONS = 2

#: Takes a frame at the working size and boxes (N, 4) float32 in it; returns boxes (M, 4) and their
#: scores (M, classes).
Apply = Callable[[RgbdFrame, NDArray[np.float32]], tuple[NDArray[Any], NDArray[Any]]]

_OVERLAP = 0.6  # largest IoU of two boxes of one class
_LOWEST_SCORE = 0.02


def detected(frame: RgbdFrame, proposals: NDArray[np.float64] | None, apply: Apply) -> Detections:
    """Detect objects in a frame of any size.

    Args:
        frame: of any camera.
        proposals: boxes (N, 4) that are classified too; None for none.
        apply: the networks.
    """
    if min(frame.depth.shape) < 2:  # empty at half resolution
        return Detections.none()
    frame, factors = to_working_size(frame)
    factors = np.tile(factors, 2)  # of both corners of a box
    given = np.reshape(np.zeros(0) if proposals is None else proposals, (-1, 4)) * factors
    boxes, scores = apply(frame, given.astype(np.float32))
    found = best_of_each_class(boxes, scores, _LOWEST_SCORE, _OVERLAP)
    return replace(found, boxes=found.boxes / factors)
