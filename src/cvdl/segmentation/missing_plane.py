"""Why a frame may show no support plane."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["MissingPlane", "missing_plane"]

# In the median, metres: nobody looks at a table from so far, or so near.
_TOO_FAR_FOR_METRES = 50.0
_TOO_NEAR_FOR_METRES = 0.05
_NEAR = 0.2  # nearer than most sensors measure
_FEW = 0.1  # share of pixels with a reading
_SOME = 0.2  # share of the readings that are within the range


@dataclass(frozen=True)
class MissingPlane:
    """A frame without a support plane.

    Attributes:
        cause: the likeliest one, in a few words.
        share: of the pixels that have a depth.
        median: of the depth, metres; NaN where there is none.
    """

    cause: str
    share: float
    median: float

    @property
    def sentence(self) -> str:
        """What to warn of, once a cause."""
        seen = f"{self.share:.0%} of its pixels have a depth"
        if self.share:
            seen += f", with a median of {self.median:.3g} m"
        return (
            f"a frame shows no support plane, so it has no masks and no grasps: {self.cause} "
            f"({seen})"
        )


def missing_plane(depth: NDArray[np.float32], max_range: float) -> MissingPlane:
    """The likeliest cause why depth shows no support plane.

    Args:
        depth: (H, W), metres, NaN where there is no reading.
        max_range: readings farther than this are ignored, metres.
    """
    readings = depth[np.isfinite(depth)]
    if not len(readings):
        return MissingPlane("no depth", 0.0, float("nan"))
    share, median = len(readings) / depth.size, float(np.median(readings))
    if median > _TOO_FAR_FOR_METRES:
        cause = "wrong unit of depth, perhaps millimetres in 32FC1, which is in metres"
    elif median < _TOO_NEAR_FOR_METRES:
        cause = "wrong unit of depth, perhaps metres in 16UC1, which is in millimetres"
    elif np.count_nonzero(readings <= max_range) < _SOME * len(readings):
        cause = f"too far, most of it beyond segmentation.max_range, {max_range:g} m"
    elif median < _NEAR:
        cause = "too near for a support to be seen"
    elif share < _FEW:
        cause = "too few depth readings"
    else:
        cause = "nothing flat and large enough in view"
    return MissingPlane(cause, share, median)
