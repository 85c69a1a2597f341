"""The interface of all detectors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cvdl.core.frame import RgbdFrame
from cvdl.detection.detections import Detections

__all__ = ["Detector", "FrameByFrame"]


class Detector(Protocol):
    """Finds boxes with classes and scores in frames.

    Attributes:
        classes: class names, in the order of the class indices.
    """

    classes: tuple[str, ...]

    def __call__(
        self, frames: Sequence[RgbdFrame], proposals: Sequence[NDArray[np.float64]] | None = None
    ) -> list[Detections]:
        """Detect objects in frames.

        Args:
            frames: a batch, of any sizes. The depth may be NaN everywhere if the detector does
                not use it.
            proposals: for each frame, boxes (N, 4) that may contain an object, such as those of
                the segmentation. Detectors with proposals of their own may ignore them.
        """
        ...


class FrameByFrame:
    """Base class of detectors that process one frame at a time."""

    def __call__(
        self, frames: Sequence[RgbdFrame], proposals: Sequence[NDArray[np.float64]] | None = None
    ) -> list[Detections]:
        """Detect objects in frames; see ``Detector``."""
        boxes = [None] * len(frames) if proposals is None else proposals
        return [self.detect(*each) for each in zip(frames, boxes, strict=True)]

    def detect(self, frame: RgbdFrame, proposals: NDArray[np.float64] | None) -> Detections:
        """Detect objects in one frame.

        Args:
            frame: the frame.
            proposals: boxes (N, 4) that may contain an object; None if there are none to use.
        """
        raise NotImplementedError
