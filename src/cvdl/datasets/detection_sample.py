"""What every data set of labelled boxes gives."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cvdl.core.errors import InputError
from cvdl.core.frame import RgbdFrame
from cvdl.datasets.views import LabelledViews, Views

__all__ = ["DetectionData", "DetectionSample", "DetectionViews", "check_boxes", "check_classes"]


@dataclass(frozen=True)
class DetectionSample:
    """One labelled view.

    Attributes:
        name: of the view, unique in its data set.
        frame: colour and depth; the depth is NaN everywhere where there is only colour.
        boxes: (N, 4) float64, pixels: x_min, y_min, x_max, y_max, the last two exclusive.
        labels: (N,) int64, places in the data set's ``classes``.
        crowd: (N,) bool: a box round many things of a class, which is neither to be found nor a
            mistake to find (COCO's ``iscrowd``).
        masks: (N, H, W) bool of what is visible, where the data set has them.
    """

    name: str
    frame: RgbdFrame
    boxes: NDArray[np.float64]
    labels: NDArray[np.int64]
    crowd: NDArray[np.bool_]
    masks: NDArray[np.bool_] | None = None


class DetectionData(LabelledViews[DetectionSample], Protocol):
    """A data set of labelled boxes.

    Attributes:
        classes: names, in the order of the labels.
    """

    classes: tuple[str, ...]


def check_boxes(data: DetectionData) -> None:
    """That there is something to learn; no more views are read than it takes to know.

    Raises:
        InputError: if no view has a labelled box that is no crowd.
    """
    if all(view.crowd.all() for view in data):
        raise InputError("nothing to train on: no view has a labelled box")


def check_classes(train: DetectionData, validation: DetectionData) -> None:
    """That views to validate on, where there are any, have the classes of those to train on.

    Raises:
        InputError: if not.
    """
    if len(validation) and validation.classes != train.classes:
        raise InputError(
            f"the validation views have the classes {', '.join(validation.classes)}; the "
            f"training views {', '.join(train.classes)}"
        )


class DetectionViews(Views[DetectionSample]):
    """Some views of a data set of labelled boxes, read one by one as they are asked for.

    Args:
        data: the data set.
        indices: which of its views.
        extra: data sets of the same classes, all of whose views are added.
    """

    def __init__(
        self, data: DetectionData, indices: Iterable[int], extra: Iterable[DetectionData] = ()
    ) -> None:
        super().__init__([(data, indices), *((more, range(len(more))) for more in extra)])
        self.classes = data.classes
