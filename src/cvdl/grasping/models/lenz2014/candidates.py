"""Which rectangles are judged: every centre, orientation, opening and plate of a grid."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cvdl.grasping.rectangles import GraspRectangles

__all__ = ["ANGLES", "REFERENCE_FOCAL", "SIZES", "candidates"]

#: Orientations: 15 degree steps (Lenz 2014, section VII; their code: 12 angles).
ANGLES = 12
#: Openings and plates, pixels of a Kinect: from 10 to 90 as in the authors' code, in steps that
#: leave a Jaccard index above 0.6 to the next size; plates less than 1.3 times the opening.
SIZES = np.array(
    [
        (opening, plate)
        for opening in (18, 25, 35, 48, 66, 90)
        for plate in (15, 22, 32)
        if plate < 1.3 * opening
    ],
    np.float64,
)
_FINEST = 2.0  # pixels between centres
#: The focal length that the sizes belong to, pixels.
REFERENCE_FOCAL = 525.0


def candidates(mask: NDArray[np.bool_], count: int, focal: float) -> GraspRectangles:
    """About so many rectangles over the mask, of all angles and sizes.

    Args:
        mask: (H, W) bool: where centres may lie.
        count: how many; the grid of centres is as fine as that allows, 2 pixels at the finest.
        focal: length of the camera, pixels; the sizes grow with it.

    Returns:
        Rectangles in order of centre, angle, size; none where the mask is empty.
    """
    area = int(mask.sum())
    if area == 0:
        return GraspRectangles.none()
    wanted = max(1.0, count / (ANGLES * len(SIZES)))
    stride = np.sqrt(area / wanted)
    # Squares that are filled in part only make more centres than the area tells: once more.
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
    """(N, 2) pixels (u, v) of the mask, one in each square of that side that meets it.

    It is the pixel of the mask nearest to the middle of those in the square, so that no thin part
    is left out.
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
