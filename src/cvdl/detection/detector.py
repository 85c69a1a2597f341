"""What every detector is to the rest of the stack."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cvdl.core.frame import RgbdFrame
from cvdl.detection.detections import Detections

__all__ = ["Detector"]


class Detector(Protocol):
    """Frames in, boxes with classes and scores out.

    Attributes:
        classes: names, in the order of the labels.
    """

    classes: tuple[str, ...]

    def __call__(
        self,
        frames: Sequence[RgbdFrame],
        proposals: Sequence[NDArray[np.float64]] | None = None,
    ) -> list[Detections]:
        """What is in each frame.

        Args:
            frames: a batch, of one size or of several; depth may be NaN everywhere where the
                detector does without.
            proposals: for each frame, boxes (N, 4) where something may be, as of the
                segmentation; detectors that find places by themselves do without.
        """
        ...
