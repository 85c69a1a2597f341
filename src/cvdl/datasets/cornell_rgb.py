"""More views of the Cornell Grasping Dataset: colour only, each cropped and turned at random."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from cvdl.core.camera import Camera
from cvdl.core.frame import RgbdFrame
from cvdl.datasets.grasp_folder import GraspFolder, read_rows
from cvdl.datasets.grasp_sample import GraspSample
from cvdl.datasets.registry import DATASETS, Dataset
from cvdl.grasping.rectangles import GraspRectangles

__all__ = ["CornellRgbDataset"]

#: A stand-in: how the crops were scaled and where they lay in the original is not known.
_CAMERA = Camera(224, 224, 525.0, 525.0, 111.5, 111.5)
_CLASSES = 19
_CLASS_STEP = 10.0  # degrees


class CornellRgbDataset(GraspFolder):
    """A folder of ``NAME.png``, 224x224 colour, with good grasps in ``NAME.txt``.

    A line a grasp, ``class x1 y1 x2 y2``: the opening's direction lies (class - 1) * 10 - 90
    degrees from +x, y up, so exact to 5 degrees; the box (pixels) is the rectangle turned upright
    about its centre, x2 - x1 its opening, y2 - y1 its plate. Empty files are views without a
    labelled grasp; there are no bad ones.

    The depth is NaN everywhere. The crops' intrinsics are unknown: the samples' camera, with the
    Kinect's focal length and its principal point in the middle, only has their size right. What
    each view shows is not told either: each is an object of its own, though views with
    neighbouring numbers mostly show the same thing.

    Args:
        path: the folder.

    Raises:
        DatasetError: naming what is missing or cannot be read.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, r"(.+)\.png", "NAME.png")
        self.object_ids = list(self.names)

    def __getitem__(self, index: int) -> GraspSample:
        """One view.

        Raises:
            DatasetError: naming the file that is missing or cannot be read.
        """
        unknown = np.full((_CAMERA.height, _CAMERA.width), np.nan, np.float32)
        frame = RgbdFrame(self._color(index, _CAMERA), unknown, _CAMERA)
        good = _read_grasps(self._beside(index, ".txt"))
        return GraspSample(
            self.names[index], self.object_ids[index], frame, good, GraspRectangles.none()
        )


def _read_grasps(path: Path) -> GraspRectangles:
    expected = f"class x1 y1 x2 y2 with a class from 1 to {_CLASSES}, x1 < x2 and y1 < y2"
    kind, left, top, right, bottom = read_rows(path, None, _makes_sense, expected).T
    # Their y points up, ours down.
    angle = -np.radians((kind - 1) * _CLASS_STEP - 90)
    center = np.stack([left + right, top + bottom], axis=1) / 2
    return GraspRectangles(center, angle, right - left, bottom - top)


def _makes_sense(values: list[float]) -> bool:
    kind, left, top, right, bottom = values
    return kind in range(1, _CLASSES + 1) and right > left and bottom > top


DATASETS.register(
    Dataset("cornell_rgb", "Color crops of the Cornell Grasping Dataset.", grasps=CornellRgbDataset)
)
