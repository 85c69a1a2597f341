"""The object and class of every pixel of a labeled sample, from its masks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cvdl.core.errors import InputError
from cvdl.datasets.detection_sample import DetectionSample

__all__ = ["CROWD", "IGNORED", "NOTHING", "LabeledPixels"]

#: In a class map: pixels that neither training nor evaluation uses.
IGNORED = 255
#: In a map of objects: pixels without an object, and pixels of crowds.
NOTHING, CROWD = 0, 255


@dataclass(frozen=True)
class LabeledPixels:
    """The object of every pixel, and the classes of the objects.

    Attributes:
        things: (H, W) uint8: NOTHING, the number of an object from 1, or CROWD.
        classes: (256,) uint8, class index of each of these numbers; IGNORED for CROWD.
    """

    things: NDArray[np.uint8]
    classes: NDArray[np.uint8]

    @classmethod
    def of(cls, sample: DetectionSample, background: int) -> LabeledPixels:
        """Convert the masks of a sample; where masks overlap, the smaller is on top.

        Args:
            sample: the sample.
            background: class index of pixels without an object.

        Raises:
            InputError: if the sample has no masks, or more objects or classes than fit in a byte.
        """
        if sample.masks is None:
            raise InputError(f"{sample.name} has boxes without masks; expected masks")
        if len(sample.labels) >= CROWD or background >= IGNORED:
            raise InputError(
                f"{sample.name}: {len(sample.labels)} objects of {background} classes; at most "
                f"{CROWD - 1} of {IGNORED - 1} are supported"
            )
        things = np.full(sample.frame.depth.shape, NOTHING, np.uint8)
        for row in np.argsort(-sample.masks.sum(axis=(1, 2)), kind="stable"):
            things[sample.masks[row]] = CROWD if sample.crowd[row] else row + 1
        classes = np.full(CROWD + 1, background, np.uint8)
        classes[1 : len(sample.labels) + 1] = sample.labels
        classes[CROWD] = IGNORED
        return cls(things, classes)

    @property
    def class_map(self) -> NDArray[np.uint8]:
        """The class index of each pixel, (H, W)."""
        return self.classes[self.things]
