"""Samples with labeled grasps."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from cvdl.core.frame import RgbdFrame
from cvdl.datasets.dataset import Dataset
from cvdl.grasping.rectangles import GraspRectangles

__all__ = ["GraspData", "GraspSample"]


@dataclass(frozen=True)
class GraspSample:
    """One sample with labeled grasps.

    Attributes:
        name: unique in the data set.
        object_id: the same for all samples of an object, so that folds do not split them.
        frame: color and depth; the depth is NaN everywhere if there is only color.
        good: rectangles where a grasp succeeds.
        bad: rectangles where a grasp fails; may be empty.
    """

    name: str
    object_id: str
    frame: RgbdFrame
    good: GraspRectangles
    bad: GraspRectangles = field(default_factory=GraspRectangles.none)


class GraspData(Dataset[GraspSample], Protocol):
    """A data set of labeled grasps.

    Attributes:
        object_ids: of each sample.
    """

    object_ids: list[str]
