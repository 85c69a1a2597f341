"""The classes that a detector and a data set have in common, by name."""

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
    """Class indices of a detector and of a data set, mapped to the classes of both.

    Names are compared without case, and spaces, hyphens and underscores are equal.

    Attributes:
        names: the common classes, as in the data set and in its order.
        unknown: the classes of the data set that the detector does not know.
    """

    names: tuple[str, ...]
    unknown: tuple[str, ...]
    _of_data: NDArray[np.int64]
    _of_detector: NDArray[np.int64]

    @classmethod
    def between(cls, detector: Sequence[str], data: Sequence[str]) -> SharedClasses:
        """Match the classes of a detector and of a data set.

        Raises:
            InputError: if they have no class in common.
        """
        known = {_plain(name) for name in detector}
        names = tuple(name for name in data if _plain(name) in known)
        if not names:
            raise InputError(
                "the detector and the data set have no class in common: it finds "
                f"{_some(detector)}; the data set has {_some(data)}. To score boxes without their "
                "class names, use --class-agnostic"
            )
        unknown = tuple(name for name in data if name not in names)
        return cls(names, unknown, _indices(data, names), _indices(detector, names))

    def sample(self, sample: DetectionSample) -> DetectionSample:
        """A sample of the data set with only the boxes of these classes."""
        labels = self._of_data[sample.labels]
        rows = labels >= 0
        return replace(
            sample,
            boxes=sample.boxes[rows],
            labels=labels[rows],
            crowd=sample.crowd[rows],
            masks=None if sample.masks is None else sample.masks[rows],
        )

    def as_detector(self, sample: DetectionSample) -> DetectionSample:
        """The same, with the class indices of the detector."""
        known = self.sample(sample)
        places = [int(np.flatnonzero(self._of_detector == i)[0]) for i in range(len(self.names))]
        return replace(known, labels=np.array(places, np.int64)[known.labels])

    def found(self, found: Detections) -> Detections:
        """The detections of these classes."""
        known = found[self._of_detector[found.labels] >= 0]
        return replace(known, labels=self._of_detector[known.labels])

    def class_map(self, predicted: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """A class map (H, W) of the detector in these classes; other pixels get their number.

        Args:
            predicted: class indices of the detector, or its number of classes for no class.
        """
        indices = np.append(self._of_detector, -1)
        return np.where(indices < 0, len(self.names), indices).astype(np.uint8)[predicted]


def _plain(name: str) -> str:
    return name.casefold().replace("_", " ").replace("-", " ").strip()


def _indices(classes: Sequence[str], names: Sequence[str]) -> NDArray[np.int64]:
    """(len(classes),) indices into ``names``; -1 for other classes."""
    index_of = {_plain(name): index for index, name in reversed(list(enumerate(names)))}
    return np.array([index_of.get(_plain(name), -1) for name in classes], np.int64)


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")
