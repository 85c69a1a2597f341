"""What is around the networks of the cascade, whatever runs them. Imports no torch."""

from __future__ import annotations

from abc import ABC, abstractmethod

import cv2
import numpy as np
from numpy.typing import NDArray

from cvdl.core.frame import RgbdFrame
from cvdl.grasping.rectangles import RIGHT_OVERLAP, GraspRectangles, jaccard
from cvdl.networks.working_size import to_working_size

__all__ = [
    "CONTEXT",
    "FEWEST_SURVIVORS",
    "MULTIPLE",
    "PATCH",
    "SMALLEST_SPAN",
    "STRIDE",
    "FrameCascade",
    "to_rectangles",
    "window_around",
]

#: Distance of the cells of the dense network, pixels.
STRIDE = 4
FEWEST_SURVIVORS = 48  # least number of candidates that the second network scores
#: The input of the dense network is padded, with 0 at its ends, to multiples of this.
MULTIPLE = 8
#: Pixels of each side of a patch, the input of the second network.
PATCH = 32
#: Span of a patch, relative to the longer side of its rectangle, and the least one in pixels.
CONTEXT, SMALLEST_SPAN = 2.0, 36.0
_MARGIN = 16  # cells around the allowed ones in the input of the dense network

_Array = NDArray[np.float32]
_Mask = NDArray[np.bool_]


class FrameCascade(ABC):
    """A cascade of two networks, as in Lenz, Lee & Saxena 2014, with a modern architecture."""

    def __call__(
        self, frame: RgbdFrame, mask: NDArray[np.bool_] | None = None, count: int = 100
    ) -> GraspRectangles:
        """Return the best rectangles of a frame, best first; see ``GraspDetector``.

        The second network scores ``count`` candidates, and at least ``FEWEST_SURVIVORS``.
        """
        if min(frame.depth.shape) < STRIDE:
            return GraspRectangles.none()
        frame, factors = to_working_size(frame)
        height, width = frame.depth.shape
        # Without incomplete cells on the right and below.
        rows, cols = height // STRIDE, width // STRIDE
        allowed = np.ones((rows, cols), bool)
        if mask is not None:
            small = cv2.resize(
                mask.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST
            )
            allowed = small[: STRIDE * rows : STRIDE, : STRIDE * cols : STRIDE] > 0
        rectangles, scores = self.find(frame, allowed, max(count, FEWEST_SURVIVORS))
        order = np.argsort(-scores, kind="stable")[:count]
        return to_rectangles(rectangles[order], scores[order]).resized(1 / factors)

    def judge(self, frame: RgbdFrame, rectangles: GraspRectangles) -> NDArray[np.float64]:
        """Return the scores of given rectangles, (N,) in [0, 1].

        The second network predicts the Jaccard index of the refined rectangle. That of the given
        one is about the product with the Jaccard index of the two. A score of 0.5 stands for an
        index of 0.25, from which a rectangle is correct (Jiang 2011).
        """
        frame, factors = to_working_size(frame)
        rectangles = rectangles.resized(factors)
        values = np.column_stack(
            [rectangles.center, rectangles.angle, rectangles.opening, rectangles.plate]
        )
        refined = to_rectangles(*self.refine(frame, values.astype(np.float32)))
        index = refined.score * np.diag(jaccard(rectangles, refined))
        return index / (index + RIGHT_OVERLAP)

    @abstractmethod
    def find(self, frame: RgbdFrame, allowed: _Mask, survivors: int) -> tuple[_Array, _Array]:
        """Return the best rectangles (N, 5) and their scores (N,), in any order.

        Args:
            frame: at the working size.
            allowed: (rows, columns) of cells that may be centers.
            survivors: largest number of rectangles.
        """

    @abstractmethod
    def refine(self, frame: RgbdFrame, rectangles: _Array) -> tuple[_Array, _Array]:
        """Return given rectangles (N, 5), refined, and their scores (N,) by the second network.

        Args:
            frame: at the working size.
            rectangles: (N, 5).
        """


def to_rectangles(rectangles: _Array, scores: _Array) -> GraspRectangles:
    """Convert rectangles (N, 5), see ``geometry``, and their scores (N,)."""
    values = rectangles.astype(np.float64)
    angle, opening, plate = values[:, 2:].T
    return GraspRectangles(values[:, :2], angle, opening, plate, scores.astype(np.float64))


def window_around(allowed: _Mask) -> tuple[slice, slice]:
    """Return the rows and columns of cells that the dense network needs for the allowed ones."""
    rows, cols = (_span(np.any(allowed, axis)) for axis in (1, 0))
    return rows, cols


def _span(some: _Mask) -> slice:
    index = np.flatnonzero(some)
    first, last = (int(index[0]), int(index[-1])) if len(index) else (0, 0)
    return slice(max(0, first - _MARGIN), min(len(some), last + 1 + _MARGIN))
