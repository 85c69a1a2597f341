"""What every data set of labelled boxes gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cvdl.frame import RgbdFrame

__all__ = ["DetectionData", "DetectionSample"]


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


class DetectionData(Protocol):
    """A data set of labelled views, read or made one by one as they are asked for.

    Attributes:
        classes: names, in the order of the labels.
        names: of the views.
    """

    classes: tuple[str, ...]
    names: list[str]

    def __len__(self) -> int:
        """How many views."""
        ...

    def __getitem__(self, index: int) -> DetectionSample:
        """One view."""
        ...
