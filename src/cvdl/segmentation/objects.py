"""Masks as objects: labels, 2D boxes, and 3D boxes that stand on a plane."""

from __future__ import annotations

from collections.abc import Container

import numpy as np
from numpy.typing import NDArray

from cvdl.core.camera import Camera
from cvdl.core.scene import FIRST_OBJECT_LABEL, Plane, SceneObject
from cvdl.segmentation.boxes import standing_box
from cvdl.segmentation.labels import Labels, pixels_by_label

__all__ = ["add_objects"]

_BOX_POINTS = 400  # of an object: enough for its box
_FEWEST_POINTS = 3  # with a reading


def add_objects(
    labels: NDArray[np.uint16],
    masks: Labels,
    depth: NDArray[np.float32],
    camera: Camera,
    plane: Plane,
    min_pixels: float,
    lowest: Container[int],
) -> tuple[SceneObject, ...]:
    """Add the masks of objects to a label image.

    Args:
        labels: (H, W), see ``Scene.labels``; changed in place.
        masks: (H, W), one value for each object, 0 for none.
        depth: (H, W), meters, NaN for no reading.
        camera: intrinsics of the image.
        plane: what the 3D boxes stand on.
        min_pixels: smaller masks are ignored, and those without depth.
        lowest: the masks that touch no other one that begins lower above the plane.

    Returns:
        The objects, by label.
    """
    objects: list[SceneObject] = []
    for mask, pixels in pixels_by_label(masks).items():
        if len(pixels) < min_pixels:
            continue
        rows, cols = np.divmod(pixels, masks.shape[1])
        measured = np.isfinite(depth[rows, cols])
        if np.count_nonzero(measured) < _FEWEST_POINTS:
            continue
        label = FIRST_OBJECT_LABEL + len(objects)
        labels[rows, cols] = label
        box2d = np.array([cols.min(), rows.min(), cols.max() + 1, rows.max() + 1], float)
        rows, cols = rows[measured], cols[measured]
        some = slice(None, None, max(1, len(rows) // _BOX_POINTS))
        uv = np.stack([cols[some], rows[some]], axis=1)
        points = camera.deproject_pixels(uv, depth[rows[some], cols[some]])
        box3d = standing_box(points, plane, mask in lowest)
        objects.append(SceneObject(label, box2d, box3d, len(pixels)))
    return tuple(objects)
