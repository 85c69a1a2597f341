"""The classes that a detector and a data set have in common, by their names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cvdl.core.errors import InputError
from cvdl.datasets.detection_sample import DetectionSample
from cvdl.detection.detections import Detections

__all__ = ["SharedClasses"]


@dataclass(frozen=True)
class SharedClasses:
    """Which labels of a detector and of a data set mean the same.

    Names are the same whatever their case, and whether words are parted by spaces, hyphens or
    underscores.

    Attributes:
        names: those in common, as the data set writes them and in its order.
        unknown: the data set's classes that the detector does not know.
    """

    names: tuple[str, ...]
    unknown: tuple[str, ...]
    _of_data: NDArray[np.int64]
    _of_detector: NDArray[np.int64]

    @classmethod
    def between(cls, detector: Sequence[str], data: Sequence[str]) -> SharedClasses:
        """Of the classes of a detector and of a data set.

        Raises:
            InputError: if they have none in common.
        """
        theirs = {_plain(name) for name in detector}
        names = tuple(name for name in data if _plain(name) in theirs)
        if not names:
            raise InputError(
                "the detector and the data set have no class in common: it finds "
                f"{_some(detector)}; labelled are {_some(data)}. To score boxes without their "
                "class names, use --class-agnostic"
            )
        unknown = tuple(name for name in data if name not in names)
        return cls(names, unknown, _labels(data, names), _labels(detector, names))

    def sample(self, sample: DetectionSample) -> DetectionSample:
        """A view of the data set with the boxes of these classes, and their labels."""
        labels = self._of_data[sample.labels]
        rows = labels >= 0
        return replace(
            sample,
            boxes=sample.boxes[rows],
            labels=labels[rows],
            crowd=sample.crowd[rows],
            masks=None if sample.masks is None else sample.masks[rows],
        )

    def found(self, found: Detections) -> Detections:
        """The detector's detections of these classes, with their labels."""
        some = found[self._of_detector[found.labels] >= 0]
        return replace(some, labels=self._of_detector[some.labels])

    def class_map(self, told: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The detector's map of classes (H, W) with these classes' labels, the rest their number.

        Args:
            told: places in the detector's classes, or their number for none.
        """
        labels = np.append(self._of_detector, -1)
        return np.where(labels < 0, len(self.names), labels).astype(np.uint8)[told]


def _plain(name: str) -> str:
    return name.casefold().replace("_", " ").replace("-", " ").strip()


def _labels(classes: Sequence[str], names: Sequence[str]) -> NDArray[np.int64]:
    """(len(classes),) places in ``names``; -1 for those that are not among them."""
    places = {_plain(name): place for place, name in reversed(list(enumerate(names)))}
    return np.array([places.get(_plain(name), -1) for name in classes], np.int64)


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")
