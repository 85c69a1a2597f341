"""The output of detectors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Detections"]


@dataclass(frozen=True)
class Detections:
    """Detections in one image, best first.

    Attributes:
        boxes: (N, 4) float64, pixels: x_min, y_min, x_max, y_max, the last two exclusive.
        labels: (N,) int64, class indices: positions in the detector's ``classes``.
        scores: (N,) float64, confidence in the class, 0 to 1, descending.
        masks: (N, H, W) bool; None if the detector predicts no masks.

    Raises:
        ValueError: if the arrays differ in length.
    """

    boxes: NDArray[np.float64]
    labels: NDArray[np.int64]
    scores: NDArray[np.float64]
    masks: NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        count = len(self.boxes)
        if self.boxes.shape != (count, 4):
            raise ValueError(f"boxes must be (N, 4), got {self.boxes.shape}")
        for name in ("labels", "scores", "masks"):
            values = getattr(self, name)
            if values is not None and len(values) != count:
                raise ValueError(f"{name} must be as many as the {count} boxes, got {len(values)}")

    @classmethod
    def none(cls) -> Detections:
        """Return empty detections."""
        return cls(np.zeros((0, 4)), np.zeros(0, np.int64), np.zeros(0))

    def __len__(self) -> int:
        return len(self.boxes)

    def __getitem__(self, rows: NDArray[np.intp] | NDArray[np.bool_] | slice) -> Detections:
        """Select detections by an index array, a mask or a slice."""
        masks = None if self.masks is None else self.masks[rows]
        return Detections(self.boxes[rows], self.labels[rows], self.scores[rows], masks)
