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
from cvdl.segmentation.borders import Borders
from cvdl.segmentation.filtering import remove_strangers
from cvdl.segmentation.grouping import join_parts
from cvdl.segmentation.halos import find_halos
from cvdl.segmentation.instances.pieces import cut_pieces, join_pieces
from cvdl.segmentation.instances.seen import Seen
from cvdl.segmentation.labels import Labels, window_around
from cvdl.segmentation.occlusion import hosts_of_occluded_surface
from cvdl.segmentation.support_heights import SupportHeights
from cvdl.segmentation.surface import Surface, full_size, height_factors, surface_of
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
    _copy_labels(found, mean >= _LIKELY, masks[surface.window])
    return SeenMasks(masks, mean)


def visible_pieces(
    frame: RgbdFrame, depth: NDArray[np.float32], seen: Seen, ground: SupportHeights | None
) -> Visible | None:
    """The pieces of the objects in a frame, None if there are none; see ``seen_masks``."""
    pixels = seen.object_odds > 0
    if ground is not None:
        factors = height_factors(frame.camera, ground.support.plane)
        pixels = _object_pixels(seen.object_odds, depth, ground.opened, *factors, ground.low)
    window = window_around(pixels, _MARGIN)
    if window is None:
        return None
    surface = surface_of(frame.color, depth, pixels, frame.camera, window)
    groups = seen.groups_on(surface)
    pieces = cut_pieces(watershed_regions(surface), groups, surface.reduce(pixels))
    return Visible(surface, pieces, pixels)


@compiled()
def _object_pixels(odds, depth, opened, of_col, of_row, offset, low):  # type: ignore[no-untyped-def]
    """Pixels (H, W) bool that are objects by the network's log odds and their height."""
    least, above = np.float32(_ON_PLANE_ODDS), np.float32(_ABOVE_ODDS)
    slope = 2 * above / np.float32(low)
    rows, cols = depth.shape
    found = np.empty((rows, cols), np.bool_)
    for i in range(rows):
        for j in range(cols):
            height = depth[i, j] * (of_col[j] + of_row[i]) + offset
            more = max(min(slope * height - above, above), least)
            total = odds[i, j] + (more if height == height else np.float32(0))  # NaN: no reading
            found[i, j] = (total > 0) | (opened[i, j] & (odds[i, j] > np.float32(_POSSIBLE)))
    return found


@compiled()
def _copy_labels(labels, is_copied, to):  # type: ignore[no-untyped-def]
    """Copies some of the labels (h, w)."""
    for i in range(labels.shape[0]):
        for j in range(labels.shape[1]):
            if is_copied[labels[i, j]]:
                to[i, j] = labels[i, j]


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
    measured = regions * table.surface.valid
    count = int(regions.max()) + 1
    # The rule asks for no borders.
    borders = Borders(np.zeros((0, 2), np.int32), np.zeros((0, 4)), np.zeros(count, np.int32))
    joined = join_parts(measured, borders, table, (hosts_of_occluded_surface,))
    host = np.arange(count, dtype=np.int32)
    host[measured[measured > 0]] = joined[measured > 0]
    return host[regions]
