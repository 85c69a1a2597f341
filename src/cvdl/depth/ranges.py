"""Readings within a range."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cvdl.core.compiled import compiled

__all__ = ["in_range"]


@compiled()
def in_range(depth: NDArray[np.float32], nearest: float, farthest: float) -> NDArray[np.float32]:
    """A copy of depth (H, W), meters, with NaN for readings out of a range; both ends are out."""
    least, most = np.float32(nearest), np.float32(farthest)
    kept = np.empty_like(depth)
    for i in range(depth.shape[0]):
        for j in range(depth.shape[1]):
            z = depth[i, j]
            kept[i, j] = z if (z > least) & (z < most) else np.float32(np.nan)
    return kept
