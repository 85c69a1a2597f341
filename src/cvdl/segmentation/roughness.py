"""The noise of a frame's depth, measured on the frame itself, and smoothing of noisy depth.

The noise model is for a Kinect. The noise of a stereo camera near its limits, on a surface without
texture, is several times larger, in grains of some pixels.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from cvdl.depth.noise import NOISE_AT_1M, depth_noise
from cvdl.segmentation.labels import enlarged

__all__ = ["lowest_height", "roughness", "smoothed", "usable_depth"]

_COLUMNS = 160  # samples per row: farther apart than the grains of the noise
_QUANTILE = 0.4  # of the patches: the others may lie on edges
_WORKING_WIDTH = 320
_RADIUS, _PASSES = 6, 2  # of the filter: pixels of the reduced image
_RANGE_SIGMAS = 4.0
_NEAREST = 0.02  # meters: no depth camera measures at a shorter distance
_ROUGH = 2.0  # roughness from which the depth is smoothed
_LOW = 0.6  # of the minimum height of an object: its pixels are higher
_SMOOTHED = 0.45  # of the excess noise remains after smoothing, in slow waves


def usable_depth(
    depth: NDArray[np.float32], max_range: float, inside: NDArray[np.bool_] | None = None
) -> tuple[NDArray[np.float32], float]:
    """Depth without readings out of range, smoothed if it is noisy, and its ``roughness``.

    The roughness of depth that is not smoothed is 1, which the thresholds are made for.

    Args:
        depth: (H, W) float32, meters, NaN for no reading.
        max_range: farther readings are removed, meters.
        inside: (H, W), pixels of the region of interest; readings of the others are removed.
    """
    is_usable = (depth > _NEAREST) & (depth < max_range)
    if inside is not None:
        is_usable &= inside
    depth = np.where(is_usable, depth, np.float32(np.nan))
    noise = roughness(depth)
    return (depth, 1.0) if noise < _ROUGH else (smoothed(depth, noise), noise)


def lowest_height(min_height: float, roughness: float) -> float:
    """The height from which a pixel is above the support, meters.

    Args:
        min_height: smallest height of an object, meters.
        roughness: of the depth, see ``usable_depth``.
    """
    return _LOW * min_height * (1 + _SMOOTHED * (roughness - 1))


def roughness(depth: NDArray[np.float32]) -> float:
    """Factor of the noise over the noise model; at least 1.

    Measured as the distance of patches of 3 x 3 samples from a plane each.

    Args:
        depth: (H, W) float32, meters, NaN for no reading.
    """
    stride = max(1, depth.shape[1] // _COLUMNS)
    grid = depth[stride // 2 :: stride, stride // 2 :: stride].astype(np.float64)
    inverse = 1 / grid
    kernel = np.ones(3)
    ramp = np.array([-1.0, 0.0, 1.0])

    def summed(
        values: NDArray[np.float64], x: NDArray[Any], y: NDArray[Any]
    ) -> NDArray[np.float64]:
        return cv2.sepFilter2D(values, -1, x, y)[1:-1, 1:-1]

    valid = summed(np.isfinite(grid).astype(np.float64), kernel, kernel) == 9
    filled = np.nan_to_num(inverse)
    # The sum of squared residuals of a plane: six degrees of freedom.
    residuals = (
        summed(filled**2, kernel, kernel)
        - summed(filled, kernel, kernel) ** 2 / 9
        - summed(filled, ramp, kernel) ** 2 / 6
        - summed(filled, kernel, ramp) ** 2 / 6
    )[valid]
    if not len(residuals):
        return 1.0
    z = grid[1:-1, 1:-1][valid]
    ratio = np.sqrt(np.maximum(residuals, 0) / 6) * z**2 / depth_noise(z)
    return max(1.0, float(np.quantile(ratio, _QUANTILE)))


def smoothed(depth: NDArray[np.float32], factor: float) -> NDArray[np.float32]:
    """Depth with less noise within surfaces, by a bilateral filter.

    The noise of inverse depth does not depend on the distance.

    Args:
        depth: (H, W) float32, meters, NaN for no reading.
        factor: the ``roughness`` of the depth.
    """
    block = max(1, depth.shape[1] // _WORKING_WIDTH)
    rows, cols = (size // block for size in depth.shape)
    inverse = np.nan_to_num(1 / depth)
    size = (cols, rows)
    whole = np.s_[: rows * block, : cols * block]
    share = cv2.resize((inverse[whole] > 0).astype(np.float32), size, interpolation=cv2.INTER_AREA)
    reduced = cv2.resize(inverse[whole], size, interpolation=cv2.INTER_AREA)
    reduced = np.where(share > 0, reduced / np.maximum(share, 1e-6), 0).astype(np.float32)
    spread = _RANGE_SIGMAS * factor * NOISE_AT_1M
    for _ in range(_PASSES):
        reduced = cv2.bilateralFilter(reduced, 2 * _RADIUS + 1, spread, _RADIUS)
    full = enlarged(reduced, block, depth.shape)
    smooth = np.full_like(depth, np.nan)
    return np.divide(1, full, out=smooth, where=np.isfinite(depth) & (full > 0))
