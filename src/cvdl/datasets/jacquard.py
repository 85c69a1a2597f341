"""The Jacquard grasping data set (Depierre, Dellandréa & Chen, IROS 2018)."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from cvdl.core.camera import Camera
from cvdl.core.frame import RgbdFrame
from cvdl.datasets.grasp_folder import GraspFolder, read_rows
from cvdl.datasets.grasp_sample import GraspSample
from cvdl.datasets.images import read_image
from cvdl.datasets.registry import DATASETS, Dataset
from cvdl.grasping.rectangles import GraspRectangles

__all__ = ["DEPTHS", "JacquardDataset"]

DEPTHS = ("stereo", "perfect")
#: The data set gives no intrinsics. Assumed: the renderer's usual lens, 35 mm on a 32 mm sensor,
#: and the principal point in the middle.
_CAMERA = Camera(1024, 1024, 1120.0, 1120.0, 511.5, 511.5)
_COLOR = "_RGB.png"


class JacquardDataset(GraspFolder):
    """Rendered views of single objects: a folder an object, as the data set is unpacked.

    For each view there are ``N_ID_RGB.png``, ``N_ID_grasps.txt``, ``N_ID_mask.png`` and depth,
    ``N_ID_stereo_depth.tiff`` or ``N_ID_perfect_depth.tiff`` (float32 metres), all 1024x1024.
    ``ID`` is the object's folder; its views have numbers N from 0.

    A line of ``_grasps.txt`` is a grasp that held in simulation, ``x;y;theta;opening;jaw``: the
    centre, the opening's direction in degrees from +x towards +y, y down, and the sides along
    opening and plates, pixels. The same grasp is listed with several jaws. There are no bad ones.

    The samples' camera is assumed, as the data set gives no intrinsics (35 mm lens on a 32 mm
    sensor): rectangles and images are exact, 3-D poses from them are not.

    Args:
        path: the folder; sub-folders at any depth are searched.
        depth: ``stereo``, as stereo matching of rendered pairs gives it, or ``perfect``.

    Raises:
        DatasetError: naming what is missing or cannot be read.
        ValueError: if there is no such depth.
    """

    def __init__(self, path: Path, depth: str = "stereo") -> None:
        if depth not in DEPTHS:
            raise ValueError(f"depth is {depth!r}; accepted: {', '.join(DEPTHS)}")
        super().__init__(path, rf"(.+){_COLOR}", f"N_ID{_COLOR}")
        self._depth = depth
        self.object_ids = [image.parent.name for image in self._images]

    def __getitem__(self, index: int) -> GraspSample:
        """One view.

        Raises:
            DatasetError: naming the file that is missing or cannot be read.
        """
        size = (_CAMERA.height, _CAMERA.width)
        color = self._color(index, _CAMERA)
        file = self._beside(index, f"_{self._depth}_depth.tiff")
        raw = read_image(file, cv2.IMREAD_UNCHANGED, (np.float32,), size)
        depth = np.where(np.isfinite(raw) & (raw > 0), raw, np.float32(np.nan))
        frame = RgbdFrame(color, depth, _CAMERA)
        good = _read_grasps(self._beside(index, "_grasps.txt"))
        return GraspSample(
            self.names[index], self.object_ids[index], frame, good, GraspRectangles.none()
        )

    def mask(self, index: int) -> NDArray[np.bool_]:
        """(1024, 1024) bool: the object's pixels in one view.

        Raises:
            DatasetError: naming the file that is missing or cannot be read.
        """
        size = (_CAMERA.height, _CAMERA.width)
        file = self._beside(index, "_mask.png")
        return read_image(file, cv2.IMREAD_GRAYSCALE, (np.uint8,), size) > 0


def _read_grasps(path: Path) -> GraspRectangles:
    expected = "x;y;theta;opening;jaw with a positive opening and jaw"
    rows = read_rows(path, ";", lambda values: min(values[3:]) > 0, expected)
    x, y, theta, opening, jaw = rows.T
    return GraspRectangles(np.stack([x, y], axis=1), np.radians(theta), opening, jaw)


DATASETS.register(
    Dataset(
        "jacquard",
        "Jacquard (Depierre et al. 2018): simulated objects, one by one.",
        grasps=JacquardDataset,
    )
)
