"""Detections followed from frame to frame, so that the same thing keeps its number."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cvdl.core.errors import InputError
from cvdl.detection.detections import Detections

__all__ = ["Tracker"]

# Frames for which a thing that is out of sight keeps its number (as Zhang et al. have it).
_PATIENCE = 30
# Largest 1 - IoU of a box and where the track expects it.
_MAX_DISTANCE = 0.8


class Tracker:
    """ByteTrack (Zhang et al. 2022, "Multi-Object Tracking by Associating Every Detection Box").

    A Kalman filter foretells where each thing will be. First the detections with a high score are
    assigned to the things by the overlap of boxes, then those with a low score to what is left:
    they can hold a thing's number, but begin none.

    Numbers count from 1. They begin anew when the stamps jump back: another recording, or the
    same once more.

    Args:
        min_score: from this on a score is high.

    Raises:
        InputError: if the library that tracks is not installed.
    """

    def __init__(self, min_score: float) -> None:
        try:
            from trackforge import BYTETRACK
        except ImportError as error:
            raise InputError(
                "detector.track needs trackforge: pip install '.[tracking]'"
            ) from error
        self._make = lambda: BYTETRACK(min_score, _PATIENCE, _MAX_DISTANCE, min_score)
        self._tracker = self._make()
        self._stamp_ns: int | None = None

    def __call__(self, detections: Detections, stamp_ns: int) -> NDArray[np.int64]:
        """The number of each detection, (N,); -1 for one that no number was given.

        Args:
            detections: of the next frame; those with low scores help.
            stamp_ns: the frame's, nanoseconds.
        """
        if self._stamp_ns is not None and stamp_ns < self._stamp_ns:
            self._tracker = self._make()
        self._stamp_ns = stamp_ns
        boxes = detections.boxes.copy()
        boxes[:, 2:] -= boxes[:, :2]  # width and height
        values = boxes.tolist(), detections.scores.tolist(), detections.labels.tolist()
        numbers = np.full(len(detections), -1, np.int64)
        for number, _, _, _, row in self._tracker.update(list(zip(*values, strict=True))):
            if row is not None:
                numbers[row] = number
        return numbers
