"""The segmentation stage: labels, the support plane and the objects of a frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from cvdl.core.frame import IMAGE_SIDES, RgbdFrame
from cvdl.core.scene import PLANE_LABEL, Plane, SceneObject
from cvdl.segmentation.config import SegmentationConfig
from cvdl.segmentation.dishes import dish_bottoms, join_rims
from cvdl.segmentation.filtering import keep_objects, remove_lifted_plane, remove_smears
from cvdl.segmentation.grouping import group_regions
from cvdl.segmentation.halos import find_halos
from cvdl.segmentation.holes import fill_holes
from cvdl.segmentation.instances.combining import (
    Seen,
    add_unmeasured,
    prefer_clear,
    remove_unlikely,
)
from cvdl.segmentation.labels import Labels, enlarged, pixels_by_label, window_around
from cvdl.segmentation.objects import add_objects, height_ranges, lowest_masks
from cvdl.segmentation.plane import SupportPlane, find_support_plane
from cvdl.segmentation.roughness import lowest_height, usable_depth
from cvdl.segmentation.surface import ABOVE_PLANE, ON_PLANE, Surface, height_classes, surface_of
from cvdl.segmentation.tabletop import Rule, Tabletop
from cvdl.segmentation.watershed import watershed_regions

if TYPE_CHECKING:
    from cvdl.segmentation.instances.model import InstanceModel

__all__ = ["TabletopSegmenter"]

#: The rules, in order.
_RULES: tuple[Rule, ...] = (
    remove_lifted_plane,
    group_regions,
    remove_lifted_plane,
    keep_objects,
    remove_smears,
    join_rims,
)

_MARGIN = 32  # pixels of the plane around the objects
_libraries = ThreadpoolController()  # of matrix products; finds the libraries that are loaded


class TabletopSegmenter:
    """Finds the support plane and the objects on it.

    Args:
        config: settings.
        model: the instance network; None for geometry alone.
    """

    def __init__(
        self, config: SegmentationConfig | None = None, model: InstanceModel | None = None
    ) -> None:
        self.config = config or SegmentationConfig()
        self.model = model

    def __call__(
        self, frame: RgbdFrame, inside: NDArray[np.bool_] | None = None
    ) -> tuple[NDArray[np.uint16], Plane | None, tuple[SceneObject, ...]]:
        """Segments one frame.

        Args:
            frame: color and depth.
            inside: (H, W), pixels of the region of interest; the others have no depth and get no
                label. None for the whole view.

        Returns:
            Labels (H, W) uint16 as in `Scene`; the plane or None; the objects by label. Without a
            plane there are only the objects that the network sees.
        """
        seen = None
        if self.model is not None:
            seen = Seen.of(self.model(frame), frame.depth.shape, inside)
        # NumPy's products are small here. Threads do not speed them up, and idle threads spin: on
        # two cores they double the time of a network that runs next.
        with _libraries.limit(limits=1, user_api="blas"):
            return self._segment(frame, inside, seen)

    def _segment(
        self, frame: RgbdFrame, inside: NDArray[np.bool_] | None, seen: Seen | None
    ) -> tuple[NDArray[np.uint16], Plane | None, tuple[SceneObject, ...]]:
        config, camera = self.config, frame.camera
        depth, noise = usable_depth(frame.depth, config.max_range, inside)
        side = IMAGE_SIDES.get(config.up)
        support = find_support_plane(
            depth,
            camera,
            config.min_plane_area,
            up=frame.up if side is None else side,
            up_is_exact=side is None,
            roughness=noise,
            is_support=None if seen is None else seen.is_support,
            view=1.0 if inside is None else float(np.isfinite(depth).mean()),
        )
        labels = np.zeros(depth.shape, np.uint16)
        masks = np.zeros(depth.shape, np.int32)
        if support is not None:
            low = lowest_height(config.min_height, noise)
            heights = height_classes(depth, camera, support.plane, low, config.max_height)
            is_support = (heights == ON_PLANE) & support.covers(depth.shape)
            if seen is not None:
                is_support |= (seen.is_support > 0.5) & (heights != ABOVE_PLANE)
            labels[is_support] = PLANE_LABEL
            self._find_masks(masks, frame, depth, support, heights, low, inside, seen)
        plane = support.plane if support else None
        standing = plane or _level_plane(frame)
        if seen is not None:
            if support is not None:
                masks = prefer_clear(masks, seen, depth, camera, support.plane, low)
            masks = add_unmeasured(masks, seen)
        pixels = pixels_by_label(masks)
        ranges = height_ranges(pixels, depth, camera, standing)
        if support is not None:
            for mask, (_, upper) in ranges.items():
                if upper < config.min_height:
                    masks.ravel()[pixels.pop(mask)] = 0
        objects = add_objects(
            labels,
            pixels,
            depth,
            camera,
            standing,
            config.min_pixels * noise,
            lowest_masks(masks, ranges),
        )
        return labels, plane, objects

    def _find_masks(
        self,
        masks: Labels,
        frame: RgbdFrame,
        depth: NDArray[np.float32],
        support: SupportPlane,
        heights: NDArray[np.uint8],
        low: float,
        inside: NDArray[np.bool_] | None,
        seen: Seen | None,
    ) -> None:
        """Writes the masks (H, W) of the objects whose depth is above the support."""
        camera = frame.camera
        on_plane = heights == ON_PLANE
        opened = (heights == ABOVE_PLANE).view(np.uint8)
        opened = cv2.morphologyEx(opened, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
        window = window_around(opened, _MARGIN)
        if window is None:
            return

        # Regions on the reduced grid.
        surface = surface_of(frame.color, depth, opened, camera, window)
        above = opened > 0
        below = (heights > 0) & ~above
        table = Tabletop(
            surface=surface,
            support=support,
            camera=camera,
            min_height=max(self.config.min_height, low),
            on_plane=surface.reduce(on_plane),
            low=surface.reduce(below),
            above=surface.reduce(above),
            plane_area=np.count_nonzero(on_plane) / surface.factor**2,
            groups=None if seen is None else surface.reduce(seen.groups),
        )
        regions = watershed_regions(surface)
        for rule in _RULES:
            regions = rule(regions, table)

        # Masks in the full image.
        found = _full_size(np.where(find_halos(regions, table), -1, regions), surface, above)
        bottoms = dish_bottoms(regions, table)
        if bottoms.any():
            found += _full_size(bottoms, surface, below)
        empty = np.isnan(depth) if inside is None else np.isnan(depth) & inside
        found = fill_holes(found, ~empty[window])
        masks[window] = found if seen is None else remove_unlikely(found, seen, window)


def _level_plane(frame: RgbdFrame) -> Plane:
    """A level plane through the camera, for the boxes of objects without a support."""
    up = np.array([0.0, -1.0, -1.0]) / np.sqrt(2) if frame.up is None else frame.up
    return Plane(up, 0.0)


def _full_size(regions: Labels, surface: Surface, mask: NDArray[np.bool_]) -> Labels:
    """Labels of the reduced grid on the window of the full image, within the mask (H, W).

    Pixels with label 0 get the label of a neighbor; pixels with -1 have no label.
    """
    own = regions.astype(np.float32)
    grown = np.where(regions == 0, cv2.dilate(own, np.ones((3, 3), np.uint8)), own)
    grown = np.maximum(grown, 0)
    mask = mask[surface.window]
    full = enlarged(grown, surface.factor, mask.shape)
    return (full * mask).astype(np.int32)
