"""Small gaps in depth, bridged from the readings on both sides.

Registration from a sensor of lower resolution leaves a regular grid of empty pixels, a filter or a
bad line leaves empty rows, and noise leaves single ones. All of these lie on surfaces that are seen
on both sides of the gap. Shadows and dark or shiny things leave wider gaps: these stay.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cvdl.core.camera import Camera
from cvdl.core.compiled import compiled
from cvdl.depth.noise import compiled_depth_noise

__all__ = ["bridge_gaps"]

_MANY = 0.04  # of the surfaces that are seen
_WIDEST = 6 / 640  # of the image's width: wider gaps are shadows and missing surfaces
_WIDEST_LINES = 16 / 640  # of rows and columns without any reading: no shadow is like that
_STEEPEST = 2.5  # metres in depth a metre across: steeper is a step between two surfaces
_STEP_SIGMAS = 4.0


def bridge_gaps(
    depth: NDArray[np.float32], camera: Camera, max_range: float
) -> tuple[NDArray[np.float32], float]:
    """Depth without its small gaps, where these are many.

    A gap in a row or a column that is at most 6 pixels wide (of 640 columns; in proportion in other
    images) is filled: linearly in inverse depth, as a plane is, where both ends lie on one surface;
    else with the nearer end. A few gaps (less than 4 % of what is seen, as every camera has them)
    stay: they lie between things that touch and tell them apart. Rows and columns without any
    reading are filled in any case, up to 16 beside each other.

    Args:
        depth: (H, W) float32, metres, NaN where there is no reading.
        camera: its intrinsics.
        max_range: gaps between readings farther than this are left, metres: there is noise.

    Returns:
        (H, W) float32, the same array where nothing is filled; and the share of the surfaces seen
        that small gaps hide, 0 to 1.
    """
    if np.isfinite(depth).all():
        return depth, 0.0
    bridged = _bridged(depth, camera, max_range, _WIDEST)
    empty = np.isnan(depth)
    hidden = int(np.count_nonzero(empty & np.isfinite(bridged)))
    share = hidden / max(hidden + int(np.count_nonzero(depth < max_range)), 1)
    if share >= _MANY:
        depth = np.where(empty, bridged, depth)
        empty = np.isnan(depth)
    rows, columns = (_inner(np.logical_and.reduce(empty, axis)) for axis in (1, 0))
    lines = rows[:, None] | columns
    if lines.any():
        depth = np.where(lines, _bridged(depth, camera, max_range, _WIDEST_LINES), depth)
    return depth, share


def _inner(lines: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Those of some lines (N,) that have others on both sides: registration leaves empty rims."""
    after, before = (np.logical_or.accumulate(~each) for each in (lines, lines[::-1]))
    return lines & after & before[::-1]


def _bridged(
    depth: NDArray[np.float32], camera: Camera, max_range: float, widest: float
) -> NDArray[np.float32]:
    """All gaps bridged up to a width in shares of the image's width; NaN beyond the range."""
    bridged = np.where(depth < max_range, depth, np.float32(np.nan))
    pixels = max(2, round(widest * camera.width))
    _bridge_rows(bridged, pixels, camera.fx)
    _bridge_rows(bridged.T, pixels, camera.fy)
    return bridged


@compiled()
def _bridge_rows(depth, widest, focal):  # type: ignore[no-untyped-def]
    rows, cols = depth.shape
    for i in range(rows):
        last = -1  # the last reading
        for j in range(cols):
            z = depth[i, j]
            if not z > 0:
                continue
            gap = j - last - 1
            if last >= 0 and 0 < gap <= widest:
                before = depth[i, last]
                mean = 0.5 * (before + z)
                tolerance = max(
                    _STEEPEST * (gap + 1) * mean / focal, _STEP_SIGMAS * compiled_depth_noise(mean)
                )
                one_surface = abs(z - before) < tolerance
                for k in range(last + 1, j):
                    share = (k - last) / (gap + 1)
                    if one_surface:
                        depth[i, k] = 1 / ((1 - share) / before + share / z)
                    else:
                        depth[i, k] = before if share < 0.5 else z
            last = j
