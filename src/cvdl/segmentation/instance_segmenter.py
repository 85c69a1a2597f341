"""Segmentation by the instance network and geometry together.

The network sees which pixels are objects and which of them belong together. Geometry finds the
support plane, among those that the network takes for a support, and settles the outlines: a pixel
on the plane belongs to no object, one above it more likely does.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from cvdl.core.camera import Camera
from cvdl.core.frame import IMAGE_SIDES, RgbdFrame
from cvdl.core.scene import PLANE_LABEL, Plane, SceneObject
from cvdl.segmentation.config import SegmentationConfig
from cvdl.segmentation.holes import fill_holes
from cvdl.segmentation.instances.model import InstanceModel, Instances
from cvdl.segmentation.labels import Labels, connected_parts, pixels_by_label, quantile
from cvdl.segmentation.objects import add_objects
from cvdl.segmentation.plane import SupportPlane, find_support_plane
from cvdl.segmentation.roughness import lowest_height, usable_depth
from cvdl.segmentation.surface import ABOVE_PLANE, ON_PLANE, height_classes

__all__ = ["InstanceSegmenter"]

#: Log odds of an object that geometry adds to those of the network: for a pixel above the plane;
#: their negative for one on it.
_HEIGHT_ODDS = 1.5
_PART = 0.15  # of the largest part of a mask: smaller parts are dropped
_CROSS = np.ones((3, 3), np.uint8)
_TOUCHING = np.ones((5, 5), np.uint8)


class InstanceSegmenter:
    """Finds the support plane and the objects on it, with the instance network.

    Args:
        config: settings.
        model: the network.
    """

    def __init__(self, config: SegmentationConfig, model: InstanceModel) -> None:
        self.config = config
        self.model = model

    def __call__(
        self, frame: RgbdFrame, inside: NDArray[np.bool_] | None = None
    ) -> tuple[NDArray[np.uint16], Plane | None, tuple[SceneObject, ...]]:
        """Segments one frame; see ``TabletopSegmenter``.

        Without a support plane there are the objects that the network sees.
        """
        return self.combine(frame, self.model(frame), inside)

    def combine(
        self, frame: RgbdFrame, seen: Instances, inside: NDArray[np.bool_] | None = None
    ) -> tuple[NDArray[np.uint16], Plane | None, tuple[SceneObject, ...]]:
        """Combines what the network sees in a frame with its geometry; see ``__call__``."""
        config, camera, shape = self.config, frame.camera, frame.depth.shape
        depth, noise = usable_depth(frame.depth, config.max_range, inside)
        is_object, is_support = (
            cv2.resize(odds, shape[::-1], interpolation=cv2.INTER_LINEAR)
            for odds in (seen.is_object, seen.is_support)
        )
        if inside is not None:
            is_object[~inside] = is_support[~inside] = -np.inf
        support = self._support(frame, depth, noise, is_support, inside)
        labels = np.zeros(shape, np.uint16)
        if support is not None:
            low = lowest_height(config.min_height, noise)
            heights = height_classes(depth, camera, support.plane, low, config.max_height)
            on_plane = (heights == ON_PLANE) & support.covers(shape)
            labels[on_plane | ((is_support > 0) & (heights != ABOVE_PLANE))] = PLANE_LABEL
            is_object += _height_odds(depth, camera, support.plane, low)
        empty = np.isnan(depth) if inside is None else np.isnan(depth) & inside
        masks = fill_holes(_masks(seen, is_object > 0), ~empty)
        standing = _on(support, frame)
        objects = add_objects(
            labels,
            masks,
            (slice(0, shape[0]), slice(0, shape[1])),
            depth,
            camera,
            standing,
            config.min_pixels,
            _lowest(masks, depth, frame, standing).__contains__,
        )
        return labels, support.plane if support else None, objects

    def _support(
        self,
        frame: RgbdFrame,
        depth: NDArray[np.float32],
        noise: float,
        is_support: NDArray[np.float32],
        inside: NDArray[np.bool_] | None,
    ) -> SupportPlane | None:
        side = IMAGE_SIDES.get(self.config.up)
        return find_support_plane(
            depth,
            frame.camera,
            self.config.min_plane_area,
            up=frame.up if side is None else side,
            up_is_exact=side is None,
            roughness=noise,
            is_support=1 / (1 + np.exp(-is_support)),
            view=1.0 if inside is None else float(np.isfinite(depth).mean()),
        )


def _height_odds(
    depth: NDArray[np.float32], camera: Camera, plane: Plane, low: float
) -> NDArray[np.float32]:
    """Log odds (H, W) of an object by the height over the support; 0 for no reading.

    Args:
        depth: (H, W), meters.
        camera: its intrinsics.
        plane: the support.
        low: height that is above the noise, meters.
    """
    normal = plane.normal.astype(np.float32)
    across = normal[0] * (np.arange(camera.width, dtype=np.float32) - camera.cx) / camera.fx
    down = normal[1] * (np.arange(camera.height, dtype=np.float32) - camera.cy) / camera.fy
    height = depth * (across + down[:, None] + normal[2]) + np.float32(plane.offset)
    above = np.clip(2 * height / low - 1, -1, 1)
    return np.nan_to_num(_HEIGHT_ODDS * above).astype(np.float32)


def _masks(seen: Instances, is_object: NDArray[np.bool_]) -> Labels:
    """Labels (H, W) from 1 on of the pixels (H, W) of objects."""
    height, width = seen.is_object.shape
    reduced = cv2.resize(
        is_object.view(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST_EXACT
    )
    groups = seen.labels(reduced > 0).astype(np.float32)
    # Pixels of objects between the pixels of the reduced image.
    groups = np.where(groups > 0, groups, cv2.dilate(groups, _CROSS))
    full = cv2.resize(groups, is_object.shape[::-1], interpolation=cv2.INTER_NEAREST_EXACT)
    masks = (full * is_object).astype(np.int32)
    for pixels in pixels_by_label(masks).values():
        rows, cols = np.divmod(pixels, masks.shape[1])
        window = slice(rows.min(), rows.max() + 1), slice(cols.min(), cols.max() + 1)
        mask = np.zeros((rows.max() - rows.min() + 1, cols.max() - cols.min() + 1), np.uint8)
        mask[rows - rows.min(), cols - cols.min()] = 1
        parts, areas = connected_parts(mask, connectivity=8)
        masks[window][(parts > 0) & (areas < _PART * areas.max())[parts]] = 0
    return masks


def _on(support: SupportPlane | None, frame: RgbdFrame) -> Plane:
    """The plane that 3D boxes stand on; without a support, a level plane through the camera."""
    if support is not None:
        return support.plane
    up = frame.up if frame.up is not None else np.array([0.0, -1.0, -1.0]) / np.sqrt(2)
    return Plane(up, 0.0)


def _lowest(masks: Labels, depth: NDArray[np.float32], frame: RgbdFrame, plane: Plane) -> set[int]:
    """The masks that touch no mask that begins lower above the plane."""
    cols = masks.shape[1]
    lower_end = {}
    for mask, pixels in pixels_by_label(masks).items():
        pixels = pixels[np.isfinite(depth.ravel()[pixels])][::4]
        if len(pixels):
            uv = np.stack([pixels % cols, pixels // cols], axis=1)
            points = frame.camera.deproject_pixels(uv, depth.ravel()[pixels])
            lower_end[mask] = quantile(plane.height(points), 0.01)
    # Pairs of masks within two pixels of the half image.
    small = masks[::2, ::2].astype(np.float32)
    most = cv2.dilate(small, _TOUCHING)
    pairs = np.unique(np.stack([small, most], axis=-1)[(small > 0) & (most > small)], axis=0)
    lowest = set(lower_end)
    for one, other in pairs.astype(int).tolist():
        if one in lower_end and other in lower_end:
            lowest.discard(one if lower_end[one] > lower_end[other] else other)
    return lowest
