"""The segmentation stage: a frame in; labels, the support plane and objects out."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from cvdl.core.frame import IMAGE_SIDES, RgbdFrame
from cvdl.core.scene import FIRST_OBJECT_LABEL, PLANE_LABEL, Plane, SceneObject
from cvdl.segmentation.borders import find_borders, join_weak_borders
from cvdl.segmentation.boxes import standing_box
from cvdl.segmentation.config import SegmentationConfig
from cvdl.segmentation.dishes import dish_bottoms, join_rims
from cvdl.segmentation.filtering import keep_objects, remove_lifted_plane, remove_smears
from cvdl.segmentation.grouping import group_regions
from cvdl.segmentation.halos import find_halos
from cvdl.segmentation.holes import fill_holes
from cvdl.segmentation.labels import enlarged, pixels_by_label, rank
from cvdl.segmentation.plane import Up, find_support_plane
from cvdl.segmentation.plane_color import plane_color, plane_parts
from cvdl.segmentation.regions import watershed_regions
from cvdl.segmentation.roughness import roughness, smoothed
from cvdl.segmentation.surface import ABOVE_PLANE, ON_PLANE, Surface, height_classes, surface_of

__all__ = ["TabletopSegmenter"]

_MARGIN = 32  # pixels
_ROUGH = 2.0  # from which factor of roughness the depth is smoothed
_LOW = 0.6  # of the least height of an object: its pixels are higher
_SMOOTHED = 0.45  # of the noise beyond the model's stays after that, in slow waves
_NEAREST = 0.02  # metres: nearer than any depth camera measures
_BOX_POINTS = 400  # of an object: enough for its box
_libraries = ThreadpoolController()  # of products, those that are loaded by now


class TabletopSegmenter:
    """Finds the support plane and the objects on it."""

    def __init__(self, config: SegmentationConfig | None = None) -> None:
        self.config = config or SegmentationConfig()

    def __call__(
        self, frame: RgbdFrame
    ) -> tuple[NDArray[np.uint16], Plane | None, tuple[SceneObject, ...]]:
        """Segments one frame.

        Returns:
            Labels (H, W) uint16 as in `Scene`; the plane or None; the objects by label.
        """
        # NumPy's products are small here. In threads they take as long, and the threads go on
        # waiting in loops: on two cores a network that ran next took twice its time.
        with _libraries.limit(limits=1, user_api="blas"):
            return self._segment(frame)

    def _segment(
        self, frame: RgbdFrame
    ) -> tuple[NDArray[np.uint16], Plane | None, tuple[SceneObject, ...]]:
        config = self.config
        in_range = (frame.depth > _NEAREST) & (frame.depth < config.max_range)
        depth = np.where(in_range, frame.depth, np.float32(np.nan))
        rough = roughness(depth)
        if rough < _ROUGH:
            rough = 1.0  # the thresholds are made for it
        else:
            depth = smoothed(depth, rough)
        low = _LOW * config.min_height * (1 + _SMOOTHED * (rough - 1))
        up = _up(frame, config.up)
        support = find_support_plane(depth, frame.camera, config.min_plane_area, up, rough)
        if support is None:
            return np.zeros(depth.shape, np.uint16), None, ()
        heights = height_classes(depth, frame.camera, support.plane, low, config.max_height)
        carrying = heights == ON_PLANE
        labels = (carrying & support.covers(depth.shape)).astype(np.uint16) * np.uint16(PLANE_LABEL)
        above = (heights == ABOVE_PLANE).view(np.uint8)
        above = cv2.morphologyEx(above, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
        window = _window_of(above)
        if window is None:
            return labels, support.plane, ()
        surface = surface_of(frame.color, depth, above, frame.camera, window)
        plane_lab = plane_color(surface.lab, surface.reduce(carrying))
        regions = remove_lifted_plane(watershed_regions(surface), surface, support.plane, plane_lab)
        groups = group_regions(join_weak_borders(regions, surface), surface, support.plane)
        groups = remove_lifted_plane(groups, surface, support.plane, plane_lab)
        lowest = max(config.min_height, low)
        groups = keep_objects(groups, surface, support, frame.camera, lowest)
        groups = remove_smears(groups, surface, plane_lab)
        flat = (heights > 0) & (above == 0)  # the plane, with the specks of noise above it
        on_plane, standing = surface.reduce(flat), surface.reduce(above > 0)
        parts = plane_parts(on_plane)
        groups = join_rims(groups, surface, support.plane, parts, standing, plane_lab)
        halos = find_halos(groups, surface, surface.reduce(carrying))
        instances = _enlarge(np.where(halos, -1, groups), surface, above > 0)
        plane_area = np.count_nonzero(carrying) / surface.factor**2
        bottoms = dish_bottoms(groups, surface, on_plane, parts, plane_area, support.size)
        if bottoms.any():
            instances += _enlarge(bottoms, surface, flat)
        seen = np.isfinite(depth)
        instances = fill_holes(instances, seen[window])
        objects: list[SceneObject] = []
        borders, _ = find_borders(groups, surface)
        lows = _lows(groups, surface, support.plane)
        for group, pixels in pixels_by_label(instances).items():
            if len(pixels) < config.min_pixels * rough:
                continue
            label = FIRST_OBJECT_LABEL + len(objects)
            rows, cols = np.divmod(pixels, instances.shape[1])
            rows, cols = rows + window[0].start, cols + window[1].start
            labels[rows, cols] = label
            box2d = np.array([cols.min(), rows.min(), cols.max() + 1, rows.max() + 1], float)
            measured = seen[rows, cols]
            rows, cols = rows[measured], cols[measured]
            some = slice(None, None, max(1, len(rows) // _BOX_POINTS))
            uv = np.stack([cols[some], rows[some]], axis=1)
            points = frame.camera.deproject_pixels(uv, depth[rows[some], cols[some]])
            is_lowest = all(lows[other] >= lows[group] for other in borders.get(group, ()))
            box3d = standing_box(points, support.plane, is_lowest)
            objects.append(SceneObject(label, box2d, box3d, len(pixels)))
        return labels, support.plane, tuple(objects)


def _up(frame: RgbdFrame, setting: str) -> Up | None:
    """What the setting and the frame tell of the direction against gravity."""
    if setting in IMAGE_SIDES:
        return Up(IMAGE_SIDES[setting], is_exact=False)
    return None if frame.up is None else Up(frame.up, is_exact=True)


def _lows(groups: NDArray[np.int32], surface: Surface, plane: Plane) -> dict[int, float]:
    """How high each object begins above the plane, metres, but for the lowest of its points."""
    points = surface.points.reshape(-1, 3)
    return {
        group: rank(plane.height(points[pixels]), 0.01)
        for group, pixels in pixels_by_label(groups).items()
    }


def _window_of(mask: NDArray[np.uint8]) -> tuple[slice, slice] | None:
    """Rows and columns round what is set, with a margin that shows the plane beside it."""
    x, y, width, height = cv2.boundingRect(mask)
    if not width:
        return None
    rows, cols = mask.shape
    return (
        slice(max(0, y - _MARGIN), min(rows, y + height + _MARGIN)),
        slice(max(0, x - _MARGIN), min(cols, x + width + _MARGIN)),
    )


def _enlarge(
    groups: NDArray[np.int32], surface: Surface, mask: NDArray[np.bool_]
) -> NDArray[np.int32]:
    """Labels of the reduced grid on the window of the full image, within the mask.

    Edge pixels have no group of their own, 0, and get a neighbour's; -1 stays without.
    """
    own = groups.astype(np.float32)
    grown = np.where(groups == 0, cv2.dilate(own, np.ones((3, 3), np.uint8)), own)
    grown = np.maximum(grown, 0)
    mask = mask[surface.window]
    full = enlarged(grown, surface.factor, mask.shape)
    return (full * mask).astype(np.int32)
