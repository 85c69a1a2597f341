"""The Jacquard grasping data set (Depierre, Dellandréa & Chen, IROS 2018)."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from cvdl.core.camera import Camera
from cvdl.core.frame import RgbdFrame
from cvdl.datasets.grasp_folder import GraspFolder
from cvdl.datasets.grasp_sample import GraspSample
from cvdl.datasets.reading import read_image, read_rows
from cvdl.datasets.registry import DATASETS, DatasetInfo
from cvdl.grasping.rectangles import GraspRectangles

__all__ = ["JacquardDataset"]

_DEPTHS = ("stereo", "perfect")
#: Assumed, because the data set has no intrinsics: the renderer's usual lens, 35 mm on a 32 mm
#: sensor, and the principal point in the center.
_CAMERA = Camera(1024, 1024, 1120.0, 1120.0, 511.5, 511.5)
_SIZE = (_CAMERA.height, _CAMERA.width)


class JacquardDataset(GraspFolder):
    """Rendered images of single objects, with one folder for each object.

    Each sample has ``N_ID_RGB.png``, ``N_ID_grasps.txt``, ``N_ID_mask.png`` and depth,
    ``N_ID_stereo_depth.tiff`` or ``N_ID_perfect_depth.tiff`` (float32 meters), all 1024x1024.
    ``ID`` is the object's folder; its samples have numbers N from 0.

    A line ``x;y;theta;opening;jaw`` of ``_grasps.txt`` is a grasp that succeeded in simulation:
    center, direction of the opening in degrees from +x towards +y, y down, and the sides along
    opening and plates, pixels. The same grasp is listed with several jaws. There are no bad grasps.

    The camera is assumed, because the data set has no intrinsics (35 mm lens on a 32 mm sensor):
    rectangles and images are exact, 3-D poses from them are not.

    Args:
        path: the folder; subfolders at any depth are searched.
        depth: ``stereo``, from stereo matching of rendered pairs, or ``perfect``.

    Raises:
        DatasetError: naming the file that is missing or cannot be read.
        ValueError: if ``depth`` is unknown.
    """

    def __init__(self, path: Path, depth: str = "stereo") -> None:
        if depth not in _DEPTHS:
            raise ValueError(f"depth is {depth!r}; accepted: {', '.join(_DEPTHS)}")
        super().__init__(path, r"(.+)_RGB\.png", "N_ID_RGB.png")
        self._depth = depth
        self.object_ids = [image.parent.name for image in self._images]

    def __getitem__(self, index: int) -> GraspSample:
        color = self._color(index, _CAMERA)
        file = self._beside(index, f"_{self._depth}_depth.tiff")
        raw = read_image(file, cv2.IMREAD_UNCHANGED, (np.float32,), _SIZE)
        depth = np.where(np.isfinite(raw) & (raw > 0), raw, np.float32(np.nan))
        frame = RgbdFrame(color, depth, _CAMERA)
        expected = "x;y;theta;opening;jaw with a positive opening and jaw"
        grasps = self._beside(index, "_grasps.txt")
        rows = read_rows(grasps, ";", lambda values: min(values[3:]) > 0, expected)
        x, y, theta, opening, jaw = rows.T
        good = GraspRectangles(np.stack([x, y], axis=1), np.radians(theta), opening, jaw)
        return GraspSample(self.names[index], self.object_ids[index], frame, good)

    def mask(self, index: int) -> NDArray[np.bool_]:
        """Read the object's mask (1024, 1024) of one sample.

        Raises:
            DatasetError: naming the file that is missing or cannot be read.
        """
        file = self._beside(index, "_mask.png")
        return read_image(file, cv2.IMREAD_GRAYSCALE, (np.uint8,), _SIZE) > 0


DATASETS.register(
    DatasetInfo(
        "jacquard",
        "Jacquard (Depierre et al. 2018): simulated objects, one by one.",
        grasps=JacquardDataset,
    )
)
