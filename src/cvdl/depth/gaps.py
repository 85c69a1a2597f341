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
    empty = np.isnan(depth)
    hidden = int(np.count_nonzero(empty & np.isfinite(bridged)))
    share = hidden / max(hidden + int(np.count_nonzero(depth < max_range)), 1)
    if share >= _MANY:
        depth = np.where(empty, bridged, depth)
        empty = np.isnan(depth)
    rows, columns = (_inner(np.logical_and.reduce(empty, axis)) for axis in (1, 0))
    lines = rows[:, None] | columns
    if lines.any():
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
    bridged = np.where(depth < max_range, depth, np.float32(np.nan))
    pixels = max(2, round(max_width * camera.width))
    _bridge_rows(bridged, pixels, camera.fx)
    _bridge_rows(bridged.T, pixels, camera.fy)
    return bridged


@compiled()
def _bridge_rows(depth, max_width, focal):  # type: ignore[no-untyped-def]
    rows, cols = depth.shape
    for i in range(rows):
        last = -1  # column of the last reading
        for j in range(cols):
            z = depth[i, j]
            if not z > 0:
                continue
            gap = j - last - 1
            if last >= 0 and 0 < gap <= max_width:
                before = depth[i, last]
                mean = 0.5 * (before + z)
                tolerance = max(
                    _MAX_SLOPE * (gap + 1) * mean / focal, _STEP_SIGMAS * compiled_depth_noise(mean)
                )
                one_surface = abs(z - before) < tolerance
                for k in range(last + 1, j):
                    share = (k - last) / (gap + 1)
                    if one_surface:
                        depth[i, k] = 1 / ((1 - share) / before + share / z)
                    else:
                        depth[i, k] = before if share < 0.5 else z
            last = j
