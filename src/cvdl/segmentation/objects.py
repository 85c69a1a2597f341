"""Masks as objects: heights above a plane, labels, 2D boxes, and 3D boxes that stand on it."""

from __future__ import annotations

from collections.abc import Container, Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

from cvdl.core.camera import Camera
from cvdl.core.compiled import compiled
from cvdl.core.scene import FIRST_OBJECT_LABEL, Plane, SceneObject
from cvdl.segmentation.boxes import standing_box
from cvdl.segmentation.labels import Labels, quantile, quantiles

__all__ = ["add_objects", "height_ranges", "lowest_masks"]

_BOX_POINTS = 400  # of an object: enough for its box
_FEWEST_POINTS = 3  # with a reading
_MEASURED = 0.5  # share of a mask with depth, by which its height is known
_THINNING = 4  # a quarter of the points is enough to measure a height
_DEEP = 1.5  # of the diagonal of a mask, meters: readings farther off are not of the object
_FENCE = 3.0  # interquartile ranges, the same
_FARTHEST = 10.0  # meters; an object without depth is not farther
_ENDS = 0.02  # share of the points beyond each end of an object: flying pixels
_TOUCHING = np.ones((5, 5), np.uint8)  # of the half image


def add_objects(
    labels: NDArray[np.uint16],
    masks: Mapping[int, NDArray[np.intp]],
    depth: NDArray[np.float32],
    camera: Camera,
    plane: Plane,
    min_pixels: float,
    lowest: Container[int],
    objectness: NDArray[np.float64] | None,
) -> tuple[SceneObject, ...]:
    """Add the masks of objects to a label image.

    Args:
        labels: (H, W), see ``Scene.labels``; changed in place.
        masks: flat indices of the pixels of each object, see ``pixels_by_label``.
        depth: (H, W), meters, NaN for no reading.
        camera: intrinsics of the image.
        plane: what the 3D boxes stand on.
        min_pixels: smaller masks are ignored. A mask without depth is taken for an upright object
            on the plane, and ignored if it would stand behind the camera or far away.
        lowest: the masks that touch no other one that begins lower above the plane.
        objectness: (N,), of each mask, see ``SceneObject``; None for 1.

    Returns:
        The objects, by label.
    """
    objects: list[SceneObject] = []
    for mask, pixels in masks.items():
        if len(pixels) < min_pixels:
            continue
        box2d = np.array(_extent(pixels, labels.shape[1]), float)
        z = depth.ravel()[pixels]
        known = z[np.isfinite(z)]
        if len(known) < _FEWEST_POINTS:
            z = known = _standing_depth(pixels, camera, plane)
        measured = _of_object(z, known, box2d, camera)
        if not len(measured):
            continue
        label = FIRST_OBJECT_LABEL + len(objects)
        labels.ravel()[pixels] = label
        some = measured[:: max(1, len(measured) // _BOX_POINTS)]
        points = _points(pixels[some], z[some], camera)
        box3d = standing_box(points, plane, mask in lowest)
        likely = 1.0 if objectness is None else float(objectness[mask])
        objects.append(SceneObject(label, box2d, box3d, len(pixels), objectness=likely))
    return tuple(objects)


def _points(
    pixels: NDArray[np.intp], z: NDArray[np.float32], camera: Camera
) -> NDArray[np.float64]:
    """The points (N, 3) of pixels, by flat index (N,), with depths (N,)."""
    rows, cols = np.divmod(pixels, camera.width)
    points = np.empty((len(pixels), 3))
    points[:, 0] = (cols - camera.cx) / camera.fx * z
    points[:, 1] = (rows - camera.cy) / camera.fy * z
    points[:, 2] = z
    return points


@compiled()
def _extent(pixels, width):  # type: ignore[no-untyped-def]
    """The smallest column and row of flat indices (N,), in order, and one more than the largest."""
    first, last = width, 0
    for pixel in pixels:
        col = pixel % width
        first, last = min(first, col), max(last, col)
    return first, pixels[0] // width, last + 1, pixels[-1] // width + 1


def _of_object(
    z: NDArray[np.float32],
    known: NDArray[np.float32],
    box2d: NDArray[np.float64],
    camera: Camera,
) -> NDArray[np.intp]:
    """Which of the readings (N,) are of the object of a mask, and not of what is behind its rim.

    An object is hardly deeper than it is wide. One that is has readings all along (the fences of
    Tukey 1977, section 2C).

    Args:
        z: the readings, meters, NaN for none.
        known: those that are not NaN.
        box2d: of the mask.
        camera: intrinsics.
    """
    if not len(known):
        return np.empty(0, np.intp)
    lower, middle, upper = quantiles(known, 0.25, 0.5, 0.75)
    left, top, right, bottom = box2d
    wide = middle * float(np.hypot((right - left - 1) / camera.fx, (bottom - top - 1) / camera.fy))
    reach = max(_DEEP * wide, _FENCE * (upper - lower))
    return np.flatnonzero((z >= lower - reach) & (z <= upper + reach))


def _standing_depth(pixels: NDArray[np.intp], camera: Camera, plane: Plane) -> NDArray[np.float32]:
    """The depth (N,) of the pixels of an upright object on a plane; NaN where it cannot stand."""
    rows, cols = np.divmod(pixels, camera.width)
    x, y = (cols - camera.cx) / camera.fx, (rows - camera.cy) / camera.fy
    cosine = plane.normal[0] * x + plane.normal[1] * y + plane.normal[2]
    # Where the rays meet the plane; its foot is the nearest of these points.
    foot = -quantile(cosine, _ENDS)
    known = plane.offset > 0 and foot * _FARTHEST > plane.offset
    return np.full(len(pixels), plane.offset / foot if known else np.nan, np.float32)


def height_ranges(
    masks: Mapping[int, NDArray[np.intp]],
    depth: NDArray[np.float32],
    camera: Camera,
    plane: Plane,
) -> dict[int, tuple[float, float]]:
    """The lower and upper end of each mask, as heights above a plane, meters.

    Args:
        masks: flat indices of the pixels of each mask, see ``pixels_by_label``.
        depth: (H, W), meters, NaN for no reading; masks with little depth have no range.
        camera: intrinsics.
        plane: the support.
    """
    ranges = {}
    for mask, pixels in masks.items():
        known, heights = _some_heights(pixels, depth, camera.intrinsics, plane.normal, plane.offset)
        if known > _MEASURED * len(pixels):
            low, high = quantiles(heights, _ENDS, 1 - _ENDS)
            ranges[mask] = low, high
    return ranges


@compiled()
def _some_heights(pixels, depth, intrinsics, normal, offset):  # type: ignore[no-untyped-def]
    """The number of pixels with a reading, and the heights (N,) of a part of them."""
    fx, fy, cx, cy = intrinsics
    flat, width = depth.ravel(), depth.shape[1]
    heights = np.empty(len(pixels) // _THINNING + 1)
    known = n = 0
    for pixel in pixels:
        z = np.float64(flat[pixel])
        if not z > 0:  # NaN
            continue
        if known % _THINNING == 0:
            row = pixel // width
            x, y = (pixel - row * width - cx) / fx * z, (row - cy) / fy * z
            heights[n] = normal[0] * x + normal[1] * y + normal[2] * z + offset
            n += 1
        known += 1
    return known, heights[:n]


def lowest_masks(masks: Labels, ranges: dict[int, tuple[float, float]]) -> set[int]:
    """The masks (H, W) that touch no mask that begins lower; see ``height_ranges``."""
    small = masks[::2, ::2].astype(np.float32)
    most = cv2.dilate(small, _TOUCHING)
    touching = (small > 0) & (most > small)
    count = int(masks.max()) + 1
    codes = np.unique(small[touching].astype(np.int64) * count + most[touching].astype(np.int64))
    lowest = set(ranges)
    for one, other in zip(*np.divmod(codes, count), strict=True):
        if one in ranges and other in ranges:
            lowest.discard(one if ranges[one][0] > ranges[other][0] else other)
    return lowest
