"""The support of a frame, and which pixels are on it and above it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from cvdl.core.camera import Camera
from cvdl.core.compiled import compiled
from cvdl.core.scene import PLANE_LABEL
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

    def label(self, labels: NDArray[np.uint16], odds: NDArray[np.float32] | None) -> None:
        """Label the pixels of the support, in place.

        Args:
            labels: (H, W), see ``Scene.labels``.
            odds: (H, W), log odds that a pixel is of a support, by a network; None without.
        """
        _label_on_plane(labels, self.classes, self.support.footprint, self.support.stride)
        if odds is not None:
            _label_seen(labels, self.classes, odds)

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


@compiled()
def _label_on_plane(labels, classes, footprint, stride):  # type: ignore[no-untyped-def]
    """Labels the pixels on the plane whose block is in its footprint."""
    rows, cols = footprint.shape
    col_of = np.minimum(np.arange(labels.shape[1]) // stride, cols - 1)
    for i in range(labels.shape[0]):
        covered = footprint[min(i // stride, rows - 1)][col_of]
        for j in range(labels.shape[1]):
            is_support = covered[j] & (classes[i, j] == ON_PLANE)
            labels[i, j] = PLANE_LABEL if is_support else labels[i, j]


@compiled()
def _label_seen(labels, classes, odds):  # type: ignore[no-untyped-def]
    """Labels the pixels that are more likely a support than not, and not above the plane."""
    for i in range(labels.shape[0]):
        for j in range(labels.shape[1]):
            is_support = (odds[i, j] > 0) & (classes[i, j] != ABOVE_PLANE)
            labels[i, j] = PLANE_LABEL if is_support else labels[i, j]
