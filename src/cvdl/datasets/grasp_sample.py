"""What every data set of grasps gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from cvdl.core.frame import RgbdFrame
from cvdl.datasets.views import LabelledViews
from cvdl.grasping.rectangles import GraspRectangles

__all__ = ["GraspData", "GraspSample"]


@dataclass(frozen=True)
class GraspSample:
    """One labelled view.

    Attributes:
        name: of the view, unique in its data set.
        object_id: views of one object share it, so that object-wise folds keep them together.
        frame: colour and depth; the depth is NaN everywhere where there is only colour.
        good: rectangles where a grasp should work.
        bad: rectangles where it should not; may be empty.
    """

    name: str
    object_id: str
    frame: RgbdFrame
    good: GraspRectangles
    bad: GraspRectangles


class GraspData(LabelledViews[GraspSample], Protocol):
    """A data set of labelled grasps.

    Attributes:
        object_ids: of each view.
    """

    object_ids: list[str]
