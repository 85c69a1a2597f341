"""What the instance network sees in a frame. Imports no torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cvdl.core.frame import RgbdFrame
from cvdl.core.scene import FIRST_OBJECT_LABEL, PLANE_LABEL
from cvdl.segmentation.instances.grouping import group_pixels
from cvdl.segmentation.labels import Labels

__all__ = ["FindInstances", "Instances"]


@dataclass(frozen=True)
class Instances:
    """What the network sees, at half of the working size.

    Attributes:
        is_object: (h, w) float32, log odds that a pixel belongs to an object.
        is_support: (h, w) float32, log odds that a pixel belongs to the support.
        centers: (h, w) float32, probability of the center of an object.
        offsets: (2, h, w) float32, x and y from each pixel to the center of its object, pixels.
    """

    is_object: NDArray[np.float32]
    is_support: NDArray[np.float32]
    centers: NDArray[np.float32]
    offsets: NDArray[np.float32]

    def groups(self, is_object: NDArray[np.bool_]) -> Labels:
        """The objects of the pixels (h, w) of objects; see ``group_pixels``."""
        return group_pixels(is_object, self.centers, self.offsets)

    def label_image(self) -> NDArray[np.uint8]:
        """Labels (h, w) as in ``Scene.labels``, by the network alone."""
        is_object = self.is_object > 0
        labels = np.where(self.is_support > 0, PLANE_LABEL, 0)
        grouped = self.groups(is_object)
        return np.where(grouped > 0, grouped + FIRST_OBJECT_LABEL - 1, labels).astype(np.uint8)


#: The network applied to a frame of any camera.
FindInstances = Callable[[RgbdFrame], Instances]
