"""The noise of a frame's depth, measured on the frame itself, and smoothing of noisy depth.

The noise model is for a Kinect. The noise of a stereo camera near its limits, on a surface without
texture, is several times larger, in grains of some pixels.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from cvdl.core.compiled import compiled
from cvdl.depth.noise import NOISE_AT_1M, depth_noise
from cvdl.depth.ranges import in_range
from cvdl.segmentation.labels import enlarged, quantile

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
    depth = in_range(depth, _NEAREST, max_range)
    if inside is not None:
        depth[~inside] = np.nan
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
    residuals, z = _residuals(depth[stride // 2 :: stride, stride // 2 :: stride])
    if not len(z):
        return 1.0
    return max(1.0, quantile(residuals / depth_noise(z), _QUANTILE))


@compiled()
def _residuals(depth):  # type: ignore[no-untyped-def]
    """Distances of whole patches of 3 x 3 pixels from their planes, and their depths, meters.

    The root of the mean square, over the six degrees of freedom that a plane leaves.
    """
    rows, cols = depth.shape
    most = max(rows - 2, 0) * max(cols - 2, 0)
    residuals, depths = np.empty(most), np.empty(most)
    inverses = 1.0 / depth.astype(np.float64)
    n = 0
    for i in range(1, rows - 1):
        for j in range(1, cols - 1):
            total = squares = across = down = 0.0
            for a in range(-1, 2):
                for b in range(-1, 2):
                    inverse = inverses[i + a, j + b]
                    total += inverse
                    squares += inverse * inverse
                    across += b * inverse
                    down += a * inverse
            residual = squares - total * total / 9 - across * across / 6 - down * down / 6
            if np.isnan(residual):
                continue
            z = np.float64(depth[i, j])
            residuals[n] = math.sqrt(max(residual, 0.0) / 6) * z * z
            depths[n] = z
            n += 1
    return residuals[:n], depths[:n]


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
