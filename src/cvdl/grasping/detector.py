"""What every grasp detector is to the rest of the stack."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cvdl.core.frame import RgbdFrame
from cvdl.grasping.rectangles import GraspRectangles

__all__ = ["GraspDetector"]


class GraspDetector(Protocol):
    """A frame in, ranked grasp rectangles out."""

    def __call__(
        self, frame: RgbdFrame, mask: NDArray[np.bool_] | None = None, count: int = 100
    ) -> GraspRectangles:
        """The best rectangles, best first.

        Args:
            frame: colour and depth.
            mask: (H, W) bool, where centres may lie: the objects and their rim; None: anywhere.
            count: at most so many.
        """
        ...
