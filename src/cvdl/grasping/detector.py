"""The interface of all grasp detectors."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cvdl.core.frame import RgbdFrame
from cvdl.grasping.rectangles import GraspRectangles

__all__ = ["GraspDetector"]


class GraspDetector(Protocol):
    """Finds grasp rectangles in a frame."""

    def __call__(
        self, frame: RgbdFrame, mask: NDArray[np.bool_] | None = None, count: int = 100
    ) -> GraspRectangles:
        """Return the best rectangles, best first.

        Args:
            frame: color and depth.
            mask: (H, W) bool, where centers may be: on objects and their rim; None for anywhere.
            count: largest number of rectangles.
        """
        ...
