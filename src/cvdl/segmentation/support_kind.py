"""What kind of support is in view, by what surrounds it."""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from cvdl.core.camera import Camera
from cvdl.core.scene import FIRST_OBJECT_LABEL, PLANE_LABEL, Plane
from cvdl.segmentation.labels import connected_parts, fill_hull

__all__ = ["SupportKind", "support_kind"]

#: A bin has walls around its bottom; a table ends above something lower; of a surface no edge is
#: seen, as of a floor that fills the view.
SupportKind = Literal["bin", "table", "surface"]

_COLUMNS = 80  # samples per row
_RING = np.ones((9, 9), np.uint8)  # samples: what surrounds the support
_RISE = 0.02  # meters: higher readings belong to a wall, deeper ones to a lower surface
_SECTORS = 24  # of the directions around the support
_LARGE = 0.1  # of the largest visible part of the support: smaller ones are specks
_WALLED, _SURROUNDED = 0.6, 0.45  # of the sectors that show something, and of all sectors
_ENDS = 0.2  # of the sectors that show something


def support_kind(
    labels: NDArray[np.uint16], depth: NDArray[np.float32], camera: Camera, plane: Plane
) -> SupportKind:
    """Return the kind of a support.

    Args:
        labels: (H, W), see ``Scene.labels``.
        depth: (H, W), meters, NaN for no reading.
        camera: intrinsics.
        plane: the support plane.
    """
    stride = max(1, camera.width // _COLUMNS)
    start = stride // 2
    grid = np.s_[start::stride, start::stride]
    label = labels[grid]
    rows, cols = np.indices(label.shape) * float(stride) + start
    z = depth[grid]
    pixels = np.stack([cols.ravel(), rows.ravel()], axis=1)
    height = plane.height(camera.deproject_pixels(pixels, z.ravel())).reshape(z.shape)
    parts, areas = connected_parts(label == PLANE_LABEL, connectivity=8)
    large = (parts > 0) & (areas > _LARGE * areas.max())[parts]
    if not large.any():
        return "surface"
    hull = fill_hull(large)
    around = (cv2.dilate(hull, _RING) > 0) & (hull == 0) & (label < FIRST_OBJECT_LABEL)
    around &= np.isfinite(height)
    y, x = np.nonzero(around)
    middle_y, middle_x = (axis.mean() for axis in np.nonzero(hull))
    angle = np.arctan2(y - middle_y, x - middle_x)
    sector = ((angle / (2 * np.pi) + 0.5) * _SECTORS).astype(int) % _SECTORS

    def sectors(where: NDArray[np.bool_]) -> NDArray[np.intp]:
        return np.bincount(sector, where[around], _SECTORS)

    rises, falls = sectors(height > _RISE), sectors(height < -_RISE)
    all_of = sectors(np.ones_like(around))
    known = np.count_nonzero(all_of)
    walled = np.count_nonzero((2 * rises > all_of) & (all_of > 0))
    if walled >= max(_WALLED * known, _SURROUNDED * _SECTORS):
        return "bin"
    ends = np.count_nonzero(2 * falls > all_of)
    return "table" if ends and ends >= _ENDS * known else "surface"
