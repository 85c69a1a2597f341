"""The segmentation stage: labels, the support plane and the objects of a frame."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from cvdl.core.frame import IMAGE_SIDES, RgbdFrame
from cvdl.core.scene import PLANE_LABEL, Plane, SceneObject
from cvdl.segmentation.borders import find_borders
from cvdl.segmentation.config import SegmentationConfig
from cvdl.segmentation.dishes import dish_bottoms, join_rims
from cvdl.segmentation.filtering import keep_objects, remove_lifted_plane, remove_smears
from cvdl.segmentation.grouping import group_regions
from cvdl.segmentation.halos import find_halos
from cvdl.segmentation.holes import fill_holes
from cvdl.segmentation.labels import Labels, enlarged, pixels_by_label, quantile, window_around
from cvdl.segmentation.objects import add_objects
from cvdl.segmentation.plane import find_support_plane
from cvdl.segmentation.roughness import lowest_height, usable_depth
from cvdl.segmentation.surface import ABOVE_PLANE, ON_PLANE, Surface, height_classes, surface_of
from cvdl.segmentation.tabletop import Rule, Tabletop
from cvdl.segmentation.watershed import watershed_regions

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
    """Finds the support plane and the objects on it."""

    def __init__(self, config: SegmentationConfig | None = None) -> None:
        self.config = config or SegmentationConfig()

    def __call__(
        self, frame: RgbdFrame, inside: NDArray[np.bool_] | None = None
    ) -> tuple[NDArray[np.uint16], Plane | None, tuple[SceneObject, ...]]:
        """Segments one frame.

        Args:
            frame: color and depth.
            inside: (H, W), pixels of the region of interest; the others have no depth and get no
                label. All pixels if not given.

        Returns:
            Labels (H, W) uint16 as in `Scene`; the plane or None; the objects by label.
        """
        # NumPy's products are small here. Threads do not speed them up, and idle threads spin: on
        # two cores they double the time of a network that runs next.
        with _libraries.limit(limits=1, user_api="blas"):
            return self._segment(frame, inside)

    def _segment(
        self, frame: RgbdFrame, inside: NDArray[np.bool_] | None
    ) -> tuple[NDArray[np.uint16], Plane | None, tuple[SceneObject, ...]]:
        config, camera = self.config, frame.camera
        depth, noise = usable_depth(frame.depth, config.max_range, inside)

        # The support plane, and the pixels on it and above it.
        side = IMAGE_SIDES.get(config.up)
        support = find_support_plane(
            depth,
            camera,
            config.min_plane_area,
            up=frame.up if side is None else side,
            up_is_exact=side is None,
            roughness=noise,
            view=1.0 if inside is None else float(np.isfinite(depth).mean()),
        )
        if support is None:
            return np.zeros(depth.shape, np.uint16), None, ()
        min_height = lowest_height(config.min_height, noise)
        heights = height_classes(depth, camera, support.plane, min_height, config.max_height)
        on_plane = heights == ON_PLANE
        labels = (on_plane & support.covers(depth.shape)).astype(np.uint16) * np.uint16(PLANE_LABEL)
        opened = (heights == ABOVE_PLANE).view(np.uint8)
        opened = cv2.morphologyEx(opened, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
        window = window_around(opened, _MARGIN)
        if window is None:
            return labels, support.plane, ()

        # Regions on the reduced grid.
        surface = surface_of(frame.color, depth, opened, camera, window)
        above = opened > 0
        low = (heights > 0) & ~above
        table = Tabletop(
            surface=surface,
            support=support,
            camera=camera,
            min_height=max(config.min_height, min_height),
            on_plane=surface.reduce(on_plane),
            low=surface.reduce(low),
            above=surface.reduce(above),
            plane_area=np.count_nonzero(on_plane) / surface.factor**2,
        )
        regions = watershed_regions(surface)
        for rule in _RULES:
            regions = rule(regions, table)

        # Masks in the full image.
        masks = _full_size(np.where(find_halos(regions, table), -1, regions), surface, above)
        bottoms = dish_bottoms(regions, table)
        if bottoms.any():
            masks += _full_size(bottoms, surface, low)
        empty = np.isnan(depth) if inside is None else np.isnan(depth) & inside
        masks = fill_holes(masks, ~empty[window])

        objects = add_objects(
            labels,
            masks,
            window,
            depth,
            camera,
            support.plane,
            config.min_pixels * noise,
            _lowest_regions(regions, table).__contains__,
        )
        return labels, support.plane, objects


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


def _lowest_regions(regions: Labels, table: Tabletop) -> set[int]:
    """The regions that touch no region that begins lower above the plane."""
    points, plane = table.surface.points.reshape(-1, 3), table.support.plane
    lower_end = {
        region: quantile(plane.height(points[pixels]), 0.01)
        for region, pixels in pixels_by_label(regions).items()
    }
    neighbors = find_borders(regions, table.surface).by_region()
    return {
        region
        for region, low in lower_end.items()
        if all(lower_end[other] >= low for other in neighbors.get(region, ()))
    }
