"""Outlines of masks, and how well two of them agree."""

from __future__ import annotations

import math
from dataclasses import astuple, dataclass
from operator import add

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["Counts", "compare_outlines", "tolerance"]


@dataclass(frozen=True)
class Counts:
    """Numbers of pixels that give a precision and a recall.

    Attributes:
        predicted_right: predicted pixels that agree with the label.
        predicted: all predicted pixels.
        labeled_right: labeled pixels that agree with the prediction.
        labeled: all labeled pixels.
    """

    predicted_right: int = 0
    predicted: int = 0
    labeled_right: int = 0
    labeled: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(*map(add, astuple(self), astuple(other)))

    @property
    def precision(self) -> float:
        """Share of the predicted pixels that are right; 1 without predictions."""
        return self.predicted_right / self.predicted if self.predicted else 1.0

    @property
    def recall(self) -> float:
        """Share of the labeled pixels that are predicted; 1 without labels."""
        return self.labeled_right / self.labeled if self.labeled else 1.0

    @property
    def f(self) -> float:
        """Harmonic mean of precision and recall."""
        total = self.precision + self.recall
        return 2 * self.precision * self.recall / total if total else 0.0


def tolerance(shape: tuple[int, ...], share: float) -> int:
    """A share of the diagonal of an image (H, W) in pixels, rounded up."""
    return math.ceil(share * math.hypot(*shape))


def compare_outlines(
    labeled: NDArray[np.bool_], predicted: NDArray[np.bool_], radius: int
) -> Counts:
    """Compare the outlines of two masks (H, W); pixels agree within ``radius`` pixels.

    The outline is that of the literature (of the DAVIS challenge): the pixels that differ from the
    next one to the right, below or diagonally below. It is one pixel wide, on the last pixel of the
    mask to the right and below, on the first one outside to the left and above, and absent along
    the edge of the image.
    """
    truth, found = _outline(labeled), _outline(predicted)
    y, x = np.ogrid[-radius : radius + 1, -radius : radius + 1]
    disk = (x * x + y * y <= radius * radius).astype(np.uint8)
    met = found & cv2.dilate(truth, disk), found, truth & cv2.dilate(found, disk), truth
    return Counts(*(int(np.count_nonzero(pixels)) for pixels in met))


def _outline(mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    next_ones = np.pad(mask, ((0, 1), (0, 1)), mode="edge")
    edge = mask != next_ones[:-1, 1:]
    edge |= mask != next_ones[1:, :-1]
    edge |= mask != next_ones[1:, 1:]
    return edge.astype(np.uint8)
