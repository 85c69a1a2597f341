"""What every pixel of a labelled view is, from its masks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cvdl.core.errors import InputError
from cvdl.datasets.detection_sample import DetectionSample

__all__ = ["CROWD", "IGNORED", "NOTHING", "LabelledPixels"]

#: In a map of classes: pixels that are neither to be learnt from nor to be scored.
IGNORED = 255
#: In a map of things: pixels of none, and those of crowds.
NOTHING, CROWD = 0, 255


@dataclass(frozen=True)
class LabelledPixels:
    """Which thing every pixel is of, and the things' classes.

    Attributes:
        things: (H, W) uint8: NOTHING, a thing's number from 1, or CROWD.
        classes: (256,) uint8, the class of each of these numbers; of CROWD IGNORED.
    """

    things: NDArray[np.uint8]
    classes: NDArray[np.uint8]

    @classmethod
    def of(cls, sample: DetectionSample, background: int) -> LabelledPixels:
        """Of a view; where masks overlap, the smaller lies on top.

        Args:
            sample: the view.
            background: class of the pixels of no thing.

        Raises:
            InputError: if the view has no masks, or more things or classes than bytes can number.
        """
        if sample.masks is None:
            raise InputError(f"{sample.name} has boxes without masks; expected masks")
        if len(sample.labels) >= CROWD or background >= IGNORED:
            raise InputError(
                f"{sample.name}: {len(sample.labels)} objects of {background} classes; at most "
                f"{CROWD - 1} of {IGNORED - 1} can be told apart"
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
        """(H, W), the class of each pixel."""
        return self.classes[self.things]
