"""Tracking of detections over the frames."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cvdl.core.extras import require
from cvdl.detection.detections import Detections

__all__ = ["Tracker"]

# Frames for which the track of a hidden object is kept (as in Zhang et al.).
_PATIENCE = 30
# Largest 1 - IoU of a detection and the predicted box of its track.
_MAX_DISTANCE = 0.8


class Tracker:
    """ByteTrack (Zhang et al. 2022, "Multi-Object Tracking by Associating Every Detection Box").

    A Kalman filter predicts the box of each track. Detections with a high score are assigned to
    tracks first, by the overlap of boxes; then those with a low score to the remaining tracks.
    Detections with a low score start no tracks.

    Track ids count from 1. They start again when the stamps jump back, as when a recording is
    played again.

    Args:
        min_score: least high score.

    Raises:
        MissingExtraError: if the tracking library is not installed.
    """

    def __init__(self, min_score: float) -> None:
        require("tracking", "detector.track")
        from trackforge import BYTETRACK

        self._make = lambda: BYTETRACK(min_score, _PATIENCE, _MAX_DISTANCE, min_score)
        self._tracker = self._make()
        self._stamp_ns: int | None = None

    def __call__(self, detections: Detections, stamp_ns: int) -> NDArray[np.int64]:
        """Return the track id of each detection, (N,); -1 for untracked ones.

        Args:
            detections: detections of the next frame, including those with low scores.
            stamp_ns: time of the frame, nanoseconds.
        """
        if self._stamp_ns is not None and stamp_ns < self._stamp_ns:
            self._tracker = self._make()
        self._stamp_ns = stamp_ns
        boxes = detections.boxes.copy()
        boxes[:, 2:] -= boxes[:, :2]  # width and height
        values = boxes.tolist(), detections.scores.tolist(), detections.labels.tolist()
        tracks = np.full(len(detections), -1, np.int64)
        for track, _, _, _, row in self._tracker.update(list(zip(*values, strict=True))):
            if row is not None:
                tracks[row] = track
        return tracks
