"""The support of a frame, and which pixels are on it and above it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from cvdl.core.camera import Camera
from cvdl.segmentation.plane import SupportPlane
from cvdl.segmentation.surface import ABOVE_PLANE, ON_PLANE, height_classes

__all__ = ["SupportHeights"]

_SPECK = np.ones((3, 3), np.uint8)


@dataclass(frozen=True)
class SupportHeights:
    """A support and what is on and above it.

    Attributes:
        support: the plane.
        low: height that is above the noise, meters.
        min_height: of an object, meters.
        classes: (H, W) uint8, see ``height_classes``.
    """

    support: SupportPlane
    low: float
    min_height: float
    classes: NDArray[np.uint8]

    @classmethod
    def of(
        cls,
        support: SupportPlane,
        depth: NDArray[np.float32],
        camera: Camera,
        low: float,
        min_height: float,
        max_height: float,
    ) -> SupportHeights:
        """Classify the pixels of a depth image (H, W) by their height.

        Args:
            support: the plane.
            depth: meters, NaN for no reading.
            camera: intrinsics.
            low: height that is above the noise, meters.
            min_height: lower objects are ignored, meters.
            max_height: higher pixels are ignored, meters.
        """
        classes = height_classes(depth, camera, support.plane, low, max_height)
        return cls(support, low, max(min_height, low), classes)

    @property
    def is_known(self) -> NDArray[np.bool_]:
        """(H, W), pixels on the plane or above it."""
        return self.classes > 0

    @property
    def on_plane(self) -> NDArray[np.bool_]:
        """(H, W), pixels on the plane."""
        return self.classes == ON_PLANE

    @property
    def above(self) -> NDArray[np.bool_]:
        """(H, W), pixels above the plane."""
        return self.classes == ABOVE_PLANE

    @cached_property
    def opened(self) -> NDArray[np.bool_]:
        """(H, W), pixels above the plane without specks of noise."""
        opened = cv2.morphologyEx(self.above.view(np.uint8), cv2.MORPH_OPEN, _SPECK)
        return np.asarray(opened).view(np.bool_)
