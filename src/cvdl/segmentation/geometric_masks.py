"""Masks of objects by geometry and color alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cvdl.core.frame import RgbdFrame
from cvdl.segmentation.dishes import dish_bottoms, join_rims
from cvdl.segmentation.filtering import keep_objects, remove_lifted_plane, remove_smears
from cvdl.segmentation.grouping import group_regions
from cvdl.segmentation.halos import find_halos
from cvdl.segmentation.holes import fill_holes
from cvdl.segmentation.labels import Labels, window_around
from cvdl.segmentation.support_heights import SupportHeights
from cvdl.segmentation.surface import full_size, surface_of
from cvdl.segmentation.tabletop import Rule, Tabletop
from cvdl.segmentation.watershed import watershed_regions

__all__ = ["geometric_masks"]

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


def geometric_masks(
    frame: RgbdFrame,
    depth: NDArray[np.float32],
    ground: SupportHeights,
    measurable: NDArray[np.bool_],
) -> Labels:
    """The objects whose depth is above the support, (H, W) int32, 0 for none.

    Args:
        frame: has the colors.
        depth: (H, W), meters, NaN for no reading.
        ground: the support, and the height of the pixels.
        measurable: (H, W), where the camera could have a reading: in the region of interest.
    """
    masks = np.zeros(depth.shape, np.int32)
    above = ground.opened
    window = window_around(above, _MARGIN)
    if window is None:
        return masks
    surface = surface_of(frame.color, depth, above, frame.camera, window)
    table = Tabletop.of(surface, frame.camera, ground, above)
    regions = watershed_regions(surface)
    for rule in _RULES:
        regions = rule(regions, table)
    found = full_size(np.where(find_halos(regions, table), -1, regions), surface, above)
    bottoms = dish_bottoms(regions, table)
    if bottoms.any():
        found += full_size(bottoms, surface, ground.is_known & ~above)
    gaps = np.isnan(depth) & measurable
    masks[window] = fill_holes(found, ~gaps[window])
    return masks
