"""Segmentation by the instance network and geometry together.

The network sees which pixels are objects and which belong together. Geometry finds the support
plane, among the planes that the network takes for a support, and settles the outlines: pixels on
the plane belong to no object, pixels above it more likely do.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from cvdl.core.frame import IMAGE_SIDES, RgbdFrame
from cvdl.core.scene import FIRST_OBJECT_LABEL, PLANE_LABEL, Plane, SceneObject
from cvdl.segmentation.boxes import standing_box
from cvdl.segmentation.config import SegmentationConfig
from cvdl.segmentation.holes import fill_holes
from cvdl.segmentation.instances.model import InstanceModel, Instances
from cvdl.segmentation.labels import Labels, connected_parts, pixels_by_label
from cvdl.segmentation.plane import find_support_plane
from cvdl.segmentation.roughness import roughness, smoothed
from cvdl.segmentation.surface import ABOVE_PLANE, ON_PLANE, height_classes

__all__ = ["InstanceSegmenter"]

_NEAREST = 0.02
_ROUGH, _LOW, _SMOOTHED = 2.0, 0.6, 0.45
#: Log odds that geometry adds to those of the network, for a pixel above and on the plane.
_ABOVE, _ON = 1.0, -2.0
_PART = 0.15  # of an object: smaller separate parts of its mask are dropped
_BOX_POINTS = 400


class InstanceSegmenter:
    """Finds the support plane and the objects on it with the instance network."""

    def __init__(self, config: SegmentationConfig, model: InstanceModel) -> None:
        self.config = config
        self._model = model

    def __call__(
        self, frame: RgbdFrame
    ) -> tuple[NDArray[np.uint16], Plane | None, tuple[SceneObject, ...]]:
        """Segments one frame; see ``TabletopSegmenter``."""
        return self.fuse(frame, self._model(frame))

    def fuse(
        self, frame: RgbdFrame, seen: Instances
    ) -> tuple[NDArray[np.uint16], Plane | None, tuple[SceneObject, ...]]:
        config, camera = self.config, frame.camera
        shape = frame.depth.shape
        in_range = (frame.depth > _NEAREST) & (frame.depth < config.max_range)
        depth = np.where(in_range, frame.depth, np.float32(np.nan))
        noise = roughness(depth)
        if noise < _ROUGH:
            noise = 1.0
        else:
            depth = smoothed(depth, noise)
        is_object, is_support = (_full(some, shape) for some in (seen.is_object, seen.is_support))
        side = IMAGE_SIDES.get(config.up)
        support = find_support_plane(
            depth,
            camera,
            config.min_plane_area,
            up=frame.up if side is None else side,
            up_is_exact=side is None,
            roughness=noise,
            evidence=1 / (1 + np.exp(-is_support)),
        )
        labels = np.zeros(shape, np.uint16)
        plane = None
        if support is not None:
            plane = support.plane
            low = _LOW * config.min_height * (1 + _SMOOTHED * (noise - 1))
            heights = height_classes(depth, camera, plane, low, config.max_height)
            on = (heights == ON_PLANE) & support.covers(shape)
            labels[on | ((is_support > 0) & (heights != ABOVE_PLANE))] = PLANE_LABEL
            is_object = is_object + _ABOVE * (heights == ABOVE_PLANE) + _ON * (heights == ON_PLANE)
        masks = self._masks(is_object > 0, seen, shape)
        masks = fill_holes(masks, np.isfinite(depth))
        objects: list[SceneObject] = []
        for pixels in pixels_by_label(masks).values():
            if len(pixels) < config.min_pixels:
                continue
            rows, cols = np.divmod(pixels, shape[1])
            label = FIRST_OBJECT_LABEL + len(objects)
            box2d = np.array([cols.min(), rows.min(), cols.max() + 1, rows.max() + 1], float)
            measured = np.isfinite(depth[rows, cols])
            rows_m, cols_m = rows[measured], cols[measured]
            if len(rows_m) < 3 or plane is None:
                box3d = None
            else:
                some = slice(None, None, max(1, len(rows_m) // _BOX_POINTS))
                uv = np.stack([cols_m[some], rows_m[some]], axis=1)
                points = camera.deproject_pixels(uv, depth[rows_m[some], cols_m[some]])
                box3d = standing_box(points, plane, True)
            labels[rows, cols] = label
            objects.append(SceneObject(label, box2d, box3d, len(pixels)))
        return labels, plane, tuple(objects)

    def _masks(self, is_object, seen, shape) -> Labels:
        h, w = seen.is_object.shape
        small = cv2.resize(is_object.view(np.uint8), (w, h), interpolation=cv2.INTER_NEAREST_EXACT)
        groups = seen.labels(small > 0)
        for _ in range(2):
            groups = np.where(
                groups > 0,
                groups,
                cv2.dilate(groups.astype(np.float32), np.ones((3, 3))).astype(np.int32),
            )
        full = cv2.resize(
            groups.astype(np.float32), shape[::-1], interpolation=cv2.INTER_NEAREST_EXACT
        ).astype(np.int32)
        return _whole(full * is_object)


def _whole(labels: Labels) -> Labels:
    """Without small separate parts of each label."""
    areas = np.bincount(labels.ravel())
    kept = np.zeros_like(labels)
    for label in np.flatnonzero(areas):
        if label == 0:
            continue
        mask = labels == label
        parts, sizes = connected_parts(mask, 8)
        big = sizes >= max(_PART * areas[label], 1)
        big[0] = False
        kept[big[parts]] = label
    return kept


def _full(some: NDArray[np.float32], shape: tuple[int, int]) -> NDArray[np.float32]:
    return cv2.resize(some, shape[::-1], interpolation=cv2.INTER_LINEAR)
