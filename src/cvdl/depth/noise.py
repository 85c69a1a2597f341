"""How far a depth reading may be off."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["NOISE_AT_1M", "NOISE_FLOOR", "depth_noise"]

#: Standard deviation of a Kinect's depth at 1 m: 1.425 mm, growing with z squared
#: (Khoshelham & Elberink 2012, "Accuracy and resolution of Kinect depth data", eq. 10).
NOISE_AT_1M = 1.425e-3
#: What no camera stays under at close range, metres.
NOISE_FLOOR = 0.5e-3


def depth_noise(depth: NDArray[np.floating]) -> NDArray[np.floating]:
    """Standard deviation of depth readings (any shape), metres."""
    return np.hypot(NOISE_FLOOR, NOISE_AT_1M * depth * depth)
