"""Bridges small gaps in the depth from the readings on both sides.

Registration from a sensor of lower resolution leaves a regular grid of empty pixels, a filter or a
bad line leaves empty rows, and noise leaves single pixels. All of these lie on surfaces that are
visible on both sides of the gap. Shadows and dark or shiny objects leave wider gaps, which stay.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cvdl.core.camera import Camera
from cvdl.core.compiled import compiled
from cvdl.depth.noise import compiled_depth_noise
from cvdl.depth.ranges import in_range

__all__ = ["bridge_gaps"]

_MANY = 0.04  # of the visible surfaces
_MAX_WIDTH = 6 / 640  # of the image width: wider gaps are shadows and missing surfaces
_MAX_LINES = 16 / 640  # of the image width: rows and columns without any reading are no shadows
_MAX_SLOPE = 2.5  # of the depth: a steeper change is a step between two surfaces
_STEP_SIGMAS = 4.0


def bridge_gaps(
    depth: NDArray[np.float32], camera: Camera, max_range: float
) -> tuple[NDArray[np.float32], float]:
    """Fills small gaps in the depth if there are many.

    A gap of at most 6 pixels in a row or a column (of 640 columns; in proportion in other images)
    is filled: linearly in inverse depth, like a plane, if both ends lie on one surface; otherwise
    with the nearer end. A few gaps (less than 4 % of the visible surfaces, as in every camera)
    stay: they separate objects that touch. Up to 16 adjacent rows or columns without any reading
    are always filled.

    Args:
        depth: (H, W) float32, meters, NaN for no reading.
        camera: intrinsics of the depth.
        max_range: gaps between readings farther than this stay, meters: such readings are noisy.

    Returns:
        (H, W) float32, the same array if nothing is filled; and the share of the visible surfaces
        that small gaps hide, 0 to 1.
    """
    if np.isfinite(depth).all():
        return depth, 0.0
    bridged = _bridged(depth, camera, max_range, _MAX_WIDTH)
    hidden, visible = _count(depth, bridged, max_range)
    share = hidden / max(hidden + visible, 1)
    if share >= _MANY:
        depth = np.where(np.isnan(depth), bridged, depth)
    rows, columns = (_inner(_empty_rows(each)) for each in (depth, depth.T))
    if rows.any() or columns.any():
        lines = rows[:, None] | columns
        depth = np.where(lines, _bridged(depth, camera, max_range, _MAX_LINES), depth)
    return depth, share


def _inner(lines: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Lines (N,) with other lines on both sides: registration leaves empty rims."""
    after, before = (np.logical_or.accumulate(~each) for each in (lines, lines[::-1]))
    return lines & after & before[::-1]


def _bridged(
    depth: NDArray[np.float32], camera: Camera, max_range: float, max_width: float
) -> NDArray[np.float32]:
    """Depth with all gaps filled up to a share of the image width; NaN beyond the range."""
    bridged = in_range(depth, 0.0, max_range)
    pixels = max(2, round(max_width * camera.width))
    _bridge(bridged, 0, 1, pixels, camera.fx)
    _bridge(bridged, 1, 0, pixels, camera.fy)
    return bridged


@compiled()
def _empty_rows(depth):  # type: ignore[no-untyped-def]
    """Which rows have no reading: (H,) bool."""
    empty = np.ones(depth.shape[0], np.bool_)
    for i in range(depth.shape[0]):
        for z in depth[i]:
            if z > 0:
                empty[i] = False
                break
    return empty


@compiled()
def _count(depth, bridged, max_range):  # type: ignore[no-untyped-def]
    """Counts the pixels that gaps hide, and the readings in range."""
    hidden = visible = 0
    for i in range(depth.shape[0]):
        for j in range(depth.shape[1]):
            hidden += np.isnan(depth[i, j]) and not np.isnan(bridged[i, j])
            visible += depth[i, j] < max_range
    return hidden, visible


@compiled()
def _bridge(depth, down, across, max_width, focal):  # type: ignore[no-untyped-def]
    """Fills the gaps along the rows (``across`` is 1) or the columns (``down`` is 1); in place."""
    rows, cols = depth.shape
    for i in range(down, rows):
        for j in range(across, cols):
            # Only where a gap begins.
            if not np.isnan(depth[i, j]) or np.isnan(depth[i - down, j - across]):
                continue
            a, b, gap = i + down, j + across, 1
            while gap <= max_width and a < rows and b < cols and np.isnan(depth[a, b]):
                a, b, gap = a + down, b + across, gap + 1
            if gap > max_width or a == rows or b == cols:
                continue
            if down:
                _fill(depth[i - 1 : a + 1, j], focal)
            else:
                _fill(depth[i, j - 1 : b + 1], focal)


@compiled()
def _fill(line, focal):  # type: ignore[no-untyped-def]
    """Fills a line (N,) between the readings at its ends; in place."""
    before, after, steps = line[0], line[-1], len(line) - 1
    mean = 0.5 * (before + after)
    tolerance = max(_MAX_SLOPE * steps * mean / focal, _STEP_SIGMAS * compiled_depth_noise(mean))
    one_surface = abs(after - before) < tolerance
    for k in range(1, steps):
        share = k / steps
        if one_surface:
            line[k] = 1 / ((1 - share) / before + share / after)
        else:
            line[k] = before if share < 0.5 else after
