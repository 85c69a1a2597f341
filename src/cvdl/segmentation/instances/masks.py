"""Masks of objects by what the network sees and geometry shows together.

The network says which pixels are objects, and geometry corrects it by their height. Geometry cuts
the surface at depth steps, creases and edges of color, and the network where another object begins;
both together say which pieces are one object.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cvdl.core.compiled import compiled
from cvdl.core.frame import RgbdFrame
from cvdl.segmentation.borders import find_borders
from cvdl.segmentation.filtering import remove_strangers
from cvdl.segmentation.grouping import join_parts
from cvdl.segmentation.halos import find_halos
from cvdl.segmentation.instances.pieces import cut_pieces, join_pieces
from cvdl.segmentation.instances.seen import Seen
from cvdl.segmentation.labels import Labels, window_around
from cvdl.segmentation.occlusion import hosts_of_occluded_surface
from cvdl.segmentation.support_heights import SupportHeights
from cvdl.segmentation.surface import Surface, full_size, surface_of
from cvdl.segmentation.tabletop import Tabletop
from cvdl.segmentation.watershed import watershed_regions

__all__ = ["SeenMasks", "Visible", "seen_masks", "visible_pieces"]

#: Log odds that geometry adds for a pixel on the support and for one above it. Thin objects are as
#: low as the noise, so a height of zero says little.
_ON_PLANE_ODDS, _ABOVE_ODDS = -0.5, 1.5
_POSSIBLE = -2.0  # log odds of an object, with a height above the support
_LIKELY = 0.45  # mean probability of an object: masks below are none
_MARGIN = 8  # pixels around the objects


class Visible(NamedTuple):
    """What of a frame may be objects.

    Attributes:
        surface: its geometry.
        pieces: (h, w), the pieces of objects on the surface, see ``cut_pieces``.
        pixels: (H, W) bool, the pixels of objects.
    """

    surface: Surface
    pieces: Labels
    pixels: NDArray[np.bool_]


class SeenMasks(NamedTuple):
    """The masks of the objects.

    Attributes:
        labels: (H, W) int32, 0 for none.
        objectness: (N,) float64, by label: the mean probability of an object over the mask.
    """

    labels: Labels
    objectness: NDArray[np.float64]


def seen_masks(
    frame: RgbdFrame, depth: NDArray[np.float32], seen: Seen, ground: SupportHeights | None
) -> SeenMasks:
    """Find the objects in a frame.

    Args:
        frame: has the colors.
        depth: (H, W), meters, NaN for no reading.
        seen: what the network sees.
        ground: the support and the height of the pixels; None without a support.
    """
    masks = np.zeros(depth.shape, np.int32)
    visible = visible_pieces(frame, depth, seen, ground)
    if visible is None:
        return SeenMasks(masks, np.ones(1))
    surface, pieces, pixels = visible
    regions = join_pieces(pieces, surface, seen)
    if ground is not None:
        table = Tabletop.of(surface, frame.camera, ground, pixels)
        regions = _join_occluded(regions, table)
        regions = remove_strangers(regions, table)
        regions = np.where(find_halos(regions, table), -1, regions)
    found = full_size(regions, surface, pixels)
    mean = _mean_probability(found, seen.object_odds[surface.window])
    masks[surface.window] = np.where(mean >= _LIKELY, np.arange(len(mean)), 0)[found]
    return SeenMasks(masks, mean)


def visible_pieces(
    frame: RgbdFrame, depth: NDArray[np.float32], seen: Seen, ground: SupportHeights | None
) -> Visible | None:
    """The pieces of the objects in a frame, None if there are none; see ``seen_masks``."""
    pixels = seen.object_odds > 0
    if ground is not None:
        plane, camera = ground.support.plane, frame.camera
        intrinsics = (camera.fx, camera.fy, camera.cx, camera.cy)
        pixels = _object_pixels(
            *(seen.object_odds, depth, ground.opened, *intrinsics, plane.normal, plane.offset),
            ground.low,
        )
    window = window_around(pixels, _MARGIN)
    if window is None:
        return None
    is_surface = pixels & np.isfinite(depth)
    surface = surface_of(frame.color, depth, is_surface.view(np.uint8), frame.camera, window)
    groups = seen.groups_on(surface)
    pieces = cut_pieces(watershed_regions(surface), groups, surface.reduce(pixels))
    return Visible(surface, pieces, pixels)


@compiled()
def _object_pixels(odds, depth, opened, fx, fy, cx, cy, normal, offset, low):  # type: ignore[no-untyped-def]
    """Pixels (H, W) bool that are objects by the network's log odds and their height."""
    rows, cols = depth.shape
    found = np.zeros((rows, cols), np.bool_)
    for i in range(rows):
        row_part = normal[1] * (i - cy) / fy + normal[2]
        for j in range(cols):
            total, z = odds[i, j], depth[i, j]
            if z > 0:
                height = z * (normal[0] * (j - cx) / fx + row_part) + offset
                total += max(min(2 * height / low - 1, 1.0) * _ABOVE_ODDS, _ON_PLANE_ODDS)
            found[i, j] = total > 0 or (opened[i, j] and odds[i, j] > _POSSIBLE)
    return found


@compiled()
def _mean_probability(labels, odds):  # type: ignore[no-untyped-def]
    """The mean probability of each label (h, w), by log odds (h, w); 0 for an absent label."""
    total, count = np.zeros(labels.max() + 1), np.zeros(labels.max() + 1)
    for i in range(labels.shape[0]):
        for j in range(labels.shape[1]):
            if labels[i, j] > 0:
                total[labels[i, j]] += 1 / (1 + math.exp(-odds[i, j]))
                count[labels[i, j]] += 1
    return total / np.maximum(count, 1)


def _join_occluded(regions: Labels, table: Tabletop) -> Labels:
    """Join the parts of one surface on both sides of an occluder."""
    measured = np.where(table.surface.valid > 0, regions, 0).astype(np.int32)
    borders = find_borders(measured, table.surface)
    joined = join_parts(measured, borders, table, (hosts_of_occluded_surface,))
    host = np.arange(int(regions.max()) + 1, dtype=np.int32)
    host[measured[measured > 0]] = joined[measured > 0]
    return host[regions]
