"""The noise of depth readings."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cvdl.core.compiled import compiled

__all__ = ["NOISE_AT_1M", "compiled_depth_noise", "depth_noise"]

#: Standard deviation of a Kinect's depth at 1 m: 1.425 mm, growing with z squared
#: (Khoshelham & Elberink 2012, "Accuracy and resolution of Kinect depth data", eq. 10).
NOISE_AT_1M = 1.425e-3
#: Standard deviation of any camera at close range, meters.
_NOISE_FLOOR = 0.5e-3
# In float32: so the noise of depth in float32 is computed in float32 by compiled functions, too.
_FLOOR_SQUARED, _AT_1M_SQUARED = np.float32(_NOISE_FLOOR**2), np.float32(NOISE_AT_1M**2)


def depth_noise(depth: NDArray[np.floating]) -> NDArray[np.floating]:
    """Standard deviation of depth readings (any shape), meters."""
    return np.sqrt(_FLOOR_SQUARED + _AT_1M_SQUARED * (depth * depth) ** 2)


#: The same for compiled functions.
compiled_depth_noise = compiled()(depth_noise)
