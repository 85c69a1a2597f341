"""Candidate rectangles: all centers, orientations, openings and plates of a grid."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cvdl.grasping.rectangles import GraspRectangles

__all__ = ["ANGLES", "REFERENCE_FOCAL", "SIZES", "candidates"]

#: Orientations in steps of 15 degrees (Lenz 2014, section VII; 12 angles in the authors' code).
ANGLES = 12
#: Openings and plates, pixels of a Kinect: from 10 to 90 as in the authors' code. The Jaccard index
#: of neighboring sizes is above 0.6; plates are shorter than 1.3 times the opening.
SIZES = np.array(
    [
        (opening, plate)
        for opening in (18, 25, 35, 48, 66, 90)
        for plate in (15, 22, 32)
        if plate < 1.3 * opening
    ],
    np.float64,
)
_FINEST = 2.0  # least distance of centers, pixels
#: Focal length of the sizes, pixels.
REFERENCE_FOCAL = 525.0


def candidates(mask: NDArray[np.bool_], count: int, focal: float) -> GraspRectangles:
    """Return rectangles of all angles and sizes with centers in a mask.

    Args:
        mask: (H, W) bool: where centers may be.
        count: approximate number of rectangles, which determines the distance of the centers, at
            least 2 pixels.
        focal: focal length of the camera, pixels; the sizes scale with it.

    Returns:
        Rectangles in order of center, angle, size; none for an empty mask.
    """
    area = int(mask.sum())
    if area == 0:
        return GraspRectangles.none()
    wanted = max(1.0, count / (ANGLES * len(SIZES)))
    stride = np.sqrt(area / wanted)
    # Partly filled squares add centers: correct the stride by their number.
    stride *= np.sqrt(len(_grid(mask, stride)) / wanted)
    centers = _grid(mask, max(_FINEST, stride))
    sizes = SIZES * focal / REFERENCE_FOCAL
    angles = np.arange(ANGLES) * np.pi / ANGLES - np.pi / 2
    opening, plate = np.tile(sizes, (len(centers) * ANGLES, 1)).T.copy()
    return GraspRectangles(
        np.repeat(centers, ANGLES * len(sizes), axis=0),
        np.tile(np.repeat(angles, len(sizes)), len(centers)),
        opening,
        plate,
    )


def _grid(mask: NDArray[np.bool_], stride: float) -> NDArray[np.float64]:
    """Pixels (u, v) of the mask, (N, 2), one in each square of the grid that contains any.

    It is the pixel nearest to their mean, so that thin parts are covered.
    """
    v, u = np.nonzero(mask)
    columns = int(mask.shape[1] / stride) + 1
    cell = (v / stride).astype(int) * columns + (u / stride).astype(int)
    _, cell, count = np.unique(cell, return_inverse=True, return_counts=True)
    middle_u, middle_v = (np.bincount(cell, axis) / count for axis in (u, v))
    away = (u - middle_u[cell]) ** 2 + (v - middle_v[cell]) ** 2
    order = np.lexsort((away, cell))
    first = order[np.concatenate([[0], np.cumsum(count)[:-1]])]
    return np.stack([u[first], v[first]], axis=1).astype(np.float64)
