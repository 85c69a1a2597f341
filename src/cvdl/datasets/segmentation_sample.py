"""Samples with a label for every pixel."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cvdl.core.frame import RgbdFrame
from cvdl.datasets.dataset import Dataset, Subset

__all__ = ["UNLABELED", "SegmentationData", "SegmentationSample", "SegmentationSubset"]

#: Label of pixels that are not known.
UNLABELED = 65535


@dataclass(frozen=True)
class SegmentationSample:
    """One sample with a label for every pixel.

    Attributes:
        name: unique in the data set.
        frame: color and depth.
        labels: (H, W) uint16, as in ``Scene.labels``; UNLABELED where it is not known.
        object_classes: (N,) int64, indices into the data set's ``classes`` of the objects with the
            labels 2, 3, ...; -1 for objects without a class. Some of them may have no pixel.
    """

    name: str
    frame: RgbdFrame
    labels: NDArray[np.uint16]
    object_classes: NDArray[np.int64]


class SegmentationData(Dataset[SegmentationSample], Protocol):
    """A data set with a label for every pixel.

    Attributes:
        classes: class names, in order of class indices; may be empty.
    """

    classes: tuple[str, ...]


class SegmentationSubset(Subset[SegmentationSample]):
    """Some samples of a data set with a label for every pixel.

    Args:
        data: the data set.
        indices: of its samples.
        extra: data sets all of whose samples are added, to train on: no network learns the
            classes, so these may be others.
    """

    def __init__(
        self,
        data: SegmentationData,
        indices: Iterable[int],
        extra: Iterable[SegmentationData] = (),
    ) -> None:
        super().__init__([(data, indices), *((more, range(len(more))) for more in extra)])
        self.classes = data.classes
