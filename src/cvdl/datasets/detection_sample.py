"""Samples with labeled boxes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cvdl.core.errors import InputError
from cvdl.core.frame import RgbdFrame
from cvdl.datasets.dataset import Dataset, Subset

__all__ = ["DetectionData", "DetectionSample", "DetectionSubset", "check_boxes", "check_classes"]


@dataclass(frozen=True)
class DetectionSample:
    """One sample with labeled boxes.

    Attributes:
        name: unique in the data set.
        frame: color and depth; the depth is NaN everywhere if there is only color.
        boxes: (N, 4) float64, pixels: x_min, y_min, x_max, y_max, the last two exclusive.
        labels: (N,) int64, indices into the data set's ``classes``.
        crowd: (N,) bool: whether a box is around many objects of a class; it counts neither as
            an object to detect nor as a false detection (COCO's ``iscrowd``).
        masks: (N, H, W) bool of the visible parts, if the data set has masks.
    """

    name: str
    frame: RgbdFrame
    boxes: NDArray[np.float64]
    labels: NDArray[np.int64]
    crowd: NDArray[np.bool_]
    masks: NDArray[np.bool_] | None = None


class DetectionData(Dataset[DetectionSample], Protocol):
    """A data set of labeled boxes.

    Attributes:
        classes: class names, in order of class indices.
    """

    classes: tuple[str, ...]


def check_boxes(train: DetectionData, validation: DetectionData) -> None:
    """Check that there is a box to train on, and the classes; reading stops at the first box.

    Raises:
        InputError: if no sample to train on has a labeled box that is not a crowd, or the classes
            differ, see ``check_classes``.
    """
    if all(sample.crowd.all() for sample in train):
        raise InputError("nothing to train on: no view has a labeled box")
    check_classes(train, validation)


def check_classes(train: DetectionData, validation: DetectionData) -> None:
    """Check that validation samples, if there are any, have the classes of the training samples.

    Raises:
        InputError: if the classes differ.
    """
    if len(validation) and validation.classes != train.classes:
        raise InputError(
            f"the validation views have the classes {', '.join(validation.classes)}; the "
            f"training views {', '.join(train.classes)}"
        )


class DetectionSubset(Subset[DetectionSample]):
    """Some samples of a data set of labeled boxes.

    Args:
        data: the data set.
        indices: of its samples.
        extra: data sets with the same classes, all of whose samples are added.
    """

    def __init__(
        self, data: DetectionData, indices: Iterable[int], extra: Iterable[DetectionData] = ()
    ) -> None:
        super().__init__([(data, indices), *((more, range(len(more))) for more in extra)])
        self.classes = data.classes
