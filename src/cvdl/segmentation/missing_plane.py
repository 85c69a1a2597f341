"""Causes of a missing support plane."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["MissingPlane", "missing_plane"]

# Median depths, meters.
_MAX_METERS = 50.0  # farther than any table: the unit is wrong
_MIN_METERS = 0.05  # nearer than any table
_NEAR = 0.2  # nearer than most sensors measure
_FEW = 0.1  # share of pixels with a reading
_SOME = 0.2  # share of the readings within the range


@dataclass(frozen=True)
class MissingPlane:
    """A frame without a support plane.

    Attributes:
        cause: the likeliest cause, in a few words.
        share: of the pixels with a depth.
        median: of the depth, meters; NaN for an empty image.
    """

    cause: str
    share: float
    median: float

    @property
    def sentence(self) -> str:
        """A warning, to be reported once per cause."""
        seen = f"{self.share:.0%} of its pixels have a depth"
        if self.share:
            seen += f", with a median of {self.median:.3g} m"
        return f"a frame shows no support plane, so it has no grasps: {self.cause} ({seen})"


def missing_plane(depth: NDArray[np.float32], max_range: float) -> MissingPlane:
    """The likeliest cause of a missing support plane.

    Args:
        depth: (H, W), meters, NaN for no reading.
        max_range: readings farther than this are ignored, meters.
    """
    readings = depth[np.isfinite(depth)]
    if not len(readings):
        return MissingPlane("no depth", 0.0, float("nan"))
    share, median = len(readings) / depth.size, float(np.median(readings))
    if median > _MAX_METERS:
        cause = "wrong unit of depth, perhaps millimeters in 32FC1, which is in meters"
    elif median < _MIN_METERS:
        cause = "wrong unit of depth, perhaps meters in 16UC1, which is in millimeters"
    elif np.count_nonzero(readings <= max_range) < _SOME * len(readings):
        cause = f"too far, most of it beyond segmentation.max_range, {max_range:g} m"
    elif median < _NEAR:
        cause = "too near for a support to be seen"
    elif share < _FEW:
        cause = "too few depth readings"
    else:
        cause = "nothing flat and large enough in view"
    return MissingPlane(cause, share, median)
