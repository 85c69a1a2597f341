"""Color crops of the Cornell Grasping Dataset, each turned at random."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from cvdl.core.camera import Camera
from cvdl.core.frame import RgbdFrame
from cvdl.datasets.grasp_folder import GraspFolder
from cvdl.datasets.grasp_sample import GraspSample
from cvdl.datasets.reading import read_rows
from cvdl.datasets.registry import DATASETS, DatasetInfo
from cvdl.grasping.rectangles import GraspRectangles

__all__ = ["CornellRgbDataset"]

#: A placeholder: scale and position of the crops in the original images are unknown.
_CAMERA = Camera(224, 224, 525.0, 525.0, 111.5, 111.5)
_CLASSES = 19
_CLASS_STEP = 10.0  # degrees


class CornellRgbDataset(GraspFolder):
    """A folder of ``NAME.png``, 224x224 color, with good grasps in ``NAME.txt``.

    Each line ``class x1 y1 x2 y2`` is a grasp: the opening is at (class - 1) * 10 - 90 degrees from
    +x, y up, with a resolution of 10 degrees. The box (pixels) is the rectangle turned upright
    about its center; x2 - x1 is the opening, y2 - y1 the plate. Empty files are samples without a
    labeled grasp. There are no bad grasps.

    The depth is NaN everywhere. The intrinsics of the crops are unknown: the samples' camera, with
    the focal length of the Kinect and a centered principal point, only has the right size. The
    objects are unknown too: each sample is an object of its own, although samples with neighboring
    numbers usually show the same object.

    Raises:
        DatasetError: naming the file that is missing or cannot be read.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, r"(.+)\.png", "NAME.png")
        self.object_ids = list(self.names)

    def __getitem__(self, index: int) -> GraspSample:
        unknown = np.full((_CAMERA.height, _CAMERA.width), np.nan, np.float32)
        frame = RgbdFrame(self._color(index, _CAMERA), unknown, _CAMERA)
        expected = f"class x1 y1 x2 y2 with a class from 1 to {_CLASSES}, x1 < x2 and y1 < y2"
        rows = read_rows(self._beside(index, ".txt"), None, _is_valid, expected)
        kind, left, top, right, bottom = rows.T
        # The angles have y up, the images y down.
        angle = -np.radians((kind - 1) * _CLASS_STEP - 90)
        center = np.stack([left + right, top + bottom], axis=1) / 2
        good = GraspRectangles(center, angle, right - left, bottom - top)
        return GraspSample(self.names[index], self.object_ids[index], frame, good)


def _is_valid(values: list[float]) -> bool:
    kind, left, top, right, bottom = values
    return kind in range(1, _CLASSES + 1) and right > left and bottom > top


DATASETS.register(
    DatasetInfo(
        "cornell_rgb", "Color crops of the Cornell Grasping Dataset.", grasps=CornellRgbDataset
    )
)
